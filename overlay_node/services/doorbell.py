"""Wake-ups by Redis or Valkey pub/sub. Losing one costs a poll interval, never work: so every failure here is quiet and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import redis.asyncio as redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0  # after the broker went away; doubles
MAX_RETRY_S: Final = 30.0
READ_TIMEOUT_S: Final = 15.0


async def listen(url: str, channel: str, *, wake: Callable[[], None]) -> None:
    """Call `wake` at each message on `channel`, until cancelled. Also once after each (re)connect: something may have been missed."""
    pause = RETRY_S
    while True:
        client = redis.Redis.from_url(url, socket_connect_timeout=5)
        try:
            async with client.pubsub() as subscription:
                await subscription.subscribe(channel)
                wake()
                pause = RETRY_S
                while True:
                    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=READ_TIMEOUT_S)
                    if message is not None:
                        wake()
        except (RedisError, OSError) as error:
            log.debug("doorbell_away error=%s", error)
        finally:
            await client.aclose()
        await asyncio.sleep(pause)
        pause = min(pause * 2, MAX_RETRY_S)
