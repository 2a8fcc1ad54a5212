"""What the library has of releases, in bulk: files by the release they were filed or matched under. Reads only."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apps.catalog.models import Release
from apps.library.models import AudioFile

CHUNK = 500
"""Ids of one query: below what the oldest SQLite takes."""


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """A place of a release at which a present file lies. `recording_mbid` None: it was never identified."""

    medium: int | None
    position: int | None
    recording_mbid: uuid.UUID | None


def releases_touched(release_mbids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of these releases of which there is any present file; one query for 500."""
    ids = sorted(set(release_mbids))
    found: set[uuid.UUID] = set()
    for at in range(0, len(ids), CHUNK):
        rows = AudioFile.objects.filter(release_mbid__in=ids[at : at + CHUNK], missing_since=None)
        found.update(mbid for mbid in rows.order_by().values_list("release_mbid", flat=True).distinct() if mbid)
    return frozenset(found)


def places_held(release_mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, frozenset[HeldPlace]]:
    """release → the places that present files take, each once; one query for 500 releases."""
    ids = sorted(set(release_mbids))
    found: dict[uuid.UUID, set[HeldPlace]] = {}
    for at in range(0, len(ids), CHUNK):
        rows = AudioFile.objects.filter(release_mbid__in=ids[at : at + CHUNK], missing_since=None).order_by()
        for release, medium, position, recording in rows.values_list(
            "release_mbid", "medium_position", "track_position", "variant__recording_mbid"
        ).distinct():
            if release is not None:
                found.setdefault(release, set()).add(HeldPlace(medium, position, recording))
    return {release: frozenset(places) for release, places in found.items()}


def tracks_held_by_release(artist_mbid: uuid.UUID) -> Mapping[uuid.UUID, int]:
    """release → at how many of its places a present file lies, for the known releases of an artist's groups; one query."""
    releases = Release.objects.filter(release_group__credits__artist_id=artist_mbid).values("mbid")
    rows = AudioFile.objects.filter(release_mbid__in=releases, missing_since=None).order_by()
    places = rows.values_list("release_mbid", "medium_position", "track_position").distinct()
    return dict(Counter(release for release, _, _ in places if release is not None))
