"""How much of the mesh has something lately: weights that halve every week, added up so that no order of updates and no moment of asking matters.

Theory. Whoever was heard to have a release at time *t* weighs 2^(-(now - t)/H) with H = 7 days (S2 F1). All weights shrink by the same factor as time
goes on, so the order of labels by popularity changes only when somebody is heard again: what is kept is the *rank*, log2 of the sum of 2^(t/H) since
1970, which holds for ever, sorts, and gives the popularity at any `now` as 2^(rank - now/H). Sums are exact (`math.fsum`), hence the same for every order.

A release's popularity is the sum over the peers that have it. A label's is the sum over peers of the root of the sum of squares of their releases'
weights: a peer that has *n* of them, all heard now, counts √n. Both are of the first degree in the weights, so both halve in a week; and the root keeps
one peer with five hundred releases from outweighing twenty with ten.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HALF_LIFE_S: Final = 7 * 86_400.0
"""Seconds. S2 F1: weekly half-life; also that of peers' reputation."""
FORGOTTEN_S: Final = 8 * HALF_LIFE_S
"""Heard of so long ago, a release counts 1/256 and is forgotten."""
ORDER_STEP: Final = 0.1
"""Popularities within a tenth of a peer are alike; among those, quality decides (S2 F2: by popularity, then quality as known)."""
NOTHING: Final = -math.inf
"""The rank of what nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A peer was heard to have a release, last at `at_s` (seconds since 1970, by our clock). All words are as told, `name` is the label's."""

    peer: int
    release: uuid.UUID
    at_s: float
    artist: str = ""
    name: str = ""
    title: str = ""
    profile: str = ""
    quality: float | None = None
    tracks: int = 0
    tracks_held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePresence:
    """A release's figures. Words are those of who was heard last; `quality` is the best stated, `tracks_held` of the peer that has most."""

    release: uuid.UUID
    title: str
    artist: str
    peers: int
    rank: float
    quality: float | None
    profiles: tuple[str, ...]
    tracks: int
    tracks_held: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A label's figures. `rank` as in the module's theory; `name` is what most peers call it."""

    releases: int
    artists: int
    peers: int
    rank: float
    name: str


def rank_of(times_s: Iterable[float]) -> float:
    """The rank of something that was heard of at these times, by a peer each. NOTHING for none."""
    return _log2_sum([at / HALF_LIFE_S for at in times_s])


def label_rank(heard: Iterable[tuple[int, float]]) -> float:
    """The rank of a label from (peer, seconds) of every release that a peer was heard to have of it."""
    of_peer: dict[int, list[float]] = {}
    for peer, at_s in heard:
        of_peer.setdefault(peer, []).append(2.0 * at_s / HALF_LIFE_S)
    return _log2_sum([_log2_sum(squares) / 2.0 for squares in of_peer.values()])


def popularity_at(rank: float, *, now_s: float) -> float:
    """Popularity now: in peers that have it this moment. 0.0 for NOTHING; a clock that was set back makes nothing grow without bounds."""
    if rank == NOTHING:
        return 0.0
    return float(2.0 ** min(rank - now_s / HALF_LIFE_S, 64.0))


def crate_order(popularity: float, *, quality: float | None) -> float:
    """What a crate sorts by: popularity in steps, and within a step the quality (0..1) that peers state. Positive for whatever anybody has."""
    steps = math.floor(popularity / ORDER_STEP + 1e-9)
    return ORDER_STEP * (steps + 0.01 + 0.98 * min(max(quality or 0.0, 0.0), 1.0))


def presence_of(heard: Sequence[Heard]) -> Presence:
    """Figures of a label. Names that peers spell differently count once a release: the commonest artist of each release is its artist."""
    artists: dict[uuid.UUID, Counter[str]] = {}
    names: dict[str, set[int]] = {}
    for one in heard:
        told = artists.setdefault(one.release, Counter())
        if folded := " ".join(one.artist.casefold().split()):
            told[folded] += 1
        if one.name:
            names.setdefault(one.name, set()).add(one.peer)
    return Presence(
        releases=len(artists),
        artists=len({_commonest(told) for told in artists.values() if told}),
        peers=len({one.peer for one in heard}),
        rank=label_rank((one.peer, one.at_s) for one in heard),
        name=min(names, key=lambda name: (-len(names[name]), name), default=""),
    )


def releases_of(heard: Iterable[Heard]) -> dict[uuid.UUID, ReleasePresence]:
    """Figures of every release that was heard of. The order of `heard` makes no difference."""
    found: dict[uuid.UUID, list[Heard]] = {}
    for one in heard:
        found.setdefault(one.release, []).append(one)
    return {release: _release(release, some) for release, some in found.items()}


def _release(release: uuid.UUID, some: list[Heard]) -> ReleasePresence:
    latest = sorted(some, key=lambda one: (-one.at_s, one.peer))
    times: dict[int, float] = {}
    for one in some:
        times[one.peer] = max(times.get(one.peer, one.at_s), one.at_s)
    most = max(latest, key=lambda one: one.tracks_held)
    return ReleasePresence(
        release=release,
        title=next((one.title for one in latest if one.title), ""),
        artist=next((one.artist for one in latest if one.artist), ""),
        peers=len(times),
        rank=rank_of(times.values()),
        quality=max((one.quality for one in some if one.quality is not None), default=None),
        profiles=tuple(sorted({one.profile for one in some if one.profile})),
        tracks=most.tracks,
        tracks_held=most.tracks_held,
        at_s=latest[0].at_s,
    )


def _commonest(told: Counter[str]) -> str:
    return min(told, key=lambda name: (-told[name], name))


def _log2_sum(logs: Sequence[float]) -> float:
    """log2 of the sum of 2^x: shifted by the largest, so that nothing overflows, and summed exactly."""
    if not logs:
        return NOTHING
    top = max(logs)
    return top + math.log2(math.fsum(2.0 ** (one - top) for one in logs))
