"""What MusicBrainz told us, cached as rows. Not what we hold (library) and not what we want (jobs)."""

from __future__ import annotations

from enum import StrEnum

from django.db import models

from apps.domain.catalog.walks import WalkKind, WalkState


def _choices(names: type[StrEnum]) -> list[tuple[str, str]]:
    return [(one.value, one.value.replace("_", " ").title()) for one in names]


class Artist(models.Model):
    """An artist by MBID. As credited until `fetched_at` says that it was asked for by itself."""

    mbid = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=1000)
    sort_name = models.CharField(max_length=1000, blank=True, default="")
    kind = models.CharField(max_length=40, blank=True, default="")  # Person, Group, Orchestra …
    country = models.CharField(max_length=4, blank=True, default="")
    disambiguation = models.CharField(max_length=1000, blank=True, default="")
    begin = models.CharField(max_length=10, blank=True, default="")
    end = models.CharField(max_length=10, blank=True, default="")
    aliases = models.JSONField(default=list)
    source = models.CharField(max_length=20, default="musicbrainz")
    fetched_at = models.DateTimeField(null=True, blank=True)

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
    artist_credit = models.CharField(max_length=1000, blank=True, default="")
    disambiguation = models.CharField(max_length=1000, blank=True, default="")
    artists = models.ManyToManyField(Artist, through="GroupArtist", related_name="groups")
    source = models.CharField(max_length=20, default="musicbrainz")
    fetched_at = models.DateTimeField(null=True, blank=True)  # of its own fields, by lookup or browse

    def __str__(self) -> str:
        return self.title


class GroupArtist(models.Model):
    """An artist in the credit of a release group: an artist's groups are found by it."""

    group = models.ForeignKey(ReleaseGroup, on_delete=models.CASCADE, related_name="credits")
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="group_credits")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["group", "position"]
        constraints = [models.UniqueConstraint(fields=["group", "artist"], name="group_artist_once")]

    def __str__(self) -> str:
        return f"{self.artist_id} of {self.group_id}"


class Label(models.Model):
    """A record label by MBID. As named by releases until `fetched_at` says that it was asked for by itself."""

    mbid = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=1000)
    kind = models.CharField(max_length=40, blank=True, default="")
    country = models.CharField(max_length=4, blank=True, default="")
    disambiguation = models.CharField(max_length=1000, blank=True, default="")
    label_code = models.PositiveIntegerField(null=True, blank=True)
    aliases = models.JSONField(default=list)
    source = models.CharField(max_length=20, default="musicbrainz")
    fetched_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """One edition of an album. `redirected_from` keeps the MBIDs that were merged into this one (by which it is found: MergedMbid).

    `fetched_at` None: known from a list only (`listed_at`), its media and tracks were never asked for.
    """

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
    packaging = models.CharField(max_length=40, blank=True, default="")
    language = models.CharField(max_length=8, blank=True, default="")  # ISO 639-3
    disambiguation = models.CharField(max_length=1000, blank=True, default="")
    formats = models.JSONField(default=list)  # of its media, in order
    track_count = models.PositiveIntegerField(default=0)  # 0: not told
    source = models.CharField(max_length=20, default="musicbrainz")
    listed_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.artist_credit} – {self.title}"


class ReleaseLabel(models.Model):
    """A label and a catalogue number of a release: a label's releases are found by it. `label` None: a number without a label."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="release_labels")
    label = models.ForeignKey(Label, on_delete=models.CASCADE, null=True, blank=True, related_name="release_labels")
    catalog_number = models.CharField(max_length=200, blank=True, default="")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["release", "position"]
        constraints = [models.UniqueConstraint(fields=["release", "position"], name="release_label_once")]

    def __str__(self) -> str:
        return f"{self.release_id} {self.catalog_number}"


class MergedMbid(models.Model):
    """An MBID that MusicBrainz merged into another one, as it told when it was asked for the old one: nobody asks for that again. Written with what
    the answer held (apps.catalog.services)."""

    kind = models.CharField(max_length=10)  # release, recording, artist, label, group
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


class Relation(models.Model):
    """What MusicBrainz says connects one entity with another, or with an address outside. Kept with its source: fetched again, all of a source's are
    replaced in one transaction."""

    source_kind = models.CharField(max_length=20)  # artist, release-group, label, recording, release
    source_mbid = models.UUIDField()
    kind = models.CharField(max_length=80)  # member of band, remaster, discogs …
    forward = models.BooleanField(default=True)
    target_kind = models.CharField(max_length=20)
    target_mbid = models.UUIDField(null=True, blank=True)
    name = models.CharField(max_length=1000, blank=True, default="")
    address = models.CharField(max_length=1000, blank=True, default="")
    attributes = models.JSONField(default=list)
    begin = models.CharField(max_length=10, blank=True, default="")
    end = models.CharField(max_length=10, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["source_kind", "source_mbid"], name="relation_by_source"),
            models.Index(fields=["target_mbid"], name="relation_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.source_mbid} {self.kind} {self.target_mbid or self.address}"


class EntityTag(models.Model):
    """A genre or tag that MusicBrainz' people gave, with its votes. Replaced with its entity."""

    entity_kind = models.CharField(max_length=20)
    mbid = models.UUIDField()
    name = models.CharField(max_length=200)
    count = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entity_kind", "mbid", "name"], name="entity_tag_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.count})"


class Walk(models.Model):
    """The resumable reading of one list: each page is stored in one transaction with `taken`, so that a killed worker loses a page at most.

    `lease_until`, `attempt` and `next_step_at` belong to the worker that moves it (fencing, as of Job). `total` None: not told yet; `unreadable`:
    entries that were left out because of their shape. `passes`, `moved` and `again`: apps.domain.catalog.walks.Step. `refresh`: whose list it is is
    looked up again first, however fresh. `read_at`: when the list was last read to its end; a renewed walk keeps it. Written by
    apps.catalog.services_walk alone.
    """

    kind = models.CharField(max_length=20, choices=_choices(WalkKind))
    mbid = models.UUIDField()
    state = models.CharField(max_length=10, choices=_choices(WalkState), default=WalkState.WAITING.value)
    taken = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    unreadable = models.PositiveIntegerField(default=0)
    passes = models.PositiveSmallIntegerField(default=0)
    moved = models.BooleanField(default=False)
    again = models.BooleanField(default=False)
    refresh = models.BooleanField(default=False)
    read_at = models.DateTimeField(null=True, blank=True)
    code = models.CharField(max_length=60, blank=True, default="")
    params = models.JSONField(default=dict)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "mbid"], name="walk_once")]
        indexes = [
            models.Index(fields=["next_step_at"], name="walk_due", condition=models.Q(state__in=["waiting", "walking"]))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.mbid} {self.taken}/{self.total}"


class Validator(models.Model):
    """What MusicBrainz said by which an answer is known again (RFC 9110 §8.8): asked for with it, it need not send what is here already. Written with
    what the answer held (apps.catalog.services_graph)."""

    kind = models.CharField(max_length=20)  # artist, label, release_group, release
    mbid = models.UUIDField()
    etag = models.CharField(max_length=200, blank=True, default="")
    last_modified = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "mbid"], name="validator_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.mbid} {self.etag}"


class DiscogsEntity(models.Model):
    """A release, master, label or artist of Discogs, as its typed, bounded facts (apps.domain.catalog.discogs)."""

    kind = models.CharField(max_length=10)
    discogs_id = models.PositiveBigIntegerField()
    derived_id = models.UUIDField(null=True, blank=True, db_index=True)  # apps.domain.catalog.identity.discogs_id
    facts = models.JSONField(default=dict)
    etag = models.CharField(max_length=200, blank=True, default="")
    fetched_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "discogs_id"], name="discogs_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.discogs_id}"
