"""Live views: rows are read again and the parts that changed are sent, as server-sent events.

A *snapshot* is a function that reads rows and gives named parts (an element's id and its HTML, or a track's id and its JSON). One stream
reads at most once a second, and slower while nothing changes; the doorbell (`WEB_CHANNEL`) wakes it early. Every connection begins with all
parts, so a reconnect loses nothing. Nothing is queued per client: what a slow client missed is simply not the newest any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import redis.asyncio
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpResponseBase, StreamingHttpResponse
from redis.exceptions import RedisError

from apps.common.api_errors import error_response
from apps.common.doorbell import WEB_CHANNEL

log = logging.getLogger(__name__)

Snapshot = Callable[[], Mapping[str, object]]

MIN_INTERVAL_S = 1.0  # between two reads of one stream
MAX_INTERVAL_S = 5.0  # while nothing changes and nobody rings: the poll that makes a lost ring harmless
KEEP_ALIVE_S = 15.0  # proxies commonly cut silent connections after 30 or 60 s
RETRY_MS = 3000  # after which a browser connects again
LIFETIME_S = 600.0  # then the client reconnects and its session or key is checked anew
MAX_STREAMS = 200  # measured: 150 clients cost 30 MB and still got every update
RING_RETRY_S = 5.0

_readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sse-read")
_open_streams = 0


class Bell:
    """Wakes the streams of one event loop when the doorbell rings. One subscription however many streams; none when there are none."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set at each ring, for as long as the block runs."""
        rung = asyncio.Event()
        self._listeners.add(rung)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        try:
            yield rung
        finally:
            self._listeners.discard(rung)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _listen(self) -> None:
        while True:
            try:
                async with (
                    redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2) as client,
                    client.pubsub() as subscription,
                ):
                    await subscription.subscribe(WEB_CHANNEL)
                    async for _message in subscription.listen():
                        for rung in self._listeners:
                            rung.set()
            except (RedisError, OSError) as error:
                log.debug("doorbell away, streams poll: error=%s", error)
            await asyncio.sleep(RING_RETRY_S)


_bells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Bell] = weakref.WeakKeyDictionary()


def bell() -> Bell:
    """The bell of the running event loop."""
    return _bells.setdefault(asyncio.get_running_loop(), Bell())


def changes(sent: Mapping[str, object], now: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """(parts that are new or differ, ids that are gone)."""
    return {key: part for key, part in now.items() if sent.get(key) != part}, [key for key in sent if key not in now]


def message(parts: Mapping[str, object], gone: list[str]) -> bytes:
    """One `patch` event: `{"parts": {id: part}, "gone": [id]}`, on one line as SSE wants it."""
    data = json.dumps({"parts": parts, "gone": gone}, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"event: patch\ndata: {data}\n\n".encode()


async def patches(snapshot: Snapshot, *, rung: asyncio.Event) -> AsyncIterator[bytes]:
    """The events of one stream, until LIFETIME_S have passed or the client goes away (which cancels this)."""
    loop = asyncio.get_running_loop()
    sent: Mapping[str, object] = {}
    ends_at = loop.time() + LIFETIME_S
    interval, spoke_at = MIN_INTERVAL_S, loop.time()
    yield f"retry: {RETRY_MS}\n\n".encode()
    while loop.time() < ends_at:
        rung.clear()
        now = await loop.run_in_executor(_readers, _read, snapshot)
        parts, gone = changes(sent, now)
        sent = now
        if parts or gone:
            yield message(parts, gone)
            interval, spoke_at = MIN_INTERVAL_S, loop.time()
        else:
            interval = min(interval * 2, MAX_INTERVAL_S)
            if loop.time() - spoke_at > KEEP_ALIVE_S:
                yield b": still here\n\n"
                spoke_at = loop.time()
        await asyncio.sleep(MIN_INTERVAL_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), timeout=max(0.0, interval - MIN_INTERVAL_S))


def _read(snapshot: Snapshot) -> Mapping[str, object]:
    close_old_connections()
    try:
        return snapshot()
    finally:
        close_old_connections()


async def _stream(snapshot: Snapshot) -> AsyncIterator[bytes]:
    global _open_streams  # noqa: PLW0603  (a count for one process, touched by its one event loop only)
    _open_streams += 1
    try:
        async with bell().listening() as rung:
            async for chunk in patches(snapshot, rung=rung):
                yield chunk
    finally:
        _open_streams -= 1


def stream_response(snapshot: Snapshot) -> HttpResponseBase:
    """The answer of a live view; 503 `too_many_streams` beyond MAX_STREAMS. Must be served by ASGI."""
    if _open_streams >= MAX_STREAMS:
        return error_response("too_many_streams", status=503, retryable=True)
    response = StreamingHttpResponse(_stream(snapshot), content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would otherwise hold events back
    return response
