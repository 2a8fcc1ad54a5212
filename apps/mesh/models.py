"""What the mesh knows of music: claims of peers, what we announce, what we seed."""

from __future__ import annotations

from django.db import models

from apps.mesh.models_adverts import Advert, AvailableVariant
from apps.mesh.models_labels import LabelPresence, LabelRelease, LabelSighting

__all__ = [
    "Advert",
    "Announcement",
    "AvailableVariant",
    "Claim",
    "ClaimVerdict",
    "LabelPresence",
    "LabelRelease",
    "LabelSighting",
    "SeededRelease",
]


class SeededRelease(models.Model):
    """A release a person chose to seed: announced and served even when nothing is being fetched."""

    release_mbid = models.UUIDField(primary_key=True)
    requested_by = models.ForeignKey("auth.User", on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.release_mbid)


class Announcement(models.Model):
    """A DHT key we announce. Sticky: slots change slowly, so that the set of announced MBIDs tells little of when we do what."""

    release_mbid = models.UUIDField(primary_key=True)
    slot = models.PositiveSmallIntegerField()
    since = models.DateTimeField(auto_now_add=True)
    announced_at = models.DateTimeField(null=True, blank=True)
    stored_at = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["slot"]
        constraints = [models.UniqueConstraint(fields=["slot"], name="announcement_slot_once")]

    def __str__(self) -> str:
        return str(self.release_mbid)


class ClaimVerdict(models.TextChoices):
    """What became of a claim once its payload was analysed here."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


class Claim(models.Model):
    """A peer's word that a payload is a recording. Never proof: the verdict comes when that payload was analysed here.

    Whether it also *holds* what it claims is told by `delivered_at` (bytes of it hashed right) and `undelivered` (times in a row that it was asked and
    had nothing to give, the last time at `undelivered_at`). `facts_wrong`: what it stated of the payload is not what we measured. Written by the node.
    """

    peer = models.ForeignKey("peers.Peer", on_delete=models.CASCADE, related_name="claims")
    group = models.CharField(max_length=60, blank=True, default="")
    recording_mbid = models.UUIDField()
    payload_format = models.CharField(max_length=12)
    payload_root = models.BinaryField(max_length=32)
    profile = models.CharField(max_length=40)
    payload_bytes = models.BigIntegerField()
    complete = models.BooleanField(default=True)
    facts = models.JSONField(default=dict)
    first_hand = models.BooleanField(default=True)
    verdict = models.CharField(max_length=10, choices=ClaimVerdict.choices, default=ClaimVerdict.OPEN)
    heard_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    undelivered = models.PositiveIntegerField(default=0)
    undelivered_at = models.DateTimeField(null=True, blank=True)
    facts_wrong = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["peer", "recording_mbid", "payload_format", "payload_root"], name="claim_once_per_peer"
            ),
        ]
        indexes = [models.Index(fields=["recording_mbid", "payload_root"], name="claim_by_recording")]

    def __str__(self) -> str:
        return f"{self.peer_id} claims {self.recording_mbid}"
