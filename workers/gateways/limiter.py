"""One rate limit per service for all processes: GCRA (the leaky bucket as a meter) in Lua, by the broker's own clock.

The one value kept is the theoretical arrival time (TAT) of the next request, in µs. A request reserves its slot at once and sleeps until it
comes, so that callers are served in order and never sooner than the interval (measured with six processes: gaps of 0.982–1.017 s at 1000 ms;
hence MusicBrainz' 1050 ms). A service that says "too many" pushes the TAT forward for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import redis

from workers.gateways.errors import Transient

MAX_WAIT_S: Final = 15.0
"""Longest sleep for a slot. Beyond it the task gives its worker back and comes again: a queue of sleepers would hold the whole pool."""
MAX_PENALTY_S: Final = 3600.0
"""A service's Retry-After is believed up to this."""

_ACQUIRE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local start = math.max(tat, now)
local wait = start - now
if wait > tonumber(ARGV[2]) then return {0, wait} end
local next = start + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1000)
return {1, wait}
"""
_PUSH: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local next = math.max(tat, now + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000) + 1000)
return next - now
"""


class Limiter:
    """The limit of one service. Cheap to make; holds a connection pool that connects at the first use."""

    def __init__(
        self,
        redis_url: str,
        *,
        name: str,
        interval_ms: int,
        max_wait_s: float = MAX_WAIT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._key = f"slskdn:limit:{name}"
        self._interval_us = interval_ms * 1000
        self._max_wait_us = int(max_wait_s * 1_000_000)
        self._sleep = sleep

    def acquire(self) -> float:
        """Wait for a slot; returns the seconds waited.

        Raises Transient: `rate_limited` when the next slot is more than `max_wait_s` away (none is reserved then), `broker_unavailable`.
        """
        granted, wait_us = self._run(_ACQUIRE, self._interval_us, self._max_wait_us)
        wait_s = wait_us / 1_000_000
        if not granted:
            raise Transient(
                "The request waits for its turn.", code="rate_limited", retry_after_s=wait_s, wait_s=round(wait_s)
            )
        if wait_s > 0:
            self._sleep(wait_s)
        return wait_s

    def push_back(self, seconds: float) -> None:
        """Let nobody ask for so long: the service said so. Best effort: without the broker nobody asks anyway."""
        try:
            self._run(_PUSH, int(min(max(seconds, 0.0), MAX_PENALTY_S) * 1_000_000))
        except Transient:
            return

    def _run(self, script: str, *arguments: int) -> tuple[int, int]:
        try:
            answer = self._redis.eval(script, 1, self._key, *arguments)
        except (redis.RedisError, OSError) as error:
            raise Transient("The message broker is away.", code="broker_unavailable") from error
        if isinstance(answer, list):
            return int(answer[0]), int(answer[1])
        return 1, int(str(answer))
