"""Bytes of both planes over time and per job, what the fairness governor did, and what searches taught. Local: nothing of it leaves the machine."""

from __future__ import annotations

from django.db import models

from apps.domain.soulseek.capture import Verdict
from apps.transfers.models import choices


class TrafficHour(models.Model):
    """Payload bytes of one hour. Written by the node; kept for 60 days."""

    hour = models.DateTimeField()
    plane = models.CharField(max_length=10)
    direction = models.CharField(max_length=4)
    total_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "plane", "direction"], name="traffic_hour_once")]

    def __str__(self) -> str:
        return f"{self.hour} {self.plane} {self.direction} {self.total_bytes}"


class TrafficMark(models.Model):
    """The last batch of bytes that was written of one run of the node: none is ever counted twice. Written by the node; kept for 60 days."""

    boot_id = models.UUIDField(primary_key=True)
    number = models.PositiveBigIntegerField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.boot_id} {self.number}"


class JobTraffic(models.Model):
    """Payload bytes that a job (the want's group) took over each plane. Written by the node. At most two rows a job; they stay as jobs do: totals since the
    beginning, which guardrails and metrics go by, are their sum."""

    job_id = models.UUIDField()
    plane = models.CharField(max_length=10)
    total_bytes = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job_id", "plane"], name="job_traffic_once")]

    def __str__(self) -> str:
        return f"{self.job_id} {self.plane} {self.total_bytes}"


class FairnessAction(models.Model):
    """What the governor did, and by which rule. Written by the node; kept for 60 days. `share`: part of the overlay's downloads that is left, 0..1."""

    at = models.DateTimeField(db_index=True)
    rule = models.CharField(max_length=60)
    action = models.CharField(max_length=20)
    share = models.FloatField()
    job_id = models.UUIDField(null=True, blank=True)
    params = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.rule} {self.action} {self.share}"


class OfferSighting(models.Model):
    """Somebody was seen to offer a recording or a release. Written by the control plane from search answers and downloads, in bulk.

    `sharer`: a keyed pseudonym (mesh.privacy.anonymize_usernames), else the name. `release_mbid`/`recording_mbid`: a best guess (`certainty` 0..1), None
    where nothing in the catalogue fits. Kept for `soulseek.capture.retention_days`.

    A row is a folder that was offered (`verdict` ""), or one file that was fetched: then `verdict` says what came of it (apps.domain.soulseek.capture.Verdict),
    `code` why it was rejected, and `payload_*`, `profile` and `length_ms` (None: it did not decode) are what it was found to be, not what its owner said.
    """

    sharer = models.CharField(max_length=120)
    folder_digest = models.BinaryField(max_length=32)
    artist = models.CharField(max_length=256, blank=True, default="")
    title = models.CharField(max_length=256, blank=True, default="")
    release_mbid = models.UUIDField(null=True, blank=True)
    recording_mbid = models.UUIDField(null=True, blank=True)
    profile = models.CharField(max_length=40, blank=True, default="")
    files = models.PositiveIntegerField(default=0)
    certainty = models.FloatField(default=0)
    verdict = models.CharField(max_length=10, blank=True, default="", choices=choices(Verdict))
    code = models.CharField(max_length=60, blank=True, default="")
    payload_format = models.CharField(max_length=12, blank=True, default="")
    payload_root = models.BinaryField(max_length=32, null=True, blank=True)
    payload_bytes = models.BigIntegerField(null=True, blank=True)
    length_ms = models.PositiveIntegerField(null=True, blank=True)
    times = models.PositiveIntegerField(default=1)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sharer", "folder_digest"], name="offer_sighting_once")]
        indexes = [
            models.Index(fields=["release_mbid"], name="offer_of_release"),
            models.Index(fields=["recording_mbid"], name="offer_of_recording"),
            models.Index(fields=["last_seen"], name="offer_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.sharer} {self.title}"
