"""What is learnt of a peer, sample by sample."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.peers.metrics import AGE_STEP_S, HALF_LIFE_S, SAMPLE_S, Failure, PeerMetrics

KIB = 1024
LEAF = 256 * KIB
WALL = datetime(2026, 1, 1, tzinfo=UTC)


def fed(count: int, *, busy_s: float = 0.25, rtt_s: float | None = 0.04) -> PeerMetrics:
    metrics = PeerMetrics(0.0)
    for at in range(count):
        metrics.chunk_received(at * busy_s, length=LEAF, busy_s=busy_s, rtt_s=rtt_s)
        metrics.leaf_verified(at * busy_s, length=LEAF)
    return metrics


def test_a_fresh_peer_is_cold() -> None:
    metrics = PeerMetrics(0.0)
    assert metrics.cold
    assert metrics.throughput_bps is None
    assert metrics.rtt_s is None
    assert metrics.outcomes == 0


def test_a_steady_peer_has_its_own_speed_after_one_chunk_and_after_a_hundred() -> None:
    for count in (1, 2, 10, 100):
        metrics = fed(count)
        assert metrics.throughput_bps == pytest.approx(LEAF / 0.25)
        assert metrics.rtt_s == pytest.approx(0.04)
        assert metrics.snapshot(20.0, wall=WALL).speed_deviation == pytest.approx(0.0, abs=1e-6)
        assert metrics.successful == count
        assert metrics.verified_bytes == count * LEAF


def test_the_first_ten_samples_are_averaged_plainly_then_each_weighs_a_tenth() -> None:
    metrics = PeerMetrics(0.0)
    for at, rtt in enumerate([0.1, 0.2, 0.3]):
        metrics.chunk_received(at, length=LEAF, busy_s=1.0, rtt_s=rtt)
    assert metrics.rtt_s == pytest.approx(0.2)
    metrics = fed(50, rtt_s=0.1)
    metrics.chunk_received(99.0, length=LEAF, busy_s=1.0, rtt_s=1.1)
    assert metrics.rtt_s == pytest.approx(0.2)


def test_chunks_that_a_socket_hands_over_together_make_one_sample() -> None:
    metrics = PeerMetrics(0.0)
    metrics.chunk_received(0.0, length=LEAF, busy_s=SAMPLE_S * 0.9)
    metrics.chunk_received(0.0, length=LEAF, busy_s=0.0)
    assert metrics.samples == 0
    assert metrics.throughput_bps == pytest.approx(2 * LEAF / (SAMPLE_S * 0.9)), "less than a sample, but all there is"
    metrics.chunk_received(0.0, length=LEAF, busy_s=SAMPLE_S * 0.1)
    assert metrics.samples == 1
    assert metrics.throughput_bps == pytest.approx(3 * LEAF / SAMPLE_S)


def test_bytes_of_an_unfinished_chunk_tell_the_speed_and_are_no_outcome() -> None:
    metrics = PeerMetrics(0.0)
    metrics.progressed(1.0, length=10 * KIB, busy_s=1.0)
    assert metrics.throughput_bps == pytest.approx(10 * KIB)
    assert not metrics.cold
    assert metrics.outcomes == 0


def test_a_freeze_weighs_by_its_seconds() -> None:
    metrics = fed(20, busy_s=0.1)
    before = metrics.throughput_bps
    metrics.chunk_received(10.0, length=LEAF, busy_s=5.0)
    assert before is not None
    assert metrics.throughput_bps is not None
    assert metrics.throughput_bps < before / 5
    assert (metrics.snapshot(10.0, wall=WALL).speed_deviation or 0) > 1


def test_an_outcome_moves_its_own_rate_up_and_the_others_down_by_a_tenth() -> None:
    metrics = PeerMetrics(0.0)
    metrics.timed_out(1.0)
    assert (metrics.timeout_rate, metrics.error_rate, metrics.cancellation_rate) == (0.1, 0.0, 0.0)
    metrics.leaf_corrupt(2.0)
    assert metrics.timeout_rate == pytest.approx(0.09)
    assert metrics.error_rate == pytest.approx(0.1)
    metrics.cancelled(3.0)
    assert metrics.cancellation_rate == pytest.approx(0.1)
    metrics.chunk_received(4.0, length=LEAF, busy_s=1.0)
    assert metrics.timeout_rate == pytest.approx(0.0729)
    assert metrics.error_rate == pytest.approx(0.081)
    assert metrics.cancellation_rate == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("code", "counter"),
    [
        ("rate_limited", "busy"),
        ("not_found", "not_delivered"),
        ("timeout", "timeouts"),
        ("request_timeout", "timeouts"),
    ],
)
def test_a_refusal_counts_as_what_it_means(code: str, counter: str) -> None:
    metrics = PeerMetrics(0.0)
    metrics.refused(1.0, code)
    assert getattr(metrics, counter) == 1
    assert metrics.failed == {}


def test_being_busy_is_no_fault() -> None:
    metrics = PeerMetrics(0.0)
    metrics.refused(1.0, "rate_limited")
    assert metrics.outcomes == 0
    assert metrics.error_rate == 0


@pytest.mark.parametrize(
    "code", ["link_closed", "not_open", "send_queue_full", "too_many_in_flight", "admission_required"]
)
def test_what_never_reached_a_peer_is_not_held_against_it(code: str) -> None:
    metrics = PeerMetrics(0.0)
    metrics.refused(1.0, code)
    assert (metrics.outcomes, metrics.error_rate, metrics.busy, metrics.revision) == (0, 0, 0, 0)


def test_failures_are_kept_by_reason_and_the_peers_own_words_as_other() -> None:
    metrics = PeerMetrics(0.0)
    for code in ("io_error", "io_error", "invalid_range", "<script>", "x" * 100):
        metrics.refused(1.0, code)
    assert metrics.failed == {Failure.IO_ERROR: 2, Failure.INVALID_RANGE: 1, Failure.OTHER: 2}
    assert metrics.failures == 5


def test_counters_and_rates_halve_in_seven_days() -> None:
    metrics = fed(64)
    metrics.timed_out(16.0)
    rate = metrics.timeout_rate
    metrics.age(16.0 + HALF_LIFE_S)
    assert metrics.successful == pytest.approx(32, rel=1e-3)
    assert metrics.timeouts == pytest.approx(0.5, rel=1e-3)
    assert metrics.timeout_rate == pytest.approx(rate / 2, rel=1e-3)
    assert metrics.throughput_bps == pytest.approx(LEAF / 0.25), "how fast it was stays what it was"


def test_a_clock_that_goes_back_changes_nothing() -> None:
    metrics = fed(10)
    metrics.age(-1e6)
    metrics.chunk_received(-1e6, length=LEAF, busy_s=-5.0, rtt_s=-1.0)
    assert metrics.successful == 10
    assert metrics.rtt_s == pytest.approx(0.04)
    assert metrics.idle_s(-1e6) == 0
    metrics.age(0.0)
    assert metrics.successful == 10, "nor does it when it comes forward again"


def test_a_snapshot_taken_up_a_week_later_has_half_the_counters_and_remembers_the_speed() -> None:
    metrics = fed(64)
    metrics.refused(16.0, "io_error")
    past = metrics.snapshot(16.0, wall=WALL)
    later = PeerMetrics(1000.0)
    later.absorb(past, now=1000.0, wall=WALL + timedelta(days=7))
    assert later.successful == pytest.approx(32)
    assert later.failed == {Failure.IO_ERROR: pytest.approx(0.5)}
    assert later.throughput_bps == pytest.approx(LEAF / 0.25)
    assert later.rtt_s == pytest.approx(0.04)
    assert later.idle_s(1000.0) == pytest.approx(HALF_LIFE_S)


def test_three_new_samples_outweigh_the_memory_of_an_earlier_session() -> None:
    later = PeerMetrics(0.0)
    later.absorb(fed(64).snapshot(16.0, wall=WALL), now=0.0, wall=WALL)
    for at in range(3):
        later.chunk_received(at, length=LEAF, busy_s=SAMPLE_S)
    assert later.throughput_bps is not None
    memory, news = LEAF / 0.25, LEAF / SAMPLE_S
    assert later.throughput_bps > (memory + news) / 2


def test_what_was_learnt_before_the_rows_came_is_kept() -> None:
    later = PeerMetrics(0.0)
    later.chunk_received(1.0, length=LEAF, busy_s=1.0, rtt_s=0.5)
    later.leaf_verified(1.0, length=LEAF)
    later.absorb(fed(64).snapshot(16.0, wall=WALL), now=2.0, wall=WALL)
    assert later.successful == 65
    assert later.throughput_bps == pytest.approx(LEAF)
    assert later.rtt_s == 0.5


def test_a_snapshot_from_the_future_counts_as_one_of_now() -> None:
    later = PeerMetrics(0.0)
    later.absorb(fed(8).snapshot(2.0, wall=WALL + timedelta(days=900)), now=0.0, wall=WALL)
    assert later.successful == 8


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["chunk", "verified", "corrupt", "timeout", "refused", "cancelled", "claim", "progress", "age"]
        ),
        st.floats(-10, 1e7),
        st.integers(0, LEAF),
        st.floats(0, 100),
    ),
    max_size=60,
)


@given(events=EVENTS)
def test_whatever_happens_rates_stay_rates_and_counters_never_fall_below_zero(
    events: list[tuple[str, float, int, float]],
) -> None:
    metrics = PeerMetrics(0.0)
    for what, now, length, busy in events:
        match what:
            case "chunk":
                metrics.chunk_received(now, length=length, busy_s=busy, rtt_s=busy / 2)
            case "verified":
                metrics.leaf_verified(now, length=length)
            case "corrupt":
                metrics.leaf_corrupt(now)
            case "timeout":
                metrics.timed_out(now)
            case "refused":
                metrics.refused(now, ("io_error", "not_found", "rate_limited", "?")[length % 4])
            case "cancelled":
                metrics.cancelled(now)
            case "claim":
                metrics.claim_refuted(now)
            case "progress":
                metrics.progressed(now, length=length, busy_s=busy)
            case _:
                metrics.age(now)
    for rate in (metrics.error_rate, metrics.timeout_rate, metrics.cancellation_rate):
        assert 0 <= rate <= 1
    assert metrics.error_rate + metrics.timeout_rate + metrics.cancellation_rate <= 1 + 1e-9
    snapshot = metrics.snapshot(0.0, wall=WALL)
    assert snapshot.successful >= 0
    assert snapshot.failures >= 0
    assert snapshot.throughput_var >= 0
    assert snapshot.throughput_bps is None or snapshot.throughput_bps >= 0
    assert 0 <= snapshot.samples <= 10


@given(steps=st.lists(st.floats(AGE_STEP_S, 1e6), min_size=1, max_size=20))
def test_decay_does_not_depend_on_how_often_one_looks(steps: list[float]) -> None:
    once, often = fed(100), fed(100)
    start = now = 25.0
    for step in steps:
        now += step
        often.age(now)
    once.age(now)
    assert often.successful == pytest.approx(once.successful, rel=1e-6)
    assert once.successful == pytest.approx(100 * 0.5 ** ((now - 0) / HALF_LIFE_S), rel=1e-3), start
