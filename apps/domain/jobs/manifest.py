"""From a release (or a recording) and a job's constraints to the tracks that shall arrive. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from apps.domain.catalog.release import RecordingFacts, ReleaseFacts, ReleaseRef
from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints

MAX_RELEASE_KEYS = 10
"""Releases under which a recording is looked up on the DHT: the best ones find whoever has it."""


class ManifestImpossible(DomainError):
    """Nothing can be asked for: `release_without_tracks`, `track_not_on_release`."""

    default_code = "release_without_tracks"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrack:
    """A track to be fetched, with the keys under which it is looked up, best first."""

    medium: int
    position: int
    number: str
    title: str
    artist: str
    recording_mbid: uuid.UUID
    track_mbid: uuid.UUID | None
    length_ms: int | None
    release_mbids: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a job turned out to be."""

    title: str
    artist: str
    year: str
    release_mbid: uuid.UUID | None
    tracks: tuple[PlannedTrack, ...]


def release_manifest(release: ReleaseFacts, *, constraints: Constraints, asked_for: uuid.UUID) -> Manifest:
    """All tracks of a release, or the subset the constraints name. A merged MBID stays a key: peers may still announce under it.

    Raises ManifestImpossible.
    """
    keys = tuple(dict.fromkeys((release.mbid, asked_for)))
    tracks = [
        PlannedTrack(
            medium=medium.position,
            position=track.position,
            number=track.number,
            title=track.title,
            artist=track.artist_credit,
            recording_mbid=track.recording.mbid,
            track_mbid=track.mbid,
            length_ms=track.length_ms,
            release_mbids=keys,
        )
        for medium, track in release.tracks()
    ]
    if not tracks:
        raise ManifestImpossible("This release has no audio tracks on MusicBrainz.", release=str(release.mbid))
    if constraints.tracks:
        wanted = {(ref.medium, ref.position) for ref in constraints.tracks}
        if missing := sorted(wanted - {(track.medium, track.position) for track in tracks}):
            raise ManifestImpossible(
                "The release has no such track.",
                code="track_not_on_release",
                medium=missing[0][0],
                position=missing[0][1],
            )
        tracks = [track for track in tracks if (track.medium, track.position) in wanted]
    return Manifest(
        title=release.title,
        artist=release.artist_credit,
        year=release.year,
        release_mbid=release.mbid,
        tracks=tuple(tracks),
    )


def earliest_first(releases: tuple[ReleaseRef, ...]) -> tuple[ReleaseRef, ...]:
    """Editions in the order of their years, those without a date last; within a year as they were. The first is what is nearest to the original
    master; where no dates are known nothing changes."""
    return tuple(sorted(releases, key=lambda ref: ref.date[:4] if ref.date[:4].isdigit() else "9999"))


def recording_manifest(
    recording: RecordingFacts, *, releases: tuple[ReleaseRef, ...], best: ReleaseFacts | None
) -> Manifest:
    """One track. `best`: the release it is filed under (the first of `releases`), if it has any and was found."""
    keys = tuple(ref.mbid for ref in releases[:MAX_RELEASE_KEYS])
    places = list(best.tracks()) if best else []
    place = next(((medium, track) for medium, track in places if track.recording.mbid == recording.mbid), None)
    medium, track = place or (None, None)
    planned = PlannedTrack(
        medium=medium.position if medium else 1,
        position=track.position if track else 0,
        number=track.number if track else "",
        title=track.title if track else recording.title,
        artist=track.artist_credit if track else recording.artist_credit,
        recording_mbid=recording.mbid,
        track_mbid=track.mbid if track else None,
        length_ms=recording.length_ms or (track.length_ms if track else None),
        release_mbids=keys,
    )
    return Manifest(
        title=recording.title,
        artist=recording.artist_credit,
        year=best.year if best and place else "",
        release_mbid=best.mbid if best and place else None,
        tracks=(planned,),
    )
