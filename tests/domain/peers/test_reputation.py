"""How far a peer is trusted, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.peers.metrics import HALF_LIFE_S, PeerMetrics, PeerMetricsSnapshot
from apps.domain.peers.reputation import Reason, Standing, reputation, reputation_of, reputation_score, standing

WALL = datetime(2026, 1, 1, tzinfo=UTC)
KIB = 1024


def told(**counters: float) -> PeerMetricsSnapshot:
    failed = counters.pop("failed", 0.0)
    return PeerMetricsSnapshot(at=WALL, failed=(("io_error", failed),) if failed else (), **counters)


def score(*, idle_s: float = 0.0, **counters: float) -> float:
    return reputation_of(told(**counters), idle_s=idle_s).score


def reasons(*, idle_s: float = 0.0, **counters: float) -> list[str]:
    return [one.code.value for one in reputation_of(told(**counters), idle_s=idle_s).reasons]


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({}, 0.5),
        ({"successful": 1}, 5 / 9),
        ({"successful": 8}, 0.75),
        ({"successful": 1000}, 1004 / 1008),
        ({"corrupt": 1}, 4 / 13),
        ({"corrupt": 2}, 4 / 18),
        ({"timeouts": 20}, 4 / 14),
        ({"successful": 100, "timeouts": 10}, (4 + 97) / 108),
        ({"successful": 100, "failed": 10}, (4 + 98) / 108),
        ({"successful": 100, "corrupt": 1}, (4 + 95) / 108),
        ({"successful": 100, "wrong_claims": 1}, (4 + 98) / 108),
        ({"successful": 100_000, "timeouts": 10_000, "corrupt": 100, "failed": 1000}, 0.963),
    ],
)
def test_golden_scores(counters: dict[str, float], expected: float) -> None:
    assert score(**counters) == pytest.approx(expected, rel=1e-4)


def test_one_mishap_condemns_nobody_and_a_habit_does() -> None:
    assert score(timeouts=1) > 0.3
    assert score(corrupt=1) > 0.3
    assert score(corrupt=2) < 0.3
    assert score(timeouts=1) > 0.45
    assert score(timeouts=20) < 0.3
    assert score(successful=50, corrupt=25) < 0.3, "a peer that lies every third time"
    assert score(successful=200, corrupt=40) < 0.3
    assert score(wrong_claims=3) < 0.3
    assert score(successful=5, wrong_claims=8) < 0.3
    assert score(not_delivered=30) < 0.3


def test_a_busy_or_slow_peer_is_not_distrusted() -> None:
    slow = told(successful=50.0, busy=1000.0, throughput_bps=10.0 * KIB, samples=10.0)
    assert reputation_of(slow, idle_s=0).score == score(successful=50)
    assert [one.code for one in reputation_of(slow, idle_s=0).reasons] == [Reason.LOW_THROUGHPUT]


@pytest.mark.parametrize(
    "counters", [{"successful": 5000.0}, {"successful": 5.0}, {"corrupt": 9.0}, {"timeouts": 40.0}]
)
def test_the_distance_from_neutral_halves_in_seven_idle_days_whatever_it_rests_on(counters: dict[str, float]) -> None:
    before = told(**counters)
    first = reputation_of(before, idle_s=0).score
    week = before.decayed_to(WALL + timedelta(days=7))
    assert reputation_of(week, idle_s=week.idle_s).score - 0.5 == pytest.approx((first - 0.5) / 2)
    years = before.decayed_to(WALL + timedelta(days=3650))
    assert reputation_of(years, idle_s=years.idle_s).score == pytest.approx(0.5, abs=1e-6)


def test_living_metrics_fade_alike() -> None:
    metrics = PeerMetrics(0.0)
    for _ in range(100):
        metrics.leaf_corrupt(1.0)
    first = reputation_score(metrics, 1.0)
    assert reputation(metrics, 1.0).score == first < 0.1
    assert 0.5 - reputation_score(metrics, 1.0 + HALF_LIFE_S) == pytest.approx((0.5 - first) / 2, rel=1e-6)


def test_a_liar_that_reforms_is_trusted_again() -> None:
    metrics = PeerMetrics(0.0)
    for _ in range(10):
        metrics.leaf_corrupt(0.0)
    assert reputation_score(metrics, 0.0) < 0.3
    for _ in range(1000):
        metrics.leaf_verified(60.0, length=1)
    assert reputation_score(metrics, 60.0) > 0.9


def test_reasons_come_with_the_weightiest_first() -> None:
    assert reasons() == ["stranger"]
    assert reasons(successful=5) == ["little_known"]
    assert reasons(successful=500) == ["proven"]
    assert reasons(successful=100, timeouts=50) == ["timeouts"]
    assert reasons(successful=100, timeouts=30, corrupt=5, failed=10) == ["corrupt", "timeouts", "failures"]
    assert reasons(successful=100, not_delivered=8, cancelled_by_peer=9) == ["leaves", "not_delivered"]
    assert reasons(successful=1000, wrong_claims=1, timeouts=1) == ["wrong_claims"], (
        "grave faults are named however rare"
    )
    assert reasons(successful=1000, corrupt=0.4) == ["proven"], "until they are forgotten"
    assert reasons(successful=100, timeouts=50, throughput_bps=5.0 * KIB, samples=9.0) == ["timeouts", "low_throughput"]
    assert reasons(successful=500, idle_s=9 * 86_400) == ["proven", "faded"]


def test_reasons_carry_their_numbers() -> None:
    (given_reason,) = reputation_of(told(successful=50.0, timeouts=20.0), idle_s=0).reasons
    assert given_reason.params == {"percent": 40, "count": 20}
    (slow,) = reputation_of(told(successful=50.0, throughput_bps=2048.0, samples=9.0), idle_s=0).reasons
    assert slow.params == {"kib_per_s": 2.0}


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (0.0, Standing.QUARANTINED),
        (0.29, Standing.QUARANTINED),
        (0.3, Standing.DOWN_WEIGHTED),
        (0.49, Standing.DOWN_WEIGHTED),
        (0.5, Standing.NEUTRAL),
        (0.79, Standing.NEUTRAL),
        (0.8, Standing.PREFERRED),
        (1.0, Standing.PREFERRED),
    ],
)
def test_what_a_score_means(value: float, band: Standing) -> None:
    assert standing(value, min_reputation=0.3) is band


COUNTERS = st.fixed_dictionaries(
    {
        name: st.floats(0, 1e9)
        for name in (
            "successful",
            "corrupt",
            "timeouts",
            "failed",
            "cancelled_by_peer",
            "not_delivered",
            "wrong_claims",
        )
    }
)


@given(counters=COUNTERS, idle_s=st.floats(0, 1e9), more=st.floats(0, 1e6))
def test_a_score_lies_between_0_and_1_and_no_fault_ever_helps_and_no_success_ever_harms(
    counters: dict[str, float], idle_s: float, more: float
) -> None:
    before = score(**counters, idle_s=idle_s)
    assert 0 <= before <= 1
    assert reasons(**counters, idle_s=idle_s)
    fresh = score(**counters)
    for fault in ("corrupt", "timeouts", "failed", "cancelled_by_peer", "not_delivered", "wrong_claims"):
        assert score(**{**counters, fault: counters[fault] + more}) <= fresh + 1e-9
    assert score(**{**counters, "successful": counters["successful"] + more}) >= fresh - 1e-9
