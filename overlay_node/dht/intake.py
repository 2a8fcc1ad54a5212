"""How many questions we answer: a token bucket per address and one for all, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from overlay_node.dht.addresses import Endpoint

MAX_TRACKED_SOURCES = 4096
"""Buckets kept; the least recently used goes first, which forgives at most an address that had fallen silent."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` on average, `burst` at once."""

    per_second: float
    burst: float


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float

    def take(self, rate: Rate, now: float) -> bool:
        self.level = min(rate.burst, self.level + max(0.0, now - self.at) * rate.per_second)
        self.at = now
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


class Intake:
    """Decides whether one more incoming query is looked at. `None` for a rate means unlimited."""

    def __init__(self, per_source: Rate | None, total: Rate | None, now: float) -> None:
        self._per_source = per_source
        self._total = total
        self._sources: OrderedDict[bytes, _Bucket] = OrderedDict()
        self._all = _Bucket(total.burst if total else 0.0, now)

    def admits(self, source: Endpoint, now: float) -> bool:
        """Counts one query from `source` and says whether it is within the limits."""
        if self._per_source is not None:
            bucket = self._sources.pop(source.source, None) or _Bucket(self._per_source.burst, now)
            self._sources[source.source] = bucket
            if len(self._sources) > MAX_TRACKED_SOURCES:
                self._sources.popitem(last=False)
            if not bucket.take(self._per_source, now):
                return False
        return self._total is None or self._all.take(self._total, now)
