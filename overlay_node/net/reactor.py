"""Twisted's asyncio reactor with a clock that only goes forward.

Twisted's own tells the wall clock: when a machine's time is set back, every timer, bucket and timeout of the node would stand still until it has
caught up. Values begin at the wall clock's of the start, so that "long ago" (0.0) is long ago on a machine that booted just now, too.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor

_BEGIN = time.time() - time.monotonic()


def steady_seconds() -> float:
    """Seconds that never go back and never jump."""
    return _BEGIN + time.monotonic()


class SteadyReactor(AsyncioSelectorReactor):
    """The reactor of the node."""

    seconds = staticmethod(steady_seconds)


def steady_reactor(loop: asyncio.AbstractEventLoop) -> Any:
    """A reactor on this loop, not installed: Twisted's reactor has no types."""
    return SteadyReactor(loop)


def install_reactor(loop: asyncio.AbstractEventLoop) -> Any:
    """The same, as the process's reactor: once per process, before anything imports `twisted.internet.reactor`."""
    from twisted.internet.main import installReactor

    reactor = steady_reactor(loop)
    installReactor(reactor)  # type: ignore[no-untyped-call]
    return reactor
