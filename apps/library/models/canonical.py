"""Statistics over the variants of a recording and of a release's track: what "the canonical one" is decided by. Recounted incrementally."""

from __future__ import annotations

from django.db import models

from apps.library.models.files import AudioVariant


class CanonicalStats(models.Model):
    """Variants of one recording in one codec profile. Written by the recount (apps.library.services_canonical)."""

    recording_mbid = models.UUIDField()
    profile = models.CharField(max_length=40)
    codec = models.CharField(max_length=12)
    lossless = models.BooleanField(default=False)
    variants = models.PositiveIntegerField(default=0)
    scored = models.PositiveIntegerField(default=0)
    mean_score = models.FloatField(null=True, blank=True)
    suspects = models.PositiveIntegerField(default=0)
    bitrates = models.JSONField(default=dict)  # kbit/s bucket → count
    best = models.ForeignKey(AudioVariant, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    best_score = models.FloatField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["recording_mbid", "profile"], name="canonical_once")]

    def __str__(self) -> str:
        return f"{self.recording_mbid} {self.profile}"


class TrackStats(models.Model):
    """Variants held of one track of one release. Written by the recount."""

    release_mbid = models.UUIDField()
    medium_position = models.PositiveSmallIntegerField()
    track_position = models.PositiveSmallIntegerField()
    recording_mbid = models.UUIDField(null=True, blank=True)
    variants = models.PositiveIntegerField(default=0)
    scored = models.PositiveIntegerField(default=0)
    mean_score = models.FloatField(null=True, blank=True)
    suspects = models.PositiveIntegerField(default=0)
    codecs = models.JSONField(default=dict)  # codec → count
    bitrates = models.JSONField(default=dict)
    best = models.ForeignKey(AudioVariant, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    best_score = models.FloatField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release_mbid", "medium_position", "track_position"], name="track_stats_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.release_mbid} {self.medium_position}-{self.track_position}"


class DuplicateKey(models.Model):
    """A key under which files of a large library are the same music, as it was counted in the background (apps.library.services_measures, which
    writes it): pages walk these keys instead of every row. Some may be out of date, so whoever reads one looks at what is there.
    """

    kind = models.CharField(max_length=12)  # apps.domain.library.duplicates
    key = models.CharField(max_length=40)  # digits of one length: ordered alike everywhere

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="duplicate_key_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class CanonicalDirty(models.Model):
    """A recording (or release) whose statistics must be counted again. Written with the change, removed by the recount."""

    kind = models.CharField(max_length=10)  # recording, release
    mbid = models.UUIDField()
    since = models.DateTimeField(auto_now_add=True)
    marks = models.PositiveBigIntegerField(default=0)  # rises with every mark: a recount only removes what it has seen

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "mbid"], name="canonical_dirty_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.mbid}"
