"""Keeping a lease while working: a thread renews it, and every step may ask whether it is still ours."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.db import connections
from django.db.utils import Error as DatabaseError

log = logging.getLogger(__name__)

LEASE_S = 60
"""A worker that dies is missed for so long. Renewed three times as often, so that one late renewal costs nothing."""


class LeaseLost(Exception):
    """The row is no longer this worker's: a person cancelled, or another worker took over. Whatever was done must not be recorded."""


class LeaseKeeper:
    """`with LeaseKeeper(renew) as lease:` … `lease.check()` between steps. `renew` says False once the row is not ours any more."""

    def __init__(self, renew: Callable[[], bool], *, every_s: float = LEASE_S / 3) -> None:
        self._renew = renew
        self._every_s = every_s
        self._stop = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Renew now. Raises LeaseLost."""
        if self._lost or not self._renew():
            raise LeaseLost

    def _keep(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                try:
                    if not self._renew():
                        self._lost = True
                        return
                except DatabaseError:
                    # The next renewal comes before the lease ends; if the database stays away nothing can be finished anyway.
                    log.warning("lease could not be renewed", exc_info=True)
        finally:
            connections.close_all()
