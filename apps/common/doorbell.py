"""Wake-ups by pub/sub: "look now". Losing one costs a poll interval, never work."""

from __future__ import annotations

import functools
import logging

import redis
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)

NODE_CHANNEL = "slskdn:node"
WEB_CHANNEL = "slskdn:web"


@functools.cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def ring(channel: str, hint: str = "") -> None:
    """Publish `hint` on `channel` once the current transaction has committed."""
    transaction.on_commit(lambda: _publish(channel, hint))


def _publish(channel: str, hint: str) -> None:
    try:
        _client().publish(channel, hint)
    except (redis.RedisError, OSError) as error:
        log.debug("doorbell away, pollers will look anyway: channel=%s error=%s", channel, error)
