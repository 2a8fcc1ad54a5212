"""Whether rescues are worth having: how many stalled transfers came whole, how much of them the mesh gave, how soon it began. Pure."""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from apps.domain.soulseek.states import RescueState

RATIO_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Upper bounds of the mesh's bytes per byte of Soulseek; one more bucket holds what lies above, such as files without a byte of Soulseek's."""
SECONDS_BOUNDS: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Upper bounds of the time from the trouble to the mesh's first byte."""
_LIVE: Final = frozenset({RescueState.LOOKING, RescueState.ACTIVE})
_BEST: Final = (
    RescueState.FINISHED,
    RescueState.RECOVERED,
    RescueState.ENDED,
    RescueState.NO_SOURCE,
    RescueState.REFUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueFact:
    """One rescue, as its row tells. `first_byte_s`: seconds from the trouble to the mesh's first byte; None: none came."""

    download_id: uuid.UUID
    trouble: str
    state: RescueState
    overlay_bytes: int
    soulseek_bytes: int
    first_byte_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueSuccess:
    """S4's success metrics. A download counts once, by the best that came of it; those still under way don't count yet."""

    running: int
    outcomes: tuple[tuple[str, int], ...]
    """downloads by what came of them, every outcome named"""
    troubles: tuple[tuple[str, int], ...]
    """downloads by what set the first rescue off"""
    rescued_share: float | None
    """finished with the mesh's help, of those that did not recover by themselves; None: there are none"""
    rescued_of: tuple[tuple[str, float], ...]
    """the same for each trouble that set one off"""
    ratios: tuple[int, ...]
    """finished ones by RATIO_BOUNDS, the last bucket unbounded"""
    ratio_sum: float
    """of those with bytes of both planes"""
    ratio_median: float | None
    waits: tuple[int, ...]
    """by SECONDS_BOUNDS, the last bucket unbounded"""
    wait_sum_s: float
    wait_median_s: float | None


def rescue_success(facts: Iterable[RescueFact]) -> RescueSuccess:
    """`facts` in the order in which they began."""
    facts = list(facts)
    best: dict[uuid.UUID, RescueState] = {}
    first: dict[uuid.UUID, str] = {}
    for one in facts:
        first.setdefault(one.download_id, one.trouble)
        if one.state in _LIVE:
            continue
        known = best.get(one.download_id)
        if known is None or _BEST.index(one.state) < _BEST.index(known):
            best[one.download_id] = one.state
    outcomes = Counter(best.values())
    tried = {download: state for download, state in best.items() if state is not RescueState.RECOVERED}
    by_trouble = Counter(first[download] for download in tried)
    came = Counter(first[download] for download, state in tried.items() if state is RescueState.FINISHED)
    shares = [
        one.overlay_bytes / one.soulseek_bytes if one.soulseek_bytes else float("inf")
        for one in facts
        if one.state is RescueState.FINISHED and one.overlay_bytes
    ]
    waits = [one.first_byte_s for one in facts if one.first_byte_s is not None]
    finite = [one for one in shares if one != float("inf")]
    return RescueSuccess(
        running=sum(1 for one in facts if one.state in _LIVE),
        outcomes=tuple((state.value, outcomes[state]) for state in _BEST),
        troubles=tuple(sorted(Counter(first.values()).items())),
        rescued_share=outcomes[RescueState.FINISHED] / len(tried) if tried else None,
        rescued_of=tuple((trouble, came[trouble] / count) for trouble, count in sorted(by_trouble.items())),
        ratios=buckets(shares, RATIO_BOUNDS),
        ratio_sum=sum(finite),
        ratio_median=round(median(finite), 2) if finite else None,
        waits=buckets(waits, SECONDS_BOUNDS),
        wait_sum_s=sum(waits),
        wait_median_s=round(median(waits), 1) if waits else None,
    )


def buckets(values: Iterable[float], bounds: Sequence[float]) -> tuple[int, ...]:
    """How many values fall into each bucket; a value that equals a bound belongs below it."""
    counts = Counter(bisect_left(bounds, value) for value in values)
    return tuple(counts[at] for at in range(len(bounds) + 1))


def cumulative(counts: Sequence[int], bounds: Sequence[float]) -> list[tuple[str, int]]:
    """As Prometheus has histograms: (upper bound, how many up to it)."""
    total, found = 0, []
    for count, bound in zip(counts, [*(f"{one:g}" for one in bounds), "+Inf"], strict=True):
        total += count
        found.append((bound, total))
    return found
