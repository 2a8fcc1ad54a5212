from __future__ import annotations

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.contracts.node_work import RateLimitWork
from overlay_node.protocol.limits import KIB
from overlay_node.swarm.rate_limits import (
    BURST_BYTES,
    ByteBucket,
    Direction,
    RateLimits,
    Scope,
)

PEER = "peer-a"
NODE_UP = RateLimitWork(scope="global", key="", direction="up", kbps=100)


def test_a_bucket_gives_one_chunk_at_once_and_then_its_rate() -> None:
    bucket = ByteBucket(rate=1000.0, now=0.0)
    assert bucket.take(0.0, BURST_BYTES)
    assert not bucket.take(0.0, 1.0)
    assert bucket.wait_s(0.0, 500.0) == pytest.approx(0.5)
    assert not bucket.take(0.4, 500.0)
    assert bucket.take(0.5, 500.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = ByteBucket(rate=1000.0, now=10.0)
    assert bucket.take(10.0, BURST_BYTES)
    assert bucket.level(5.0) == pytest.approx(0.0)
    assert bucket.level(11.0) == pytest.approx(1000.0)


def test_what_becomes_limited_starts_with_nothing_saved_up() -> None:
    limits = RateLimits(now=0.0)
    bucket = limits.node_budget(Direction.UP)
    assert bucket.take(0.0, 10**12)
    limits.apply([NODE_UP], 100.0)
    assert not bucket.take(100.0, 1.0)
    assert bucket.take(101.0, 100 * KIB)


def test_rows_win_over_defaults_and_removing_them_brings_the_defaults_back() -> None:
    limits = RateLimits(now=0.0, defaults={(Scope.PEER, Direction.UP): 50})
    bucket = limits.peer_budget(Direction.UP, PEER, 0.0)
    assert bucket.rate == 50 * KIB
    limits.apply([RateLimitWork(scope="peer", key=PEER, direction="up", kbps=0)], 1.0)
    assert bucket.rate is None
    limits.apply([], 2.0)
    assert bucket.rate == 50 * KIB


def test_a_jobs_own_constraint_holds_until_a_person_says_otherwise() -> None:
    job = str(uuid.uuid4())
    limits = RateLimits(now=0.0)
    bucket = limits.job_budget(Direction.DOWN, job, 0.0, default_kbps=10)
    assert bucket.rate == 10 * KIB
    limits.apply([RateLimitWork(scope="job", key=job, direction="down", kbps=20)], 1.0)
    assert bucket.rate == 20 * KIB
    limits.apply([], 2.0)
    assert bucket.rate == 10 * KIB


def test_leaving_and_coming_back_gains_nothing() -> None:
    limits = RateLimits(now=0.0, defaults={(Scope.PEER, Direction.UP): 1})
    assert limits.peer_budget(Direction.UP, PEER, 0.0).take(0.0, BURST_BYTES)
    limits.forget_peer(Direction.UP, PEER)
    limits.sweep(1.0)
    assert not limits.peer_budget(Direction.UP, PEER, 1.0).take(1.0, 2 * KIB)
    limits.forget_peer(Direction.UP, PEER)
    limits.sweep(1000.0)
    assert limits.peer_budget(Direction.UP, PEER, 1000.0).take(1000.0, BURST_BYTES)


def test_a_bucket_in_use_is_never_replaced() -> None:
    limits = RateLimits(now=0.0)
    held = limits.budgets_for(Direction.DOWN, now=0.0, peer=PEER, job="j")
    limits.forget_peer(Direction.UP, PEER)
    limits.sweep(10_000.0)
    assert limits.budgets_for(Direction.DOWN, now=0.0, peer=PEER, job="j") == held
    assert [bucket.rate for bucket in held] == [None, None, None]


class _Rates:
    """What a schedule of rates allows between two times, to those who take while there is a limit; unlimited times allow them nothing."""

    def __init__(self, changes: list[tuple[float, float | None]]) -> None:
        self.changes = changes

    def between(self, start: float, end: float) -> float:
        marks = [*self.changes, (float("inf"), None)]
        total = 0.0
        for (since, rate), (until, _) in pairwise(marks):
            width = min(end, until) - max(start, since)
            if width > 0 and rate is not None:
                total += rate * width
        return total


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.integers(1, BURST_BYTES)),
            st.tuples(st.just("wait"), st.floats(0.0, 20.0)),
            st.tuples(st.just("rate"), st.one_of(st.none(), st.integers(1, 4096))),
        ),
        max_size=60,
    ),
    st.one_of(st.none(), st.integers(1, 4096)),
)
def test_over_any_window_no_more_passes_than_rate_times_window_and_one_chunk(
    steps: list[tuple[str, int | float | None]], first: int | None
) -> None:
    now = 0.0
    limits = RateLimits(now=now, defaults={(Scope.NODE, Direction.UP): first or 0})
    bucket = limits.node_budget(Direction.UP)
    changes: list[tuple[float, float | None]] = [(0.0, first * KIB if first else None)]
    taken: list[tuple[float, int]] = []
    for kind, value in steps:
        if kind == "wait" and value is not None:
            now += value
        elif kind == "rate":
            limits.apply([RateLimitWork(scope="global", key="", direction="up", kbps=int(value or 0))], now)
            changes.append((now, value * KIB if value else None))
        elif value is not None:
            wait = bucket.wait_s(now, value)
            if bucket.take(now, value):
                assert wait == 0
                if bucket.rate is not None:
                    taken.append((now, int(value)))
            else:
                assert wait > 0
                now += wait
                assert bucket.take(now + 1e-6, value)
                taken.append((now + 1e-6, int(value)))
                now += 1e-6
    rates = _Rates(changes)
    for at, (start, _) in enumerate(taken):
        moved = 0
        for end, amount in taken[at:]:
            moved += amount
            assert moved <= rates.between(start, end) + BURST_BYTES + 1.0


def test_what_the_governor_leaves_holds_beneath_persons_limits_and_never_above_them() -> None:
    limits = RateLimits(now=0.0)
    bucket = limits.node_budget(Direction.DOWN)
    limits.govern(Direction.DOWN, 5000.0, 0.0)
    assert (bucket.rate, limits.governed(Direction.DOWN)) == (5000.0, 5000.0)
    person = RateLimitWork(scope="global", key="", direction="down", kbps=2)
    limits.apply([person], 1.0)
    assert bucket.rate == 2 * KIB
    limits.govern(Direction.DOWN, 1000.0, 2.0)
    assert bucket.rate == 1000.0
    assert limits.kbps_of(Scope.NODE, "", Direction.DOWN) == 2  # what people are shown as theirs stays theirs
    limits.govern(Direction.DOWN, None, 3.0)
    assert (bucket.rate, limits.governed(Direction.DOWN)) == (2 * KIB, None)
    assert limits.node_budget(Direction.UP).rate is None


def test_a_job_can_be_governed_by_itself_also_before_anybody_asked_for_its_bucket() -> None:
    limits, job = RateLimits(now=0.0), str(uuid.uuid4())
    limits.govern(Direction.DOWN, 700.0, 0.0, job=job)
    assert limits.job_budget(Direction.DOWN, job, 0.0, default_kbps=100).rate == 700.0
    assert limits.job_budget(Direction.DOWN, str(uuid.uuid4()), 0.0).rate is None
    limits.govern(Direction.DOWN, 400.0, 0.0)
    assert (limits.governed(Direction.DOWN, job=job), limits.governed(Direction.DOWN)) == (400.0, 400.0)
    limits.govern(Direction.DOWN, None, 0.0, job=job)
    assert limits.job_budget(Direction.DOWN, job, 0.0).rate == 100 * KIB


@given(
    person=st.one_of(st.none(), st.integers(1, 10**6)),
    governed=st.one_of(st.none(), st.floats(1.0, 1e9)),
)
def test_the_governor_can_only_take_away(person: int | None, governed: float | None) -> None:
    limits = RateLimits(now=0.0)
    limits.apply([RateLimitWork(scope="global", key="", direction="up", kbps=person)] if person else [], 0.0)
    before = limits.node_budget(Direction.UP).rate
    limits.govern(Direction.UP, governed, 0.0)
    after = limits.node_budget(Direction.UP).rate
    assert (after is None) == (before is None and governed is None)
    assert before is None or (after is not None and after <= before)
