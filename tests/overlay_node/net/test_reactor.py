"""The clock of the node."""

from __future__ import annotations

import asyncio
import time

import pytest

from overlay_node.net.reactor import steady_reactor


def test_setting_the_machines_time_back_moves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    try:
        reactor = steady_reactor(loop)
        before = reactor.seconds()
        fired: list[float] = []
        reactor.callLater(0.0, lambda: fired.append(reactor.seconds()))
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 3600.0)
        assert reactor.seconds() >= before
        loop.run_until_complete(asyncio.sleep(0.02))
        assert fired and fired[0] >= before
    finally:
        loop.close()


def test_the_clock_begins_at_the_wall_clocks_time() -> None:
    loop = asyncio.new_event_loop()
    try:
        assert steady_reactor(loop).seconds() > 1_500_000_000
    finally:
        loop.close()
