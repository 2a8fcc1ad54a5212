"""What MusicBrainz told us, cached as rows. Not what we hold (library) and not what we want (jobs)."""

from __future__ import annotations

from django.db import models


class Artist(models.Model):
    """An artist by MBID."""

    mbid = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=1000)
    sort_name = models.CharField(max_length=1000, blank=True, default="")

    def __str__(self) -> str:
        return self.name


class ReleaseGroup(models.Model):
    """The album in the abstract: all editions together."""

    mbid = models.UUIDField(primary_key=True)
    title = models.CharField(max_length=1000)
    primary_type = models.CharField(max_length=40, blank=True, default="")
    secondary_types = models.JSONField(default=list)  # Compilation, Live, Remix …
    first_release_date = models.CharField(max_length=10, blank=True, default="")
    editions_at = models.DateTimeField(null=True, blank=True)  # all its releases were fetched then

    def __str__(self) -> str:
        return self.title


class Label(models.Model):
    """A record label by MBID."""

    mbid = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=1000)

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """One edition of an album. `redirected_from` keeps the MBIDs that were merged into this one (by which it is found: MergedMbid)."""

    mbid = models.UUIDField(primary_key=True)
    title = models.CharField(max_length=1000)
    artist_credit = models.CharField(max_length=1000, blank=True, default="")
    artist = models.ForeignKey(Artist, on_delete=models.SET_NULL, null=True, blank=True, related_name="releases")
    release_group = models.ForeignKey(
        ReleaseGroup, on_delete=models.SET_NULL, null=True, blank=True, related_name="releases"
    )
    label = models.ForeignKey(Label, on_delete=models.SET_NULL, null=True, blank=True, related_name="releases")
    catalog_number = models.CharField(max_length=200, blank=True, default="")
    barcode = models.CharField(max_length=40, blank=True, default="")
    date = models.CharField(
        max_length=10, blank=True, default=""
    )  # partial dates are common: YYYY, YYYY-MM, YYYY-MM-DD
    country = models.CharField(max_length=4, blank=True, default="")
    status = models.CharField(max_length=40, blank=True, default="")
    script = models.CharField(max_length=4, blank=True, default="")  # ISO 15924
    labels = models.JSONField(default=list)  # every label's name; `label` is the first
    catalog_numbers = models.JSONField(default=list)
    artist_mbids = models.JSONField(default=list)  # of the credit, in its order; `artist` is the first
    redirected_from = models.JSONField(default=list)
    source = models.CharField(max_length=20, default="musicbrainz")
    fetched_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.artist_credit} – {self.title}"


class MergedMbid(models.Model):
    """An MBID that MusicBrainz merged into another one, as it told when it was asked for the old one: nobody asks for that again. Written with what
    the answer held (apps.catalog.services)."""

    kind = models.CharField(max_length=10)  # release, recording
    old = models.UUIDField()
    mbid = models.UUIDField()  # what it is now
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "old"], name="merged_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.old} {self.mbid}"


class Medium(models.Model):
    """A disc, side or file set of a release."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="media")
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=1000, blank=True, default="")
    format = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        ordering = ["release", "position"]
        constraints = [models.UniqueConstraint(fields=["release", "position"], name="medium_position_once")]

    def __str__(self) -> str:
        return f"{self.release_id} medium {self.position}"


class Recording(models.Model):
    """A distinct piece of recorded sound: what a fingerprint proves."""

    mbid = models.UUIDField(primary_key=True)
    title = models.CharField(max_length=1000)
    artist_credit = models.CharField(max_length=1000, blank=True, default="")
    length_ms = models.PositiveIntegerField(null=True, blank=True)
    isrcs = models.JSONField(default=list)
    artist_mbids = models.JSONField(default=list)  # of the credit, in its order

    def __str__(self) -> str:
        return self.title


class Track(models.Model):
    """A recording's place on a medium, under the title this release prints."""

    mbid = models.UUIDField(primary_key=True)
    medium = models.ForeignKey(Medium, on_delete=models.CASCADE, related_name="tracks")
    recording = models.ForeignKey(Recording, on_delete=models.PROTECT, related_name="tracks")
    position = models.PositiveSmallIntegerField()
    number = models.CharField(max_length=40, blank=True, default="")
    title = models.CharField(max_length=1000)
    artist_credit = models.CharField(max_length=1000, blank=True, default="")
    length_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["medium", "position"]
        constraints = [models.UniqueConstraint(fields=["medium", "position"], name="track_position_once")]

    def __str__(self) -> str:
        return self.title
