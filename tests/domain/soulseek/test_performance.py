"""Underperforming transfers."""

from __future__ import annotations

import pytest

from apps.domain.soulseek.performance import KIB, ByteMeter, PerformanceWatch, RescueRules, Trouble

RULES = RescueRules(
    max_queue_s=100,
    min_throughput_kbps=10,
    min_duration_s=30,
    stall_timeout_s=20,
    recovery_s=15,
    recovery_kbps=30,
    queue_standing_s=40,
)


def watch() -> PerformanceWatch:
    return PerformanceWatch(RULES, now=0)


def run(one: PerformanceWatch, start: int, end: int, kib_s: float) -> list[bool]:
    """Bytes each second; what is thought of it after each."""
    thought = []
    for second in range(start, end):
        one.arrived(second, int(kib_s * KIB))
        thought.append(one.look(second).underperforming)
    return thought


def test_the_meter_forgets_and_does_not_decay() -> None:
    meter = ByteMeter(0)
    for second in range(60):
        meter.add(second, 1000)
    assert meter.bps(60, window_s=10) == pytest.approx(1000, rel=0.11)
    assert meter.bps(75, window_s=10) == 0
    assert (meter.total, meter.quiet_s(75)) == (60_000, 16)
    for second in range(60, 5000):
        meter.add(second, 1)
    assert len(meter._seconds) <= 602


def test_a_transfer_that_waits_too_long_is_in_trouble_and_says_how_long() -> None:
    one = watch()
    assert not one.look(99).underperforming
    found = one.look(100)
    assert (found.trouble, found.since, found.params["waited_s"]) == (Trouble.QUEUED, 100, 100)


def test_a_queue_that_does_not_move_counts_once_half_the_patience_is_over() -> None:
    one = watch()
    one.placed(7, 0)
    one.placed(7, 30)
    assert not one.look(45).underperforming
    assert one.look(50).trouble is Trouble.QUEUE_STANDS
    moving = watch()
    for second in range(0, 100, 10):
        moving.placed(50 - second, second)
        assert not moving.look(second).underperforming


def test_a_stream_that_says_nothing_is_stalled() -> None:
    one = watch()
    one.arrived(10, 50 * KIB)
    assert not one.look(29).underperforming
    found = one.look(30)
    assert (found.trouble, found.params) == (Trouble.STALLED, {"quiet_s": 20})


def test_slow_counts_only_when_it_lasts() -> None:
    one = watch()
    thought = run(one, 0, 40, 5)
    assert thought.index(True) == 30
    assert one.look(40).trouble is Trouble.SLOW
    fast = watch()
    assert not any(run(fast, 0, 100, 12))


def test_one_that_wavers_around_the_floor_is_not_released_until_it_is_well_above_for_a_while() -> None:
    one = watch()
    run(one, 0, 40, 5)
    since = one.look(40).since
    assert all(run(one, 40, 90, 12))  # above the floor, but not by much
    assert one.look(90).since == since
    thought = run(one, 90, 130, 40)
    assert thought.count(False) >= 10
    assert not thought[-1]
    assert not any(run(one, 130, 150, 40))


def test_a_burst_does_not_make_a_stalled_one_well() -> None:
    one = watch()
    one.arrived(0, KIB)
    assert one.look(25).underperforming
    one.arrived(26, 500 * KIB)
    assert one.look(27).underperforming
    assert one.look(45).underperforming


def test_going_back_into_the_queue_keeps_the_trouble_and_starts_the_wait_again() -> None:
    one = watch()
    one.arrived(0, KIB)
    assert one.look(25).trouble is Trouble.STALLED
    one.queued(30)
    assert one.look(31).trouble is Trouble.STALLED
    assert one.look(130).trouble is Trouble.QUEUED
