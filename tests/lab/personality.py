"""How peers behave. A *personality* says when a peer is there, how much it can send when, and what it makes of requests.

Rates and presence are drawn in full before the run (`Life`), so that the bound can know them. `Manners` are what the serving side asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from overlay_node.protocol.messages import ChunkError
from tests.lab.payloads import LabPayload
from tests.lab.profile import FOREVER, Profile

Ranges: TypeAlias = tuple[tuple[int, int], ...]
MeanPair: TypeAlias = tuple[float, float]
HORIZON_S = 240.0
"""drawn so far ahead; what holds then holds on"""
SLOW = 10.0
"""the slow part of a burst, and what a throttler falls to: a tenth"""
REST_S = 0.2
"""shortest time between two stays, and between two bursts"""


@dataclass(frozen=True, slots=True)
class Life:
    """What was drawn for one peer."""

    up: Profile
    """what it can send, bytes a second"""
    present: tuple[tuple[float, float], ...] = ((0.0, FOREVER),)
    """when it is there: [from, to)"""
    cut_off: tuple[tuple[float, float], ...] = ()
    """when nothing passes to or from it, though nobody is told"""


@dataclass(slots=True)
class Manners:
    """What a node does with requests. The plain one is honest and answers."""

    random: Random
    lies: float = 0.0
    """share of leaves that it corrupts, always the same ones"""
    refuses: ChunkError | None = None
    """the answer to every request for a chunk"""
    boasts: bool = False
    """claims to hold everything"""
    pauses: tuple[tuple[float, float], ...] = ()
    """when it says rate_limited to everything: [from, to)"""
    _bad: dict[tuple[bytes, int], bool] = field(default_factory=dict)

    def refusal(self, now: float) -> tuple[ChunkError, int | None] | None:
        """Code and retry_after_s when it does not serve at this (virtual) moment."""
        if self.refuses is not None:
            return self.refuses, None
        for start, end in self.pauses:
            if start <= now < end:
                return ChunkError.RATE_LIMITED, max(1, round(end - now))
        return None

    def promised(self, have: Ranges, leaf_count: int) -> Ranges:
        """What it says to hold."""
        return ((0, leaf_count),) if self.boasts else have

    def spoken(self, payload: LabPayload, offset: int, length: int) -> memoryview:
        """The bytes it sends for a range."""
        data = payload.data[offset : offset + length]
        if not self.lies:
            return data
        size = payload.leaves.leaf_bytes
        bad = [leaf for leaf in range(offset // size, -(-(offset + length) // size)) if self._lies_about(payload, leaf)]
        if not bad:
            return data
        wrong = bytearray(data)
        for leaf in bad:
            wrong[max(leaf * size, offset) - offset] ^= 0xFF
        return memoryview(wrong)

    def _lies_about(self, payload: LabPayload, leaf: int) -> bool:
        key = (payload.key.payload_root, leaf)
        if key not in self._bad:
            self._bad[key] = self.random.random() < self.lies
        return self._bad[key]


@dataclass(frozen=True, slots=True)
class Personality:
    """A way to live. Means are those of exponential distributions, pairs (from, to) of even ones. Seconds."""

    name: str = "plain"
    lies: float = 0.0
    refuses: ChunkError | None = None
    boasts: bool = False
    bad_leaves: frozenset[tuple[int, int]] = frozenset()
    """(number of the payload, leaf) that it corrupts in any case"""
    pauses: tuple[tuple[float, float], ...] = ()
    burst_s: MeanPair | None = None
    """means of the times at full rate and at a tenth of it, in turn"""
    throttles_s: tuple[float, float] | None = None
    """its rate drops to a tenth between these times"""
    freezes_s: tuple[float, float] | None = None
    """it answers nothing any more from between these times on, and stays linked"""
    leaves_s: tuple[float, float] | None = None
    joins_s: tuple[float, float] | None = None
    flaps_s: MeanPair | None = None
    """means of the times there and gone, in turn"""
    cut_off_s: tuple[float, float, float] | None = None
    """a partition begins between the first two and lasts the third"""

    @property
    def honest(self) -> bool:
        """False: it may be charged."""
        return not self.lies and not self.boasts

    @property
    def helps(self) -> bool:
        """False: the best schedule asks nothing of it (nothing of a liar is kept where there is a choice)."""
        return not self.lies and self.refuses is None

    def draw(self, rate: float, random: Random) -> Life:
        """One peer's life."""
        up = Profile.constant(rate)
        if self.burst_s is not None:
            up = _square(rate, rate / SLOW, self.burst_s, random)
        if self.throttles_s is not None:
            up = Profile.steps([(0.0, rate), (random.uniform(*self.throttles_s), rate / SLOW)])
        if self.freezes_s is not None:
            up = Profile.steps([(0.0, rate), (random.uniform(*self.freezes_s), 0.0)])
        cut_off: tuple[tuple[float, float], ...] = ()
        if self.cut_off_s is not None:
            start = random.uniform(*self.cut_off_s[:2])
            cut_off = ((start, start + self.cut_off_s[2]),)
            up = up.times_factor(open_outside(cut_off))
        return Life(up, self._stays(random), cut_off)

    def _stays(self, random: Random) -> tuple[tuple[float, float], ...]:
        if self.flaps_s is not None:
            stays, time = [], 0.0
            while time < HORIZON_S:
                end = time + REST_S + random.expovariate(1 / self.flaps_s[0])
                stays.append((time, end))
                time = end + REST_S + random.expovariate(1 / self.flaps_s[1])
            return tuple(stays)
        start = random.uniform(*self.joins_s) if self.joins_s is not None else 0.0
        end = random.uniform(*self.leaves_s) if self.leaves_s is not None else FOREVER
        return ((start, end),)

    def manners(self, random: Random, payloads: Sequence[LabPayload]) -> Manners:
        """Its way with requests."""
        bad = {(payloads[number].key.payload_root, leaf): True for number, leaf in sorted(self.bad_leaves)}
        return Manners(random, self.lies, self.refuses, self.boasts, self.pauses, bad)


def open_outside(closed: tuple[tuple[float, float], ...]) -> Profile:
    """1, and 0 within the intervals."""
    steps = [(0.0, 1.0)]
    for start, end in closed:
        steps += [(start, 0.0), (end, 1.0)]
    return Profile.steps(steps)


def _square(high: float, low: float, means: MeanPair, random: Random) -> Profile:
    steps, time, up = [], 0.0, random.random() < 0.5
    while time < HORIZON_S:
        steps.append((time, high if up else low))
        time += REST_S + random.expovariate(1 / means[0 if up else 1])
        up = not up
    return Profile.steps(steps)


PLAIN = Personality()
LIAR = Personality("liar", lies=1.0)
HALF_LIAR = Personality("half-liar", lies=0.3)
QUEUE_FOREVER = Personality("queue-forever", refuses=ChunkError.RATE_LIMITED)
BOASTER = Personality("boaster", boasts=True)
BURSTY = Personality("bursty", burst_s=(1.5, 1.5))
