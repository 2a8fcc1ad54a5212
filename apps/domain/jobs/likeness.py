"""Which files of the library are tracks that no fingerprint can prove: those that only Discogs knows. Pure.

Two levels, and neither is a fingerprint's word:

- **duration**: title and artist are the track's, the file decodes, and its length is within three seconds of what is told.
- **consensus**: besides, several copies of one audio (the same payload, or the same samples) lie in different folders. Where no length is told, only
  this counts, and only for a title that the release has once.

A file stands for one track at most; the nearest pairs are settled first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.domain.matching.words import name_distance, text_distance

LENGTH_GRACE_MS: Final = 3000
"""Discogs tells whole seconds, as printed; rips differ by gaps."""
TITLE_FAR: Final = 0.12
ARTIST_FAR: Final = 0.25
COPIES: Final = 2
"""That agree, for consensus."""
_UNTITLED: Final = frozenset({"[untitled]", "untitled", "unknown", "[unknown]"})


class Verification(StrEnum):
    """How sure it is that a file is its track: what JobTrack.verification holds."""

    FINGERPRINT = "fingerprint"
    """heard: AcoustID or the local index confirmed the recording"""
    CONSENSUS = "consensus"
    DURATION = "duration"
    UNCONFIRMED = "unconfirmed"
    """placed by its MBID's word; a fingerprint is asked for again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeTrack:
    """A track as it is told. `length_ms` None: not told."""

    title: str
    artist: str
    length_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeFile:
    """A file that decodes. `audio`: what copies of one audio have in common; `folder`: where it lies; `name`: of the file, without its ending."""

    file_id: int
    title: str
    artist: str
    name: str
    path: str
    duration_ms: int
    audio: bytes
    folder: bytes
    profile: str = ""
    quality: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """The file that stands for a track. `copies`: of its audio, in as many folders."""

    file: LikeFile
    level: Verification
    copies: int
    distance: float


def likenesses(tracks: Sequence[LikeTrack], files: Mapping[int, Sequence[LikeFile]]) -> tuple[Likeness | None, ...]:
    """For each track its file; `files`: by the track's index, those that may be it."""
    titles = Counter(track.title.casefold().strip() for track in tracks)
    pairs: list[tuple[tuple[bool, float, int, float, int], int, Likeness]] = []
    for index, track in enumerate(tracks):
        alike = [(one, far) for one in files.get(index, ()) if (far := _distance(track, one)) is not None]
        folders: dict[bytes, set[bytes]] = {}
        for one, _ in alike:
            folders.setdefault(one.audio, set()).add(one.folder)
        once = titles[track.title.casefold().strip()] == 1 and track.title.casefold().strip() not in _UNTITLED
        for one, far in alike:
            copies = len(folders[one.audio])
            if track.length_ms is None and (copies < COPIES or not once):
                continue
            level = Verification.CONSENSUS if copies >= COPIES else Verification.DURATION
            off = abs(one.duration_ms - track.length_ms) if track.length_ms is not None else 0
            found = Likeness(file=one, level=level, copies=copies, distance=far)
            pairs.append(((copies < COPIES, round(far, 4), off, -one.quality, one.file_id), index, found))
    settled: dict[int, Likeness] = {}
    used: set[int] = set()
    for _, index, found in sorted(pairs, key=lambda pair: (pair[0], pair[1])):
        if index not in settled and found.file.file_id not in used:
            settled[index] = found
            used.add(found.file.file_id)
    return tuple(settled.get(index) for index in range(len(tracks)))


def _distance(track: LikeTrack, file: LikeFile) -> float | None:
    """How far the words are; None: it is not this track."""
    if track.length_ms is not None and abs(file.duration_ms - track.length_ms) > LENGTH_GRACE_MS:
        return None
    # "Work: movement" is tagged either way.
    names = [track.title, *([track.title.split(": ", 1)[1]] if ": " in track.title else [])]
    title = min(text_distance(file.title, one) if file.title else name_distance(file.name, one) for one in names)
    if title > TITLE_FAR:
        return None
    if file.artist:
        artist = min(text_distance(file.artist, one) for one in _artists(track.artist))
        return None if artist > ARTIST_FAR else title + artist
    # Without tags the artist is a folder's name, or part of the file's.
    parts = [part for whole in file.path.split("/") for part in (whole, *whole.split(" - "))]
    artist = min((text_distance(part, one) for part in parts for one in _artists(track.artist)), default=1.0)
    return None if artist > ARTIST_FAR else title + artist


def _artists(credit: str) -> tuple[str, ...]:
    """The credit, and the credit without a leading article."""
    plain = credit.removeprefix("The ").removeprefix("the ")
    return (credit, plain) if plain != credit else (credit,)
