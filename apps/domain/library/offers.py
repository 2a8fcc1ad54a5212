"""What AcoustID offers for a fingerprint, as values: recordings with the release groups, releases and positions they are found on.

Texts are anybody's, but cleaned and bounded where they are read (the gateway). JSON-able both ways, because answers are kept as rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_OFFERS: Final = 50
"""Recordings kept of one answer, best first. Of 337 recorded answers the longest names 34."""
MAX_GROUPS: Final = 60
MAX_RELEASES: Final = 120
"""Kept of one recording: a hit is on hundreds of compilations, and nobody asks for the last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRelease:
    """A place a recording is found at. `medium` and `track` 0: not told. `group_mbid` None: not told."""

    release_mbid: uuid.UUID
    group_mbid: uuid.UUID | None = None
    medium: int = 0
    track: int = 0
    tracks: int = 0
    """Of the medium; 0: not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedGroup:
    """A release group a recording is found in."""

    group_mbid: uuid.UUID
    title: str = ""
    kind: str = ""
    """Album, Single, EP …"""
    compilation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A recording that has (nearly) the asked fingerprint."""

    recording_mbid: uuid.UUID
    score: float
    """0..1, of the fingerprint's match, not of the recording's."""
    acoustid: str
    title: str = ""
    artist: str = ""
    length_s: int | None = None
    sources: int = 0
    """How many submissions tie the fingerprint to this recording; 0: not told."""
    groups: tuple[OfferedGroup, ...] = ()
    releases: tuple[OfferedRelease, ...] = ()


def offers_to_json(offers: Sequence[Offer]) -> list[dict[str, object]]:
    """As a JSON column keeps them; short names, because a library has hundreds of thousands of answers."""
    return [
        {
            "r": str(one.recording_mbid),
            "s": round(one.score, 6),
            "a": one.acoustid,
            "t": one.title,
            "c": one.artist,
            "l": one.length_s,
            "n": one.sources,
            "g": [[str(each.group_mbid), each.title, each.kind, each.compilation] for each in one.groups],
            "e": [
                [str(each.release_mbid), str(each.group_mbid or ""), each.medium, each.track, each.tracks]
                for each in one.releases
            ],
        }
        for one in offers
    ]


def offers_from_json(value: object) -> tuple[Offer, ...] | None:
    """What `offers_to_json` wrote; None for a row of another form, which is then asked for anew."""
    if not isinstance(value, list):
        return None
    try:
        return tuple(_offer(one) for one in value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _offer(one: Mapping[str, object]) -> Offer:
    groups, releases = one["g"], one["e"]
    if not isinstance(groups, list) or not isinstance(releases, list):
        raise TypeError
    length, sources, score = one["l"], one["n"], one["s"]
    if not isinstance(score, int | float) or not isinstance(sources, int):
        raise TypeError
    return Offer(
        recording_mbid=uuid.UUID(str(one["r"])),
        score=float(score),
        acoustid=str(one["a"]),
        title=str(one["t"]),
        artist=str(one["c"]),
        length_s=length if isinstance(length, int) else None,
        sources=sources,
        groups=tuple(
            OfferedGroup(group_mbid=uuid.UUID(mbid), title=str(title), kind=str(kind), compilation=bool(compilation))
            for mbid, title, kind, compilation in groups
        ),
        releases=tuple(
            OfferedRelease(
                release_mbid=uuid.UUID(mbid),
                group_mbid=uuid.UUID(group) if group else None,
                medium=int(medium),
                track=int(track),
                tracks=int(tracks),
            )
            for mbid, group, medium, track, tracks in releases
        ),
    )
