"""Two payloads for one recording: when a second one is fetched beside the first, and when one of them gives way.

Theory. A want fetches one payload, the *primary*. If no byte of it verifies for STALLED_S, or if what is left of it would take SLOWER times as long as
the whole of another payload of its semantic group (for HOLD_S on end, so that a hiccup starts nothing), the best other payload is fetched beside it as
*fallback*: a transfer of its own with its own piece map. Bytes are never mixed. Whichever stands complete first is verified first. A stalled primary may
be stood in for by any payload the job accepts, a merely slow one only by the same profile.

A fallback is held (its partial file stays) when the primary flows again and would be done SLOWER times sooner, and released when the primary stalls
again. When both stall and there is a third payload, the one with fewer bytes gives way to it.

A bandwidth limit of ours makes every payload slow: then only a stall counts. Pure: facts and `now` in, at most one step out.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from overlay_node.swarm.choice import Candidate, PayloadKey

STALLED_S: Final = (
    20.0  # without a verified byte: two request timeouts (2 × 5 s deadline) and a look for other holders fit in
)
SLOWER: Final = 3.0  # estimates from a few chunks are easily wrong by a factor of two
SLOWER_FLOOR_S: Final = 30.0  # and at least so much longer: below, starting another payload costs more than waiting
HOLD_S: Final = 15.0  # a condition must last so long before it starts or holds a payload
WINDOW_S: Final = 20.0  # the shortest time that a rate is told of
SETTLED_S: Final = 20.0  # nothing is said of the pace of a transfer that is younger: it is still finding its sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """How one of the two transfers does."""

    transfer: uuid.UUID
    key: PayloadKey
    profile: str
    held_bytes: int
    left_bytes: int
    speed_bps: float
    stalled_s: float
    """seconds since the last verified byte, or since the start"""
    running_s: float
    held: bool = False
    """a fallback that is not run for now"""

    @property
    def left_s(self) -> float:
        """Seconds to go at its speed."""
        return self.left_bytes / self.speed_bps if self.speed_bps > 0 else math.inf


@dataclass(frozen=True, slots=True)
class StartFallback:
    """Fetch this payload beside the primary."""

    candidate: Candidate
    stalled: bool
    """True: the primary stalls; False: it is merely slow"""


@dataclass(frozen=True, slots=True)
class GiveWay:
    """End this transfer, so that a third payload can be tried."""

    transfer: uuid.UUID


@dataclass(frozen=True, slots=True)
class HoldFallback:
    """Stop fetching the fallback; what it has stays."""


@dataclass(frozen=True, slots=True)
class ReleaseFallback:
    """Fetch the fallback again."""


RaceStep: TypeAlias = StartFallback | GiveWay | HoldFallback | ReleaseFallback | None


@dataclass(slots=True)
class Race:
    """What is remembered of one want between two looks; it need not survive a restart. Mutable."""

    slow_since: float | None = None
    """the primary was slower than another payload ever since"""
    ahead_since: float | None = None
    """the primary was so much faster than the fallback ever since"""

    def step(
        self, *, primary: Lap, fallback: Lap | None, others: Sequence[Candidate], limited: bool, now: float
    ) -> RaceStep:
        """`others`: payloads that could be fetched now, best first, none of the two. `limited`: a bandwidth limit of ours is set."""
        if fallback is None:
            self.ahead_since = None
            return self._start(primary, others, limited=limited, now=now)
        self.slow_since = None
        if primary.stalled_s >= STALLED_S:
            self.ahead_since = None
            if fallback.held:
                return ReleaseFallback()
            if fallback.stalled_s >= STALLED_S and others:
                return GiveWay(min((fallback, primary), key=lambda lap: lap.held_bytes).transfer)
            return None
        if fallback.held:
            return None
        ahead = primary.running_s >= SETTLED_S and SLOWER * primary.left_s < fallback.left_s
        self.ahead_since = (now if self.ahead_since is None else self.ahead_since) if ahead else None
        if self.ahead_since is not None and now - self.ahead_since >= HOLD_S:
            self.ahead_since = None
            return HoldFallback()
        return None

    def _start(self, primary: Lap, others: Sequence[Candidate], *, limited: bool, now: float) -> RaceStep:
        same = [one for one in others if one.profile == primary.profile]
        if primary.stalled_s >= STALLED_S:
            self.slow_since = None
            best = (same or list(others))[:1]
            return StartFallback(best[0], stalled=True) if best else None
        quickest = min(same, key=lambda one: (one.terms.expected_s, one.key), default=None)
        slow = (
            not limited
            and primary.running_s >= SETTLED_S
            and quickest is not None
            and primary.left_s > SLOWER * quickest.terms.expected_s + SLOWER_FLOOR_S
        )
        self.slow_since = (now if self.slow_since is None else self.slow_since) if slow else None
        if quickest is not None and self.slow_since is not None and now - self.slow_since >= HOLD_S:
            self.slow_since = None
            return StartFallback(quickest, stalled=False)
        return None


@dataclass(slots=True)
class Pace:
    """When a transfer began to run here, when a byte of it last verified, and how fast it was lately. Mutable.

    Bytes verify leaf by leaf: a slow peer brings none for many seconds and then 256 KiB at once. So the rate is that of the last WINDOW_S to twice as long.
    """

    started_at: float
    progressed_at: float
    held_bytes: int | None = None
    """None until it is known what an earlier run left"""
    _from: tuple[float, int] = (0.0, 0)
    _next: tuple[float, int] = (0.0, 0)

    def note(self, held_bytes: int, now: float) -> None:
        """How much is verified now. Fewer bytes (a leaf was fetched again from somebody else) are no progress and no stall."""
        if self.held_bytes is None:
            self._from = self._next = (now, held_bytes)
        elif held_bytes > self.held_bytes:
            self.progressed_at = now
        self.held_bytes = held_bytes
        if now - self._next[0] >= WINDOW_S:
            self._from, self._next = self._next, (now, held_bytes)

    def rate_bps(self, now: float) -> float:
        """Bytes a second."""
        began, had = self._from
        return max(0.0, (self.held_bytes or 0) - had) / max(now - began, 1.0)
