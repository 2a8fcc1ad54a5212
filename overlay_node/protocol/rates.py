"""A token bucket that is told the time: for rates of messages and connections. Bytes have their own (`overlay_node.swarm.rate_limits`)."""

from __future__ import annotations


class TokenBucket:
    """``rate`` tokens a second, at most ``burst`` saved up; starts full.

    ``now`` is monotonic seconds and never goes back; a clock that does is treated as standing still.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        if rate <= 0 or burst <= 0:
            raise ValueError("A token bucket needs a positive rate and burst.")
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take ``amount`` tokens and return True, or take nothing and return False."""
        self._refill(now)
        if self._tokens + 1e-9 < amount:
            return False
        self._tokens -= amount
        return True

    def take_debt(self, now: float, amount: float) -> None:
        """Take ``amount`` even if the bucket goes below zero: for things larger than the burst. ``wait_s`` then says when it is paid."""
        self._refill(now)
        self._tokens -= amount

    def wait_s(self, now: float, amount: float = 1.0) -> float:
        """Seconds until ``take(amount)`` would succeed (``amount`` <= burst); 0.0 = at once."""
        self._refill(now)
        missing = min(amount, self.burst) - self._tokens
        return max(0.0, missing / self.rate) if missing > 1e-9 else 0.0

    def level(self, now: float) -> float:
        """Tokens at hand; negative while a debt is being paid."""
        self._refill(now)
        return self._tokens
