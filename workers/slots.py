"""Places for the library's background work over all processes of this machine: so many at once, each resting after its work.

A place is a key in the broker that expires: while its worker lives it is renewed, after the work it stays for as long as the place rests. Like every
memory in the broker it may be lost at any time; then for a moment more is done than the share allows, nothing else.
"""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from slskdn_site.broker import redis_url
from workers.lease import LEASE_S, LeaseKeeper

log = logging.getLogger(__name__)

HELD_S = LEASE_S
"""A worker that dies holds its place for so long; renewed three times as often while it lives."""
_KEY = "slskdn:background:{index}"


@functools.cache
def broker() -> redis.Redis:
    """The broker, as configured."""
    return redis.Redis.from_url(redis_url(), socket_timeout=2, socket_connect_timeout=2)


@dataclass(slots=True)
class Slot:
    """A place that is ours until the block ends; set `rest_s` for how long nobody may have it then."""

    index: int
    rest_s: float = 0.0


@contextmanager
def background_slot(broker: redis.Redis, *, count: int) -> Iterator[Slot | None]:
    """One of `count` places for the work in the block; None if all are taken or rest. Without a broker there is no limit."""
    token = uuid.uuid4().hex.encode()
    try:
        index = next((one for one in range(count) if broker.set(_KEY.format(index=one), token, nx=True, ex=HELD_S)), -1)
    except (redis.RedisError, OSError):
        log.warning("broker away: background work is not limited")
        yield Slot(index=-1)
        return
    if index < 0:
        yield None
        return
    slot, key = Slot(index=index), _KEY.format(index=index)
    try:
        with LeaseKeeper(lambda: _renew(broker, key, token)):
            yield slot
    finally:
        _give_back(broker, key, token, rest_s=slot.rest_s)


def _renew(broker: redis.Redis, key: str, token: bytes) -> bool:
    """False: it is somebody else's now. A broker that is away says nothing."""
    try:
        return broker.get(key) == token and bool(broker.expire(key, HELD_S))
    except (redis.RedisError, OSError):
        return True


def _give_back(broker: redis.Redis, key: str, token: bytes, *, rest_s: float) -> None:
    try:
        if broker.get(key) != token:
            return  # it expired, and is somebody else's now
        if rest_s > 0:
            broker.set(key, token, px=max(1, round(rest_s * 1000)))
        else:
            broker.delete(key)
    except (redis.RedisError, OSError):
        log.warning("broker away: a place of background work comes free when it expires")
