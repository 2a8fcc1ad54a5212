"""The few numbers that a measurement is told by. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave: with so few of them, median and extremes say more than a deviation."""

    median: float
    least: float
    most: float


def spread_of(values: Sequence[float]) -> Spread:
    """Median and extremes. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of all values do not exceed (nearest rank). Raises ValueError without values."""
    if not values or not 0 < percent <= 100:
        raise ValueError("a percentile needs values, and a share of them above 0 and up to 100 %")
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
