"""What the mesh asks of the catalogue to count labels (through apps.common.names): which labels releases have, which releases recordings are on."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count

from apps.catalog.models import Label, MergedMbid, Release, ReleaseLabel, Track
from apps.common.names import RecordingsOn, ReleaseLabels

CHUNK = 500
MAX_PLACES = 20_000
"""Places of the recordings of one chunk that are looked at: a song is on dozens of compilations, a flood of ids must not fill memory."""


def releases_labelled(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseLabels]:
    """Known releases with their labels, in order. Releases that were fetched before labels were rows have their first label only."""
    found: dict[uuid.UUID, ReleaseLabels] = {}
    for some in _chunks(mbids):
        labels: dict[uuid.UUID, list[tuple[uuid.UUID | None, str]]] = {}
        rows = ReleaseLabel.objects.filter(release_id__in=some, label__isnull=False).order_by("release_id", "position")
        for release, label, name in rows.values_list("release_id", "label_id", "label__name"):
            labels.setdefault(release, []).append((label, name))
        releases = Release.objects.filter(mbid__in=some)
        for mbid, title, artist, first, called in releases.values_list(
            "mbid", "title", "artist_credit", "label_id", "label__name"
        ):
            told = labels.get(mbid, [(first, called)] if called else [])
            found[mbid] = ReleaseLabels(title=title, artist=artist, labels=tuple(dict.fromkeys(told)))
    return found


def label_names(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Names of known labels."""
    return dict(Label.objects.filter(mbid__in=list(mbids)).values_list("mbid", "name"))


def labels_merged(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, uuid.UUID]:
    """Labels that were merged into others, with those."""
    rows = MergedMbid.objects.filter(kind="label", old__in=list(mbids))
    return dict(rows.values_list("old", "mbid"))


def releases_covered(recordings: Collection[uuid.UUID]) -> Mapping[uuid.UUID, RecordingsOn]:
    """Releases whose tracklist is known and has some of these recordings, with how many tracks they have."""
    held: dict[uuid.UUID, set[uuid.UUID]] = {}
    groups: dict[uuid.UUID, uuid.UUID | None] = {}
    for some in _chunks(recordings):
        places = Track.objects.filter(recording_id__in=some).order_by()
        for release, group, recording in places.values_list(
            "medium__release_id", "medium__release__release_group_id", "recording_id"
        )[:MAX_PLACES]:
            held.setdefault(release, set()).add(recording)
            groups[release] = group
    counts: dict[uuid.UUID, int] = {}
    for some in _chunks(held):
        tracks = Track.objects.filter(medium__release_id__in=some).order_by().values_list("medium__release_id")
        counts.update(tracks.annotate(n=Count("recording_id", distinct=True)))
    return {
        release: RecordingsOn(group_mbid=groups[release], recordings=frozenset(own), tracks=counts.get(release, 0))
        for release, own in held.items()
    }


def _chunks(mbids: Collection[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    ordered = sorted(set(mbids))
    for at in range(0, len(ordered), CHUNK):
        yield ordered[at : at + CHUNK]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKind:
    """What kind of release it is, as MusicBrainz says of its group."""

    primary: str
    secondary: tuple[str, ...]

    @property
    def studio(self) -> bool:
        """An album that is nothing else besides."""
        return self.primary.lower() == "album" and not self.secondary


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRelease:
    """A release in MusicBrainz' list of a label."""

    mbid: uuid.UUID
    title: str
    artist: str
    year: str
    track_count: int
    kind: ReleaseKind


def release_kinds(mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ReleaseKind]:
    """Kinds of those releases whose group is known; one query for 500."""
    found: dict[uuid.UUID, ReleaseKind] = {}
    for some in _chunks(mbids):
        rows = Release.objects.filter(mbid__in=some, release_group__isnull=False).values_list(
            "mbid", "release_group__primary_type", "release_group__secondary_types"
        )
        found.update({mbid: ReleaseKind(primary=one, secondary=tuple(more)) for mbid, one, more in rows})
    return found


def label_list(mbid: uuid.UUID, *, limit: int, studio_only: bool = False) -> tuple[int, tuple[LabelRelease, ...]]:
    """How many releases of a label the catalogue knows, and the newest of them. Two queries."""
    rows = Release.objects.filter(mbid__in=ReleaseLabel.objects.filter(label_id=mbid).values("release_id"))
    if studio_only:
        rows = rows.filter(release_group__primary_type="Album", release_group__secondary_types=[])
    newest = rows.order_by("-date", "mbid").select_related("release_group")[:limit]
    return rows.count(), tuple(
        LabelRelease(
            mbid=row.mbid,
            title=row.title,
            artist=row.artist_credit,
            year=row.date[:4],
            track_count=row.track_count,
            kind=ReleaseKind(
                primary=row.release_group.primary_type if row.release_group else "",
                secondary=tuple(row.release_group.secondary_types) if row.release_group else (),
            ),
        )
        for row in newest
    )
