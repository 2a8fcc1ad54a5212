"""The thread in which the node reads and writes rows: one, so that calls are carried out in the order in which they were made.

A call of `run` is one transaction, tried again when the database was briefly unavailable. Every part of the node that has rows shares one
`DatabaseThread`; nothing of Django leaves the modules of `overlay_node.store`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connections, transaction

from apps.domain.errors import DomainError

log = logging.getLogger(__name__)

T = TypeVar("T")
TRIES: Final = 4
RETRY_S: Final = (
    0.25  # first pause after a transient failure; doubles: 0.25 + 0.5 + 1 s and the database's own 30 s timeout
)


class StoreUnavailable(DomainError):
    """The database can't be reached, or stayed locked."""

    default_code = "store_unavailable"


class DatabaseThread:
    """See the module. Django must be set up before the first call; for the loop's thread."""

    def __init__(self) -> None:
        self._thread: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="node-db")
        self._closed = False

    async def run(self, call: Callable[[], T]) -> T:
        """Carry out `call` in a transaction of its own. Raises StoreUnavailable, and whatever `call` raises of its own."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, _attempt, functools.partial(_atomic, call)
        )

    async def read(self, call: Callable[[], T]) -> T:
        """Likewise outside of a transaction: SQLite's are IMMEDIATE here, and a reader would queue behind every writer."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _attempt, call)

    async def close(self) -> None:
        """Carry out what waits, close the thread's connection, end the thread. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=True)


def _atomic(call: Callable[[], T]) -> T:
    with transaction.atomic():
        return call()


def _attempt(call: Callable[[], T]) -> T:
    """In the thread. A broken or busy database is tried again before the caller hears of it."""
    pause = RETRY_S
    for left in range(TRIES - 1, -1, -1):
        close_old_connections()
        try:
            return call()
        except (OperationalError, InterfaceError) as error:
            if not left:
                raise StoreUnavailable(f"The database can't be used: {error}", retryable=True) from error
            log.warning("database_retry error=%s pause_s=%s", error, pause)
            connections.close_all()
            time.sleep(pause)
            pause *= 2
    raise AssertionError("unreachable")
