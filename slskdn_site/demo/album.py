"""The facts of the demonstration album: who, what, which ids, how long. No audio and no files.

The album exists in two editions, because a shortened take is a recording of its own: `full` (eight tracks of two to four minutes) and
`small` (the same pieces as sketches of twenty to forty seconds). Each edition is a release of one release group, and every id below is a
UUIDv5 under a namespace of our own, so it can never be an id that MusicBrainz gave to somebody else's music.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache
from typing import Literal, NewType

from slskdn_site.demo.scores import SCORES, frames_of

Size = Literal["full", "small"]
Mbid = NewType("Mbid", str)

SIZES: tuple[Size, ...] = ("full", "small")
SAMPLE_RATE_HZ = 44_100

# Fixed once. Changing it changes every id of the demonstration and makes the recorded-style answers wrong.
_NAMESPACE = uuid.UUID("5b0d1d4e-6f0a-4a57-9d0c-2f3c8a1e7d61")

ARTIST = "Tessaly Quay"
_TITLES = (
    "First Ferry",
    "Salt on the Stairs",
    'Neap/Spring, or "The Long Ebb"',
    "The Quiet Engine",
    "Gulls Over Gasworks",
    "Northwest by Lamplight",
    "Drydock",
    "Last Light, Kept",
)
# Offered by the demonstration only as MP3 320: a lossy-only track is what a person meets in every second folder.
MP3_ONLY_POSITION = 6
# The track under whose MBID the liar offers the stand-in: both last about as long, so only the fingerprint can tell.
STAND_IN_POSITION = 5


def _mbid(*parts: str) -> Mbid:
    return Mbid(str(uuid.uuid5(_NAMESPACE, "/".join(parts))))


@dataclass(frozen=True, slots=True)
class DemoTrack:
    """One recording of the album. `frames` are samples per channel at 44.1 kHz, exactly what `synth.render` returns."""

    position: int
    score: str
    title: str
    recording_mbid: Mbid
    track_mbid: Mbid
    isrc: str
    frames: int
    mp3_only: bool

    @property
    def length_ms(self) -> int:
        """The length MusicBrainz would state, rounded to the millisecond."""
        return round(self.frames * 1000 / SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class DemoAlbum:
    """One edition of the album. `stand_in` is no track of it: another recording by the same artist, for the peer that lies."""

    size: Size
    title: str
    disambiguation: str
    artist: str
    artist_mbid: Mbid
    release_mbid: Mbid
    release_group_mbid: Mbid
    label: str
    label_mbid: Mbid
    catalog_number: str
    barcode: str
    discogs_page: str
    """Where the same edition stands at Discogs; "" for nowhere."""
    date: str
    country: str
    tracks: tuple[DemoTrack, ...]
    stand_in: DemoTrack

    def track(self, position: int) -> DemoTrack:
        """The track at `position`, from 1. Raises LookupError."""
        for track in self.tracks:
            if track.position == position:
                return track
        raise LookupError(f"the demonstration album has no track {position}")


def _track(size: Size, position: int, title: str, score: str) -> DemoTrack:
    return DemoTrack(
        position=position,
        score=score,
        title=title,
        recording_mbid=_mbid("recording", size, score),
        track_mbid=_mbid("track", size, score),
        isrc=f"XX7TQ26{0 if size == 'full' else 1}{position:04d}",
        frames=frames_of(SCORES[score], size),
        mp3_only=position == MP3_ONLY_POSITION,
    )


@cache
def album(size: Size = "full") -> DemoAlbum:
    """The fact table of one edition."""
    scores = list(SCORES)
    return DemoAlbum(
        size=size,
        title="Low Water Almanac",
        disambiguation="" if size == "full" else "sketches",
        artist=ARTIST,
        artist_mbid=_mbid("artist"),
        release_mbid=_mbid("release", size),
        release_group_mbid=_mbid("release-group"),
        label="Pier End Recordings",
        label_mbid=_mbid("label"),
        catalog_number="PIER 004" if size == "full" else "PIER 004S",
        barcode="",
        discogs_page="https://www.discogs.com/release/9000003" if size == "full" else "",
        date="2026-03-20" if size == "full" else "2026-02-06",
        country="XW",
        tracks=tuple(
            _track(size, position, title, score)
            for position, (title, score) in enumerate(zip(_TITLES, scores[:8], strict=True), start=1)
        ),
        stand_in=_track(size, 9, "Harbour Dues", scores[8]),
    )
