"""What is compared: tracks that somebody offers (a folder here, a share elsewhere) and releases they could be."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

VARIOUS_ARTISTS = uuid.UUID("89ad4ac3-39f7-470e-963a-56509c546377")
"""MusicBrainz' special purpose artist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingVote:
    """A recording that an offered track could be. `confidence` 0..1: of whoever listened."""

    mbid: uuid.UUID
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTrack:
    """One track on offer. Empty text, 0 and None: unknown. `key` is the caller's name for it; it only orders what is otherwise equal."""

    key: str
    title: str = ""
    artist: str = ""
    duration_ms: int | None = None
    disc: int = 0
    track: int = 0
    disc_tracks: int = 0
    """Tracks of its disc, as it states them."""
    recordings: tuple[RecordingVote, ...] = ()
    file_words: str = ""
    """Its file's name without ending: read only where there is no title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSet:
    """Tracks that lie together, and what they say in common of their album."""

    tracks: tuple[OfferedTrack, ...]
    album: str = ""
    artist: str = ""
    """Of the album."""
    year: str = ""
    country: str = ""
    label: str = ""
    catalog_number: str = ""
    barcode: str = ""
    discs: int = 0
    release_mbid: uuid.UUID | None = None
    group_mbid: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTrack:
    """A track of a release. `position` counts within its disc."""

    disc: int
    position: int
    title: str
    artist: str = ""
    length_ms: int | None = None
    recording_mbid: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRelease:
    """An edition. `various`: its artist is Various Artists."""

    mbid: uuid.UUID
    title: str
    tracks: tuple[TargetTrack, ...]
    artist: str = ""
    group_mbid: uuid.UUID | None = None
    various: bool = False
    date: str = ""
    country: str = ""
    label: str = ""
    catalog_number: str = ""
    barcode: str = ""
    status: str = ""
    formats: tuple[str, ...] = ()
    """One a medium."""

    @property
    def discs(self) -> int:
        """Media that hold tracks."""
        return len({track.disc for track in self.tracks})
