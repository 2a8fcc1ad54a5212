"""The node's own lateness, by a clock that tests turn."""

from __future__ import annotations

import asyncio
import contextlib
import time

from overlay_node.services.loop_delay import BEAT_S, SAMPLES, Delays, LoopDelay


def test_before_the_first_beat_nothing_is_late() -> None:
    assert LoopDelay(lambda: 0.0).delays() == Delays()


def test_a_stall_of_the_loop_shows_as_the_most_and_what_is_usual_as_the_median() -> None:
    async def scene() -> None:
        meter = LoopDelay(asyncio.get_running_loop().time)
        task = asyncio.create_task(meter.run())
        while meter.delays().samples < 3:
            await asyncio.sleep(BEAT_S)
        before = meter.delays().samples
        time.sleep(0.3)  # somebody takes too long at a time
        while meter.delays().samples == before:
            await asyncio.sleep(0)
        assert meter.delays().most_ms >= 200
        assert meter.delays().p50_ms <= meter.delays().p99_ms <= meter.delays().most_ms
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(scene())


def test_only_the_last_minutes_count() -> None:
    meter = LoopDelay(lambda: 0.0)
    meter._late_s.extend([9.0] * 10)
    meter._late_s.extend([0.001] * SAMPLES)
    assert meter.delays() == Delays(p50_ms=1.0, p99_ms=1.0, most_ms=1.0, samples=SAMPLES)
