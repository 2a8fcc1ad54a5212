"""Who of the demonstration's neighbours holds which file, and how each of them behaves. Values only; `network` makes it happen.

Four neighbours: a fast one, a slow one, one with retagged and renamed twins of the same audio, and one that corrupts a share of its
chunks. Two tracks arrive the hard way. For one, the neighbour with the twins is at first the only source, and what it offers under the right
MBID is a sound file of another recording. For the other, the corrupting neighbour is at first the only source. Once the wrong recording was
rejected, and once bad leaves were counted, the fast neighbour gets hold of the real track: what was waiting goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

CORRUPT_EVERY = 3
"""Every third leaf of what the corrupter sends is wrong: even a track of a few leaves shows it, and it never depends on chance."""
SLOW_UPLOAD_KBPS = 700
"""KiB/s; about a hundredth of what loopback gives the others."""


class Who(StrEnum):
    """The neighbours, by what they are like."""

    FAST = "fast"
    SLOW = "slow"
    TWINS = "twins"
    CORRUPT = "corrupt"


class Trigger(StrEnum):
    """What the demonstration waits for before the fast neighbour gets a file it did not have."""

    REJECTED = "rejected"
    """a payload of the track was rejected"""
    BAD_LEAVES = "bad_leaves"
    """a leaf of the track failed its hash"""
    TROUBLE = "trouble"
    """a stream of the track from Soulseek brings bytes, and does badly"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file in a neighbour's library and what it says it is."""

    source: Path
    recording_mbid: str
    release_mbid: str
    medium: int
    position: int
    twin: bool = False
    """True: offered as a retagged, renamed copy with the same audio"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """A file that a neighbour, the fast one if nothing else is said, gets later."""

    offer: Offer
    trigger: Trigger
    who: Who = Who.FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourPlan:
    """One neighbour: its address, its library, its manners."""

    who: Who
    host: str
    release_mbid: str
    """seeded from the start, also by a neighbour that gets its files later; besides it those of its offers"""
    offers: tuple[Offer, ...]
    upload_kbps: int = 0
    corrupt_every: int = 0
    """each leaf whose number divides by this arrives with a flipped byte; 0: none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole network of the demonstration."""

    release_mbid: str
    neighbours: tuple[NeighbourPlan, ...]
    late: tuple[Late, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTrack:
    """A track that the demonstration can offer, with every real file of it."""

    medium: int
    position: int
    recording_mbid: str
    files: tuple[Path, ...]


def wrong_place(count: int) -> int:
    """Index of the track under whose MBID another recording is offered: the fifth of the album that the demonstration makes."""
    return min(4, count - 1)


def plan_of(tracks: Sequence[OfferedTrack], *, release_mbid: str, stand_in: Path) -> Plan:
    """Share the tracks out. With a single track, the wrong recording is shown and nothing has the corrupter as its only source.

    `stand_in` is a sound file of some other recording. Raises ValueError without a track.
    """
    if not tracks:
        raise ValueError("a demonstration needs a track")
    # The two tracks that arrive the hard way: fifth and seventh of the album that the demonstration makes, whatever is there otherwise.
    # A recording may stand on a release twice; who has it under one number has it under both.
    wrong = tracks[wrong_place(len(tracks))]
    alone = next((track for track in reversed(tracks[:7]) if track.recording_mbid != wrong.recording_mbid), None)
    held_back = {wrong.recording_mbid} | ({alone.recording_mbid} if alone is not None else set())

    def offers(track: OfferedTrack, *, twin: bool = False) -> tuple[Offer, ...]:
        return tuple(
            Offer(
                source=path,
                recording_mbid=track.recording_mbid,
                release_mbid=release_mbid,
                medium=track.medium,
                position=track.position,
                twin=twin,
            )
            for path in track.files
        )

    common = [track for track in tracks if track.recording_mbid not in held_back]
    everybody = tuple(offer for track in common for offer in offers(track))
    lie = Offer(
        source=stand_in,
        recording_mbid=wrong.recording_mbid,
        release_mbid=release_mbid,
        medium=wrong.medium,
        position=wrong.position,
    )
    late = [Late(offer=offer, trigger=Trigger.REJECTED) for offer in offers(wrong)]
    if alone is not None:
        late += [Late(offer=offer, trigger=Trigger.BAD_LEAVES) for offer in offers(alone)]
    return Plan(
        release_mbid=release_mbid,
        late=tuple(late),
        neighbours=(
            NeighbourPlan(who=Who.FAST, host="127.0.11.1", release_mbid=release_mbid, offers=everybody),
            NeighbourPlan(
                who=Who.SLOW,
                host="127.0.12.1",
                release_mbid=release_mbid,
                offers=everybody,
                upload_kbps=SLOW_UPLOAD_KBPS,
            ),
            NeighbourPlan(
                who=Who.TWINS,
                host="127.0.13.1",
                release_mbid=release_mbid,
                offers=(*(offer for track in common for offer in offers(track, twin=True)), lie),
            ),
            NeighbourPlan(
                who=Who.CORRUPT,
                host="127.0.14.1",
                release_mbid=release_mbid,
                offers=offers(alone) if alone is not None else everybody,
                corrupt_every=CORRUPT_EVERY,
            ),
        ),
    )
