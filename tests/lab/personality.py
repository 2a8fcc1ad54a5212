"""How peers behave. A *personality* says when a node is there, how much it can send when, and what it makes of requests.

Rates and presence are drawn in full before the run (`Life`), so that the bound can know them. Manners are what the serving side asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from overlay_node.protocol.messages import ChunkError
from tests.lab.profile import FOREVER, Profile

Ranges: TypeAlias = tuple[tuple[int, int], ...]
HORIZON_S = 3600.0
"""drawn so far ahead; no run lasts longer"""


@dataclass(slots=True)
class Manners:
    """What a node does with requests. The plain one is honest and answers."""

    random: Random
    lies: float = 0.0
    """share of leaves that it corrupts, always the same ones"""
    silent_from: float = FOREVER
    refuses: ChunkError | None = None
    boasts: bool = False
    """claims to hold everything"""
    _bad: dict[int, bool] = field(default_factory=dict)

    def silent(self, now: float) -> bool:
        """Answers nothing any more."""
        return now >= self.silent_from

    def refusal(self, _now: float) -> ChunkError | None:
        """The answer to every request, if it serves none."""
        return self.refuses

    def promised(self, have: Ranges, leaf_count: int) -> Ranges:
        """What it says to hold."""
        return ((0, leaf_count),) if self.boasts else have

    def spoken(self, data: memoryview, leaf: int) -> memoryview:
        """The bytes it sends for true ones."""
        if not self.lies:
            return data
        if leaf not in self._bad:
            self._bad[leaf] = self.random.random() < self.lies
        if not self._bad[leaf]:
            return data
        wrong = bytearray(data)
        wrong[len(wrong) // 2] ^= 0xFF
        return memoryview(wrong)


@dataclass(frozen=True, slots=True)
class Life:
    """What was drawn for one peer."""

    up: Profile
    present: tuple[tuple[float, float], ...] = ((0.0, FOREVER),)
    """when it is there: [from, to)"""
    silent_from: float = FOREVER


@dataclass(frozen=True, slots=True)
class Personality:
    """A way to live. Durations are exponential around their means unless said otherwise."""

    name: str = "plain"
    lies: float = 0.0
    refuses: ChunkError | None = None
    boasts: bool = False
    burst_s: tuple[float, float] | None = None
    """mean seconds at full rate, mean seconds at a tenth of it, in turn"""
    throttles_at_s: tuple[float, float] | None = None
    """its rate drops to a tenth at a time between these"""
    freezes_at_s: tuple[float, float] | None = None
    leaves_at_s: tuple[float, float] | None = None
    joins_at_s: tuple[float, float] | None = None
    flaps_s: tuple[float, float] | None = None
    """mean seconds there, mean seconds gone, in turn"""

    def draw(self, rate: float, random: Random) -> Life:
        """One peer's life."""
        up = Profile.constant(rate)
        if self.burst_s is not None:
            up = _square(rate, rate / 10, self.burst_s, random)
        if self.throttles_at_s is not None:
            up = Profile.steps([(0.0, rate), (random.uniform(*self.throttles_at_s), rate / 10)])
        present: list[tuple[float, float]] = [(0.0, FOREVER)]
        if self.joins_at_s is not None:
            present = [(random.uniform(*self.joins_at_s), FOREVER)]
        if self.leaves_at_s is not None:
            present = [(present[0][0], random.uniform(*self.leaves_at_s))]
        if self.flaps_s is not None:
            present, time = [], 0.0
            while time < HORIZON_S:
                end = time + random.expovariate(1 / self.flaps_s[0])
                present.append((time, end))
                time = end + 0.2 + random.expovariate(1 / self.flaps_s[1])
        silent = random.uniform(*self.freezes_at_s) if self.freezes_at_s is not None else FOREVER
        return Life(up, tuple(present), silent)

    def manners(self, life: Life, random: Random) -> Manners:
        """Its way with requests."""
        return Manners(random, lies=self.lies, silent_from=life.silent_from, refuses=self.refuses, boasts=self.boasts)


def _square(high: float, low: float, means: tuple[float, float], random: Random) -> Profile:
    steps, time, up = [], 0.0, random.random() < 0.5
    while time < HORIZON_S:
        steps.append((time, high if up else low))
        time += 0.05 + random.expovariate(1 / means[0 if up else 1])
        up = not up
    return Profile.steps(steps)


PLAIN = Personality()
