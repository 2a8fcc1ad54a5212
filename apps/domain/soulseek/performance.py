"""When a Soulseek transfer does badly enough to be rescued: our own byte meter, three rules, and hysteresis. Pure; `now` is monotonic seconds.

Rules: **queued** too long, or in a queue that does not move; **stalled**, no byte for too long while it is active; **slow**, below the floor over the whole
time that counts as sustained. A transfer is underperforming from the moment a rule holds, and well again only when it was faster than `recovery_kbps` for the
whole of `recovery_s`: without that, one that wavers around the floor would be rescued and released every few seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.domain.errors import Param

KIB: Final = 1024
KEPT_S: Final = 600.0


class ByteMeter:
    """Bytes as they arrive, by second, for KEPT_S. Unlike an average since the beginning it forgets, and it does not decay in a stall."""

    __slots__ = ("_seconds", "last_at", "started_at", "total")

    def __init__(self, now: float) -> None:
        self.started_at: Final = now
        self.last_at: float | None = None
        self.total = 0
        self._seconds: deque[tuple[int, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """`count` bytes arrived."""
        if count <= 0:
            return
        self.last_at = now
        self.total += count
        second = int(now)
        if self._seconds and self._seconds[-1][0] >= second:
            last, had = self._seconds[-1]
            self._seconds[-1] = (last, had + count)
        else:
            self._seconds.append((second, count))
        while self._seconds[0][0] < second - KEPT_S:
            self._seconds.popleft()

    def bps(self, now: float, *, window_s: float) -> float:
        """Bytes a second over the last `window_s` seconds, or since it began where that is shorter."""
        span = max(1.0, min(window_s, now - self.started_at))
        since = now - span
        return sum(count for second, count in self._seconds if second + 1 > since) / span

    def quiet_s(self, now: float) -> float:
        """Since the last byte, or since it began."""
        return now - (self.started_at if self.last_at is None else self.last_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueRules:
    """`transfers.rescue_mode`. Speeds are KiB/s, as S4 has it. Raises ValueError where `recovery_kbps` is below the floor: slow and well at once."""

    max_queue_s: float = 1800.0
    min_throughput_kbps: float = 10.0
    min_duration_s: float = 300.0
    """how long slow must be sustained"""
    stall_timeout_s: float = 120.0
    recovery_s: float = 60.0
    recovery_kbps: float = 50.0
    """faster than this for `recovery_s`: the transfer is well again"""
    queue_standing_s: float = 900.0
    """a place in the queue that did not fall for so long counts as queued too long, if half of max_queue_s is over"""

    def __post_init__(self) -> None:
        if self.recovery_kbps < self.min_throughput_kbps:
            raise ValueError("the speed that is well must not be below the one that is slow")


class Trouble(StrEnum):
    """Why a transfer is underperforming."""

    QUEUED = "queued_too_long"
    QUEUE_STANDS = "queue_stands"
    SLOW = "too_slow"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What is thought of a transfer. `since`: monotonic seconds at which its trouble began to be one; None: it does well enough."""

    trouble: Trouble | None = None
    since: float | None = None
    params: dict[str, Param] = field(default_factory=dict)

    @property
    def underperforming(self) -> bool:
        """Eligible for rescue."""
        return self.trouble is not None


WELL: Final = Performance()


class PerformanceWatch:
    """One transfer's history, told as it happens; `look` says what is thought of it now."""

    __slots__ = ("_active_since", "_good_since", "_place", "_place_at", "_queued_since", "_rules", "_state", "meter")

    def __init__(self, rules: RescueRules, *, now: float) -> None:
        self._rules: Final = rules
        self._queued_since: float | None = now
        self._active_since: float | None = None
        self._place: int | None = None
        self._place_at = now
        self._good_since: float | None = None
        self._state = WELL
        self.meter = ByteMeter(now)

    def queued(self, now: float) -> None:
        """It waits at the sharer (again). What it had before is forgotten, its trouble is not: it ends by recovery only."""
        if self._queued_since is None:
            self._queued_since, self._active_since, self._good_since = now, None, None
            self._place, self._place_at = None, now

    def placed(self, place: int, now: float) -> None:
        """The sharer told our place in its queue (1 = next)."""
        if self._place is None or place < self._place:
            self._place_at = now
        self._place = place

    def active(self, now: float) -> None:
        """Its transfer began: bytes are expected."""
        if self._active_since is None:
            self._active_since, self._queued_since = now, None
            self.meter = ByteMeter(now)

    def arrived(self, now: float, count: int) -> None:
        """Bytes came."""
        self.active(now)
        self.meter.add(now, count)

    def carry(self, trouble: Trouble, now: float) -> None:
        """It was in trouble before this watch began, and is until it proves well."""
        if not self._state.underperforming:
            self._state = Performance(trouble=trouble, since=now)

    def look(self, now: float) -> Performance:
        """What is thought of it, with the figures that say why."""
        found = self._trouble(now)
        if found is not None:
            self._good_since = None
            trouble, params = found
            since = self._state.since if self._state.underperforming and self._state.since is not None else now
            self._state = Performance(trouble=trouble, since=since, params=params)
        elif self._state.underperforming and self._recovered(now):
            self._state = WELL
        return self._state

    def _trouble(self, now: float) -> tuple[Trouble, dict[str, Param]] | None:
        rules = self._rules
        if self._queued_since is not None:
            waited = now - self._queued_since
            told: dict[str, Param] = {"waited_s": int(waited), "place": self._place}
            if waited >= rules.max_queue_s:
                return Trouble.QUEUED, told
            stood = now - self._place_at
            if self._place is not None and stood >= rules.queue_standing_s and waited >= rules.max_queue_s / 2:
                return Trouble.QUEUE_STANDS, {**told, "stood_s": int(stood)}
            return None
        if self._active_since is None:
            return None
        if (quiet := self.meter.quiet_s(now)) >= rules.stall_timeout_s:
            return Trouble.STALLED, {"quiet_s": int(quiet)}
        if now - self._active_since >= rules.min_duration_s:
            bps = self.meter.bps(now, window_s=rules.min_duration_s)
            if bps < rules.min_throughput_kbps * KIB:
                return Trouble.SLOW, {"kib_s": round(bps / KIB, 1), "floor_kib_s": rules.min_throughput_kbps}
        return None

    def _recovered(self, now: float) -> bool:
        """Active, and faster than `recovery_kbps` for the whole of `recovery_s`."""
        if self._active_since is None:
            self._good_since = None
            return False
        window = min(10.0, self._rules.recovery_s)
        good = self.meter.bps(now, window_s=window) > self._rules.recovery_kbps * KIB
        if not good:
            self._good_since = None
            return False
        if self._good_since is None:
            self._good_since = now
        return now - self._good_since >= self._rules.recovery_s
