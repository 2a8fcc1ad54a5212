"""Bars: a limit, the worst value seen, where it was seen, and whether the bar holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar."""

    name: str
    limit: float
    value: float
    where: str
    holds: bool


def at_most(name: str, limit: float, values: Mapping[str, float]) -> Bar:
    """No value above the limit. `values` by where they were seen, at least one."""
    worst = max(values, key=values.__getitem__)
    return Bar(name, limit, values[worst], worst, holds=values[worst] <= limit)


def at_least(name: str, limit: float, values: Mapping[str, float]) -> Bar:
    """No value below the limit."""
    worst = min(values, key=values.__getitem__)
    return Bar(name, limit, values[worst], worst, holds=values[worst] >= limit)
