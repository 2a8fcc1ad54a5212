"""What linked peers say, unasked for any one recording, that they hold. Written by the node only."""

from __future__ import annotations

from django.db import models


class Advert(models.Model):
    """What one peer told of its announced and seeded releases: how far, and until when it may be believed. Written by the node."""

    peer = models.OneToOneField("peers.Peer", on_delete=models.CASCADE, related_name="advert")
    group = models.CharField(max_length=60, blank=True, default="")
    bundle_id = models.UUIDField()
    sequence = models.BigIntegerField()
    whole = models.BooleanField(default=False)  # every part up to `sequence` was written down
    truncated = models.BooleanField(default=False)  # it holds, or told, more than is kept here
    generation = models.BigIntegerField(default=0)  # counts snapshots: rows of an older one go with its last part
    heard_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        # None by expiry: there are few adverts, and SQLite would begin every look at a recording with all that are believed.
        indexes = [models.Index(fields=["group", "heard_at"], name="advert_by_group")]

    def __str__(self) -> str:
        return f"{self.peer_id} up to {self.sequence}"


class AvailableVariant(models.Model):
    """A peer's word that it holds a whole payload of a recording. A claim, never proof. Written by the node."""

    advert = models.ForeignKey(Advert, on_delete=models.CASCADE, related_name="variants")
    variant_id = models.CharField(max_length=40)  # the peer's own private name for it
    recording_mbid = models.UUIDField()
    payload_format = models.CharField(max_length=12)
    payload_root = models.BinaryField(max_length=32)
    profile = models.CharField(max_length=40)
    payload_bytes = models.BigIntegerField()
    duration_ms = models.BigIntegerField(null=True, blank=True)
    quality_score = models.FloatField(null=True, blank=True)
    transcode_suspect = models.BooleanField(null=True, blank=True)
    generation = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["advert", "variant_id"], name="available_once_per_peer")]
        indexes = [models.Index(fields=["recording_mbid"], name="available_by_recording")]

    def __str__(self) -> str:
        return f"{self.recording_mbid} {self.profile}"
