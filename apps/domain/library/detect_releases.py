"""The Collection Doctor's rule about a release as a whole: which of its tracks are not here. Pure.

A person who keeps three songs of an album does not miss the other nine. So tracks are only missing from a release that is here as an album: a
folder was matched to it (by its evidence or by a person) and at least two of its tracks are held, or at least `missing_tracks_min_share` of it is
held by what the tags say. A single loose track never makes a release incomplete.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.library.detect import ReleaseTrack, Thresholds
from apps.domain.library.issues import Finding, IssueSeverity, IssueType, ParamValue

MIN_HELD: Final = 2
"""Tracks of a release from which it can be an album that is here."""
NOT_MUSIC: Final = frozenset({"[data track]", "[silence]"})
"""MusicBrainz' special-purpose titles of tracks that nobody misses (Style/Special purpose track titles)."""
PICTURES: Final = ("dvd", "blu-ray", "vhs", "laserdisc", "video", "umd", "hd-dvd", "vcd", "svcd")
"""Formats of media that hold pictures; DVD-Audio is none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTrack:
    """A file that is here for a release: where its tags (or its folder's match) put it, and what it is."""

    medium: int
    position: int
    recording_mbid: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMedium:
    """A medium and its tracks."""

    position: int
    format: str
    tracks: Sequence[ReleaseTrack]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHeld:
    """A release with a known tracklist, of which something is here."""

    mbid: uuid.UUID
    title: str
    artist: str
    media: Sequence[ReleaseMedium]
    held: Collection[HeldTrack]
    matched: bool
    """A folder is this release: by its match, or by a person's word."""


def release_findings(release: ReleaseHeld, thresholds: Thresholds) -> tuple[Finding, ...]:
    """One finding for each track that is not here, if the release is here as an album."""
    media = [medium for medium in release.media if not _pictures(medium.format)]
    tracks = [track for medium in media for track in medium.tracks if track.title.casefold() not in NOT_MUSIC]
    missing = _missing(tracks, release.held)
    held = len(tracks) - len(missing)
    if not missing or held < MIN_HELD:
        return ()
    share = held / len(tracks)
    if not release.matched and share < thresholds.missing_tracks_min_share:
        return ()
    lacking = {
        medium.position
        for medium in media
        if medium.tracks and all(track in missing for track in medium.tracks if track in tracks)
    }
    return tuple(_finding(release, track, held, len(tracks), whole_medium=track.medium in lacking) for track in missing)


def _missing(tracks: Sequence[ReleaseTrack], held: Collection[HeldTrack]) -> list[ReleaseTrack]:
    """A file stands for the track that is its recording; one whose recording is not known, or not on the release, for its place.

    The same recording may be on a release twice (a hidden reprise): each file stands for one of them.
    """
    open_tracks = list(tracks)
    unplaced: list[HeldTrack] = []
    by_place = sorted(held, key=lambda one: (one.medium, one.position, str(one.recording_mbid)))
    for file in by_place:
        same = [track for track in open_tracks if file.recording_mbid and track.recording_mbid == file.recording_mbid]
        at_place = [track for track in same if (track.medium, track.position) == (file.medium, file.position)]
        if same:
            open_tracks.remove((at_place or same)[0])
        else:
            unplaced.append(file)
    placed_twice = {track.recording_mbid for track in tracks} - {track.recording_mbid for track in open_tracks}
    for file in unplaced:
        if file.recording_mbid in placed_twice:
            continue  # a second copy of a track that is here
        here = [track for track in open_tracks if (track.medium, track.position) == (file.medium or 1, file.position)]
        if here:
            open_tracks.remove(here[0])
    return open_tracks


def _finding(release: ReleaseHeld, track: ReleaseTrack, held: int, total: int, *, whole_medium: bool) -> Finding:
    params: dict[str, ParamValue] = {
        "release": release.title,
        "medium": track.medium,
        "position": track.position,
        "track": track.title,
        "held": held,
        "total": total,
    }
    return Finding(
        type=IssueType.MISSING_TRACK,
        severity=IssueSeverity.LOW if whole_medium else IssueSeverity.MEDIUM,
        subject=(release.mbid, track.medium, track.position),
        code="missing_medium" if whole_medium else "missing_track",
        params=params,
        release_mbid=release.mbid,
        recording_mbid=track.recording_mbid,
        medium_position=track.medium,
        track_position=track.position,
        artist=release.artist,
        album=release.title,
        title=track.title,
    )


def _pictures(medium_format: str) -> bool:
    shown = medium_format.casefold()
    return shown.startswith(PICTURES) and "audio" not in shown
