"""Rate limits of payload bytes: token buckets per scope (node, peer, job) and direction, changeable while they are in use. Pure: the time is passed in.

Theory. A bucket gains `rate` bytes a second up to BURST_BYTES, the longest chunk there is, and gives what it holds. Whoever wants to move
`n <= BURST_BYTES` bytes takes them all at once from every bucket that applies to him (node, peer, job), or waits. Hence, over any window of `w`
seconds and for each scope alone, bytes <= rate x w + BURST_BYTES; a rate that changes inside the window counts piece by piece. A slow limit makes
chunks rare, never impossible, because no chunk is larger than the burst. (Things that are larger, such as a leaf of several chunks, are taken as
a debt; the bound then grows by that one thing.) Nothing is ever given back: bytes that were taken and then not moved would pass later, beside the
burst that has grown meanwhile.

Nothing is saved up beyond that one chunk, whatever happens: a bucket that becomes limited starts empty, a rate that falls or rises keeps the tokens
at hand, and a peer or job that leaves keeps its bucket until it would be full anyway, so that leaving and coming back gains nothing.

Limits come from two places: the configuration's defaults, and rows that a person wrote (`RateLimits.apply`), which win. The fairness governor's
(`RateLimits.govern`) hold beneath them: the lower of the two is in force, so that it can only ever take away. A change is in force at the next
question anybody asks of a bucket; buckets are handed out once and never replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import Final

from apps.domain.contracts.node_work import RateLimitWork
from overlay_node.protocol.limits import KIB, MAX_CHUNK_BYTES

BURST_BYTES: Final = MAX_CHUNK_BYTES
"""bytes a bucket may hold: one chunk of the largest size, so that every chunk can be taken whole"""
MAX_IDLE_BUCKETS: Final = 4096  # scopes nobody uses, remembered until they are full; beyond, the oldest are forgotten

_SLACK: Final = 1e-6  # bytes; rounding of sums of floats must not make a bucket wait for nothing


class Direction(StrEnum):
    """Seen from this node."""

    UP = "up"
    DOWN = "down"


class Scope(StrEnum):
    """What a limit holds for. `key` is "" for the node, the peer's id, the job's id."""

    NODE = "global"
    PEER = "peer"
    JOB = "job"


class ByteBucket:
    """Bytes that may be moved now. Mutable and slotted: it is asked for every chunk.

    `rate` None = unlimited. `now` is monotonic seconds; a clock that goes back is treated as standing still.
    """

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, *, rate: float | None, now: float) -> None:
        self.rate = rate
        """bytes a second; change it by `set_rate`"""
        self._tokens = float(BURST_BYTES)
        self._at = now

    def set_rate(self, rate: float | None, now: float) -> None:
        """From now on. Tokens at hand stay, a debt is paid at the new rate; what was unlimited starts with nothing."""
        self._refill(now)
        if self.rate is None and rate is not None:
            self._tokens = min(self._tokens, 0.0)
        self.rate = rate

    def take(self, now: float, amount: float) -> bool:
        """Take `amount` (at most BURST_BYTES) and return True, or take nothing and return False."""
        if self.rate is None:
            return True
        self._refill(now)
        if self._tokens + _SLACK < amount:
            return False
        self._tokens -= amount
        return True

    def take_debt(self, now: float, amount: float) -> None:
        """Take `amount` whatever is there: for what is larger than the burst, and for what can't wait."""
        if self.rate is not None:
            self._refill(now)
            self._tokens -= amount

    def wait_s(self, now: float, amount: float) -> float:
        """Seconds until `take(amount)` succeeds, when nobody else takes; 0.0 = at once. More than the burst: until that much has passed by."""
        if self.rate is None:
            return 0.0
        self._refill(now)
        missing = amount - self._tokens
        return missing / self.rate if missing > _SLACK else 0.0

    def level(self, now: float) -> float:
        """Bytes at hand; negative while a debt is paid; infinite when unlimited."""
        if self.rate is None:
            return inf
        self._refill(now)
        return self._tokens

    def is_full(self, now: float) -> bool:
        """True when forgetting this bucket changes nothing."""
        if self.rate is None:
            return True
        self._refill(now)
        return self._tokens >= BURST_BYTES - _SLACK

    def _refill(self, now: float) -> None:
        if now > self._at:
            if self.rate is not None:
                self._tokens = min(float(BURST_BYTES), self._tokens + (now - self._at) * self.rate)
            self._at = now


class RateLimits:
    """All buckets of a node. `defaults` are KiB/s by scope and direction, 0 or absent = unlimited."""

    def __init__(self, *, now: float, defaults: Mapping[tuple[Scope, Direction], int] | None = None) -> None:
        self._defaults: Final = dict(defaults or {})
        self._rows: dict[tuple[Scope, str, Direction], int] = {}
        self._job_defaults: Final[dict[str, int]] = {}
        self._governed: Final[dict[tuple[Scope, str, Direction], float]] = {}
        """bytes a second that the governor leaves"""
        self._buckets: Final[dict[tuple[Scope, str, Direction], ByteBucket]] = {}
        self._used: Final[set[tuple[Scope, str, Direction]]] = set()
        for direction in Direction:
            self._bucket(Scope.NODE, "", direction, now)

    # ---- for those who move bytes

    def node_budget(self, direction: Direction) -> ByteBucket:
        """The bucket of the whole node; the same object for ever."""
        return self._buckets[Scope.NODE, "", direction]

    def peer_budget(self, direction: Direction, peer: str, now: float) -> ByteBucket:
        """The bucket of one peer. Good until `forget_peer`."""
        return self._bucket(Scope.PEER, peer, direction, now)

    def job_budget(self, direction: Direction, job: str, now: float, *, default_kbps: int = 0) -> ByteBucket:
        """The bucket of one job (a want's group), good until `forget_job`. `default_kbps`: the job's own constraint, used where no row exists."""
        if default_kbps and direction is Direction.DOWN:
            self._job_defaults[job] = default_kbps
        bucket = self._bucket(Scope.JOB, job, direction, now)
        if bucket.rate != (rate := self._rate(Scope.JOB, job, direction)):
            bucket.set_rate(rate, now)
        return bucket

    def budgets_for(
        self, direction: Direction, *, now: float, peer: str | None = None, job: str | None = None, job_kbps: int = 0
    ) -> tuple[ByteBucket, ...]:
        """All buckets that apply; keep the tuple for as long as the peer and the job last. Unlimited ones are among them: they may change."""
        found = [self.node_budget(direction)]
        if peer is not None:
            found.append(self.peer_budget(direction, peer, now))
        if job is not None:
            found.append(self.job_budget(direction, job, now, default_kbps=job_kbps))
        return tuple(found)

    def forget_peer(self, direction: Direction, peer: str) -> None:
        """Nobody holds this peer's bucket of this direction any more: it goes when it is full."""
        self._used.discard((Scope.PEER, peer, direction))

    def forget_job(self, direction: Direction, job: str) -> None:
        """Likewise for a job."""
        self._used.discard((Scope.JOB, job, direction))

    def sweep(self, now: float) -> None:
        """Forget buckets that nobody holds and whose loss changes nothing; to be called every half minute or so."""
        idle = [key for key in self._buckets if key not in self._used]
        for at, key in enumerate(idle):
            if len(idle) - at > MAX_IDLE_BUCKETS or self._buckets[key].is_full(now):
                del self._buckets[key]
                if key[0] is Scope.JOB and key[2] is Direction.DOWN:
                    self._job_defaults.pop(key[1], None)

    # ---- for those who set them

    def apply(self, rows: Iterable[RateLimitWork], now: float) -> None:
        """These limits, and no others, were set by a person. In force at once; cheap when nothing changed."""
        fresh = {(Scope(row.scope), row.key, Direction(row.direction)): row.kbps for row in rows}
        if fresh == self._rows:
            return
        self._rows = fresh
        for (scope, key, direction), bucket in self._buckets.items():
            if bucket.rate != (rate := self._rate(scope, key, direction)):
                bucket.set_rate(rate, now)

    def govern(self, direction: Direction, rate: float | None, now: float, *, job: str = "") -> None:
        """The governor's limit in bytes a second, None = none; of the whole node or of one job. In force at once; cheap when nothing changed."""
        target = (Scope.JOB, job, direction) if job else (Scope.NODE, "", direction)
        if rate is None:
            self._governed.pop(target, None)
        else:
            self._governed[target] = rate
        bucket = self._buckets.get(target)
        if bucket is not None and bucket.rate != (in_force := self._rate(*target)):
            bucket.set_rate(in_force, now)

    def governed(self, direction: Direction, *, job: str = "") -> float | None:
        """What the governor leaves to this job (its own limit or the node's, whichever is lower), bytes a second; None: it says nothing."""
        targets = {(Scope.NODE, "", direction), (Scope.JOB, job, direction)}
        return min((self._governed[one] for one in targets if one in self._governed), default=None)

    def kbps_of(self, scope: Scope, key: str, direction: Direction) -> int:
        """KiB/s that persons and jobs allow; 0 = unlimited. What the governor leaves may be less."""
        found = self._rows.get((scope, key, direction))
        if found is None and scope is Scope.JOB and direction is Direction.DOWN:
            found = self._job_defaults.get(key)
        return self._defaults.get((scope, direction), 0) if found is None else found

    # ---- private

    def _rate(self, scope: Scope, key: str, direction: Direction) -> float | None:
        kbps, governed = self.kbps_of(scope, key, direction), self._governed.get((scope, key, direction))
        allowed = float(kbps * KIB) if kbps > 0 else None
        if governed is None or allowed is None:
            return allowed if governed is None else governed
        return min(allowed, governed)

    def _bucket(self, scope: Scope, key: str, direction: Direction, now: float) -> ByteBucket:
        self._used.add((scope, key, direction))
        bucket = self._buckets.get((scope, key, direction))
        if bucket is None:
            bucket = ByteBucket(rate=self._rate(scope, key, direction), now=now)
            self._buckets[scope, key, direction] = bucket
        return bucket
