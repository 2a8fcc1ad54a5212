"""Tracklists of many releases at once, as far as they were ever fetched. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apps.catalog.models import Track

CHUNK = 500
"""Ids of one query: below what the oldest SQLite takes."""


@dataclass(frozen=True, slots=True)
class TrackLine:
    """A track under the title its release prints. `length_ms` None: unknown."""

    medium: int
    position: int
    number: str
    title: str
    artist: str
    length_ms: int | None
    recording_mbid: uuid.UUID


def tracklists(release_mbids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[TrackLine, ...]]:
    """release → its tracks in order, of any age; releases known from a list only are not in the answer. One query for 500 releases."""
    ids = sorted(set(release_mbids))
    found: dict[uuid.UUID, list[TrackLine]] = {}
    for at in range(0, len(ids), CHUNK):
        rows = (
            Track.objects.filter(medium__release_id__in=ids[at : at + CHUNK])
            .order_by("medium__release_id", "medium__position", "position")
            .values_list(
                "medium__release_id",
                "medium__position",
                "position",
                "number",
                "title",
                "artist_credit",
                "length_ms",
                "recording_id",
            )
        )
        for release, medium, position, number, title, artist, length_ms, recording in rows:
            line = TrackLine(medium, position, number, title, artist, length_ms, recording)
            found.setdefault(release, []).append(line)
    return {release: tuple(lines) for release, lines in found.items()}
