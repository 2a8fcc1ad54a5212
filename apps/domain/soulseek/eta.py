"""When a download will be here, as an interval: from what this sharer's streams were like, drawn to what all sharers' are like while little is known.

Two quantities are learned: seconds of waiting per place in a sharer's queue (until the first byte), and bytes a second of a stream. Each is a weighted
sample: this sharer's own values count one each, everybody's together count PRIOR. So one own value among PRIOR says little, twenty say nearly all: shrinkage
without a family of distributions to be wrong about. What a wait or a stream is like varies by factors, hence the logarithms.

Times are made of a grid of quantiles of both (independent), and the interval's ends are quantiles of those times, widened as a sample of that size asks
for. Someone who has waited already is compared with those waits that were at least as long. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.soulseek_downloads import SharerPast

COVERAGE: Final = 0.8
PRIOR: Final = 4.0
"""Everybody's values together weigh as much as so many of the sharer's own."""
NOW_WEIGHT: Final = 12.0
"""What the meter shows at this moment, in the sharer's own values."""
NOW_SPREAD: Final = (0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
"""The rest of a stream runs at the present speed times one of these."""
GRID: Final = 15
_SHARES: Final = tuple((index + 0.5) / GRID for index in range(GRID))
MAX_POOL: Final = 100
KEPT: Final = 20
MAX_S: Final = 30 * 86_400
_USUAL_SPEEDS: Final = (8e3, 30e3, 8e4, 2e5, 5e5, 1.2e6, 3e6)
_USUAL_WAITS: Final = (2.0, 4.0, 15.0, 60.0, 180.0, 600.0, 1800.0)
"""Per place. Where nobody's history is known yet: wide on purpose."""

Weighted = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """With a probability of COVERAGE it is here between `low_s` and `high_s` from now."""

    low_s: int
    high_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """What all sharers together were like: speeds in bytes/s, waits in seconds per place."""

    speeds: tuple[float, ...] = ()
    waits: tuple[float, ...] = ()


def per_place(place: int, waited_s: float) -> float:
    """One wait as seconds per place; whoever stood nowhere told stood first."""
    return max(0.05, waited_s) / max(1, place)


def everybody(pasts: Iterable[SharerPast]) -> Everybody:
    """All sharers' values, each sharer's at most KEPT, spread evenly where they are many."""
    speeds: list[float] = []
    waits: list[float] = []
    for past in pasts:
        speeds += [one for one in past.speeds[-KEPT:] if one > 0]
        waits += [per_place(place, waited) for place, waited in past.waits[-KEPT:]]
    return Everybody(speeds=_thinned(speeds), waits=_thinned(waits))


def eta(
    past: SharerPast,
    others: Everybody,
    *,
    left_bytes: int,
    place: int | None,
    waited_s: float,
    speed_bps: float | None,
    coverage: float = COVERAGE,
) -> Eta:
    """The interval for one download. `speed_bps` not None: bytes arrive, at that speed now. Else it waits, at `place` (None: not told), for `waited_s`."""
    own_speeds = [(one, 1.0) for one in past.speeds[-KEPT:] if one > 0]
    speeds = _mixed(own_speeds, others.speeds or _USUAL_SPEEDS)
    if speed_bps is not None and speed_bps > 0:
        speeds = (*speeds, *((speed_bps * one, NOW_WEIGHT / len(NOW_SPREAD)) for one in NOW_SPREAD))
    if speed_bps is not None:
        times = [max(0, left_bytes) / one for one in _grid(speeds)]
    else:
        own_waits = [(per_place(at, waited), 1.0) for at, waited in past.waits[-KEPT:]]
        waits = _still(_mixed(own_waits, others.waits or _USUAL_WAITS), place=place, waited_s=waited_s)
        lasts = [max(0, left_bytes) / speed for speed in _grid(speeds)]
        times = [wait + last for wait in _grid(waits) for last in lasts]
    weight = math.fsum(one for _, one in speeds)
    tail = (1 - coverage) / 2
    tail = max(0.01, tail * weight / (weight + 1))  # a sample's own quantiles hold a little less than they say
    ordered: Weighted = tuple((one, 1.0) for one in times)
    low, high = quantiles(ordered, (tail, 1 - tail))
    return Eta(low_s=min(MAX_S, math.floor(low)), high_s=min(MAX_S, math.ceil(max(high, low))))


def quantile(values: Weighted, share: float) -> float:
    """The value below which `share` of the weight lies, between neighbours on the logarithm's scale. Raises IndexError for no values."""
    return quantiles(values, (share,))[0]


def quantiles(values: Weighted, shares: Sequence[float]) -> list[float]:
    """Likewise for several shares, which rise."""
    rows = sorted(values)
    whole = math.fsum(weight for _, weight in rows)
    found: list[float] = []
    below, before = 0.0, (0.0, rows[0][0])
    for value, weight in rows:
        middle = (below + weight / 2) / whole
        while len(found) < len(shares) and middle >= (share := shares[len(found)]):
            if value <= 0 or before[1] <= 0 or middle <= before[0] or not below:
                found.append(value)
            else:
                found.append(before[1] * (value / before[1]) ** ((share - before[0]) / (middle - before[0])))
        below += weight
        before = (middle, value)
    return found + [rows[-1][0]] * (len(shares) - len(found))


def _mixed(own: Sequence[tuple[float, float]], others: Sequence[float]) -> Weighted:
    each = PRIOR / len(others)
    return (*own, *((one, each) for one in others))


def _still(waits: Weighted, *, place: int | None, waited_s: float) -> Weighted:
    """What is left of waits, in seconds, for one that is at `place` now and has waited already."""
    places = max(1, place or 1)
    if place is not None and place > 1:
        return tuple(
            (one * places, weight) for one, weight in waits
        )  # the place is as of now: what was waited is in it
    longer = tuple((one - waited_s, weight) for one, weight in waits if one > waited_s)
    if longer:
        return longer
    # Longer than ever before: whoever has waited so long waits about as long again, give or take.
    return tuple((max(1.0, waited_s) * factor, 1.0) for factor in (0.1, 0.3, 0.7, 1.0, 1.5, 3.0))


def _grid(values: Weighted) -> list[float]:
    return quantiles(values, _SHARES)


def _thinned(values: list[float]) -> tuple[float, ...]:
    if len(values) <= MAX_POOL:
        return tuple(values)
    ordered = sorted(values)
    return tuple(ordered[index * len(ordered) // MAX_POOL] for index in range(MAX_POOL))
