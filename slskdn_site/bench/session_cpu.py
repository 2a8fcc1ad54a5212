"""What the deciding part of a download costs: scheduling, metrics and the bookkeeping of verification, in CPU seconds.

All of that happens inside the public methods of `SwarmSession`, so these are timed, and the hashing of leaves, which a transport can't do without, is
taken off. Two readings of the thread's CPU clock per call: below a microsecond.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final

from apps.domain.audio import payload
from overlay_node.swarm.session import SwarmSession


class Stopwatch:
    """CPU time of some calls, without that of others inside them."""

    def __init__(self) -> None:
        self._depth = 0
        self._ns = 0

    @property
    def seconds(self) -> float:
        """So far."""
        return self._ns / 1e9

    def counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed. Calls inside timed calls count once."""

        @functools.wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return call(*args, **kwargs)
            self._depth = 1
            began = time.thread_time_ns()
            try:
                return call(*args, **kwargs)
            finally:
                self._ns += time.thread_time_ns() - began
                self._depth = 0

        return timed

    def sparing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, whose time is taken off when it is made inside a timed one."""

        @functools.wraps(call)
        def spared(*args: Any, **kwargs: Any) -> Any:
            if not self._depth:
                return call(*args, **kwargs)
            began = time.thread_time_ns()
            try:
                return call(*args, **kwargs)
            finally:
                self._ns -= time.thread_time_ns() - began

        return spared


def measured_sessions() -> Stopwatch:
    """Time the sessions of this process from now on, for good."""
    stopwatch: Final = Stopwatch()
    for name, member in list(vars(SwarmSession).items()):
        if callable(member) and not name.startswith("_"):
            setattr(SwarmSession, name, stopwatch.counting(member))
    for name in ("leaf_hash", "merkle_root"):
        setattr(payload, name, stopwatch.sparing(getattr(payload, name)))
    return stopwatch
