"""What the mesh asks of the catalogue to count labels (through apps.common.names): which labels releases have, which releases recordings are on."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence

from django.db.models import Count

from apps.catalog.models import Label, Release, ReleaseLabel, Track
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
