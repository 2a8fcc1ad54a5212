"""Equal requests at the same time, over all processes, are one request: the first asks, the others wait for what it hears.

The broker holds who asks and, for a few seconds, what was answered. It is a convenience and no cache: what lasts are rows. A failure is not shared;
the next one asks by itself, through the same limiter. Without the broker nobody asks at all (the limiter needs it).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import zlib
from collections.abc import Callable
from typing import Final

import redis

from apps.domain.catalog.validators import HttpValidator
from workers.gateways.errors import Transient
from workers.gateways.musicbrainz_wire import Body

KEPT_MS: Final = 10_000
"""Who began to wait before the answer came has taken it by then."""
HELD_MS: Final = 45_000
"""Longest a request takes: its wait for the limiter and its time-out. Who asked and died is missed for so long."""
MOST_BYTES: Final = 4 << 20
"""A packed answer beyond it is not passed on through the broker: everybody asks by themselves."""
_POLL_S: Final = 0.05
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Coalescer:
    """Of one service. `sleep` is for tests."""

    def __init__(self, redis_url: str, *, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._name = name
        self._sleep = sleep

    def once(self, request: str, ask: Callable[[], Body]) -> Body:
        """What `ask` returns, or what somebody else heard who asks the same right now. Raises what `ask` raises; Transient `broker_unavailable`."""
        key = hashlib.sha256(request.encode()).hexdigest()[:32]
        holding, answer = f"slskdn:asking:{self._name}:{key}", f"slskdn:answer:{self._name}:{key}"
        token = secrets.token_hex(8)
        try:
            while not self._redis.set(holding, token, nx=True, px=HELD_MS):
                if (kept := self._kept(answer)) is not None:
                    return kept
                self._sleep(_POLL_S)
            try:
                # It may have come between the last look and our turn.
                if (kept := self._kept(answer)) is not None:
                    return kept
                body = ask()
                packed = _packed(body)
                if len(packed) <= MOST_BYTES:
                    self._redis.set(answer, packed, px=KEPT_MS)
                return body
            finally:
                self._redis.eval(_RELEASE, 1, holding, token)
        except redis.RedisError as error:
            raise Transient("The message broker is away.", code="broker_unavailable") from error

    def _kept(self, answer: str) -> Body | None:
        packed = self._redis.get(answer)
        return _unpacked(packed) if isinstance(packed, bytes) else None


def _packed(body: Body) -> bytes:
    told = {"etag": body.validator.etag, "last_modified": body.validator.last_modified}
    return json.dumps(told).encode() + b"\n" + zlib.compress(body.data, 1)


def _unpacked(packed: bytes) -> Body:
    told, _, data = packed.partition(b"\n")
    return Body(zlib.decompress(data), HttpValidator(**json.loads(told)))
