"""How fast a peer is believed to be, and when everybody together will be done."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.swarm.estimate import Asked, Pace, finish_time, fluid_finish

LEAF = 262_144
LANES = st.lists(st.tuples(st.floats(0, 5), st.floats(0.05, 3)), min_size=1, max_size=8)


def dealt_out(starts: list[float], each: list[float], leaves: int) -> float:
    """The greedy schedule itself: every leaf to the lane that completes it first."""
    heap = [(start + takes, takes) for start, takes in zip(starts, each, strict=True)]
    heapq.heapify(heap)
    end = -math.inf
    for _ in range(leaves):
        end, takes = heap[0]
        heapq.heapreplace(heap, (end + takes, takes))
    return end


@given(lanes=LANES, leaves=st.integers(0, 60))
def test_the_common_end_is_that_of_the_greedy_schedule(lanes: list[tuple[float, float]], leaves: int) -> None:
    starts, each = [lane[0] for lane in lanes], [lane[1] for lane in lanes]
    assert finish_time(starts, each, leaves) == pytest.approx(dealt_out(starts, each, leaves), abs=1e-6)


@given(lanes=LANES, leaves=st.integers(1, 60))
def test_divisible_leaves_are_done_no_later_than_whole_ones_and_carry_exactly_the_work(
    lanes: list[tuple[float, float]], leaves: int
) -> None:
    starts, each = [lane[0] for lane in lanes], [lane[1] for lane in lanes]
    fluid = fluid_finish(starts, each, leaves)
    assert fluid <= finish_time(starts, each, leaves) + 1e-9
    carried = sum(max(fluid - start, 0.0) / takes for start, takes in zip(starts, each, strict=True))
    assert carried == pytest.approx(leaves, rel=1e-6)


def test_nobody_is_never_done_and_nothing_is_done_at_once() -> None:
    assert finish_time([], [], 1) == math.inf
    assert fluid_finish([], [], 1) == math.inf
    assert finish_time([0.0], [1.0], 0) == -math.inf


class Line:
    """A peer with a true rate and delay that answers in order."""

    def __init__(self, pace: Pace, *, rate: float, delay: float) -> None:
        self.pace, self.rate, self.delay = pace, rate, delay
        self.now = 0.0
        self.free_at = 0.0
        self.waiting: list[tuple[float, Asked]] = []

    def ask(self, length: int = LEAF) -> None:
        request = Asked(self.now, length)
        self.pace.asked(request)
        self.free_at = max(self.free_at, self.now + self.delay) + length / self.rate
        self.waiting.append((self.free_at, request))

    def answer(self) -> None:
        self.now, request = self.waiting.pop(0)
        self.pace.arrived(request, self.now)

    def stream(self, answers: int, *, ahead: int = 3) -> None:
        for _ in range(answers):
            while len(self.waiting) < ahead:
                self.ask()
            self.answer()


@pytest.mark.parametrize(("rate", "delay"), [(0.1e6, 0.02), (1e6, 0.1), (20e6, 0.2)])
def test_rate_and_end_of_the_queue_are_learnt_from_a_few_answers(rate: float, delay: float) -> None:
    pace = Pace(delay_s=delay)
    line = Line(pace, rate=rate, delay=delay)
    line.stream(80, ahead=20)
    assert pace.rate_bps == pytest.approx(rate, rel=0.1)
    assert pace.settled
    while len(line.waiting) < 20:
        line.ask()
    assert pace.ready_at(line.now) == pytest.approx(line.free_at, rel=0.02)


def test_the_delay_is_learnt_from_requests_that_find_the_peer_idle() -> None:
    pace = Pace(delay_s=0.5)
    line = Line(pace, rate=1e6, delay=0.05)
    line.stream(6)
    while line.waiting:
        line.answer()
    for _ in range(20):
        line.now += 1.0
        line.ask()
        line.answer()
    assert pace.delay_s == pytest.approx(0.05, abs=0.02)
    assert pace.ready_at(line.now) == pytest.approx(line.now + pace.delay_s)


def test_a_peer_that_slowed_down_is_believed_at_once_and_one_that_sped_up_after_a_while() -> None:
    pace = Pace(delay_s=0.02)
    line = Line(pace, rate=4e6, delay=0.02)
    line.stream(60)
    line.rate = 0.4e6
    line.stream(4)
    assert pace.rate_bps < 0.8e6
    line.rate = 4e6
    line.stream(3)
    assert pace.rate_bps < 3e6
    line.stream(60)
    assert pace.rate_bps > 3e6


def test_progress_inside_an_answer_shows_a_slow_peer_before_its_first_leaf_is_whole() -> None:
    pace = Pace(delay_s=0.02)
    request = Asked(0.0, LEAF)
    pace.asked(request)
    pace.progressed(1_000_000, 0.02)
    got = [pace.progressed(1_000_000 + int(50_000 * (step + 1) / 10), 0.02 + (step + 1) / 10) for step in range(5)]
    assert sum(got) == pytest.approx(25_000, abs=1)
    assert pace.rate_bps == pytest.approx(50_000, rel=0.2)
    assert pace.ready_at(0.52) == pytest.approx(0.52 + (LEAF - 25_000) / 50_000, rel=0.2)
    pace.arrived(request, 5.3)
    assert pace.new_bytes == LEAF - sum(got)
    assert pace.left_bytes == 0


def test_an_answer_that_does_not_come_moves_the_end_away_as_fast_as_time_passes() -> None:
    pace = Pace(delay_s=0.02)
    line = Line(pace, rate=1e6, delay=0.02)
    line.stream(10, ahead=2)
    assert pace.late_s(line.now + 0.1) == 0
    assert pace.late_s(line.now + 5) > 4
    assert pace.ready_at(line.now + 5) > line.now + 9


def test_what_is_cancelled_is_not_waited_for() -> None:
    pace = Pace(delay_s=0.02)
    line = Line(pace, rate=1e6, delay=0.02)
    line.stream(5)
    for _, request in line.waiting:
        pace.forgotten(request, line.now)
    assert pace.left_bytes == 0
    assert not pace.queue
    assert pace.head is None


def test_what_is_assumed_ends_with_the_first_answer() -> None:
    pace = Pace()
    pace.assume(3e6)
    assert pace.rate_bps == 3e6
    line = Line(pace, rate=1e6, delay=0.1)
    line.stream(2)
    pace.assume(9e6)
    assert pace.known
    assert pace.rate_bps < 2e6


def test_the_delay_of_the_line_is_not_more_than_an_idle_peer_took_for_a_whole_answer() -> None:
    pace = Pace(delay_s=0.5)  # a manifest that waited behind other work
    line = Line(pace, rate=400e6, delay=0.001)
    line.ask(64 * 1024)
    line.answer()
    assert pace.line_delay_s == pytest.approx(0.001 + 65536 / 400e6)
    line.stream(20)
    assert pace.line_delay_s <= 0.002  # what queues at the peer is not the line's


def test_a_line_that_became_longer_is_believed_when_its_peer_runs_idle() -> None:
    pace = Pace(delay_s=0.01)
    line = Line(pace, rate=10e6, delay=0.01)
    line.stream(10, ahead=1)
    assert pace.line_delay_s < 0.05
    line.delay = 0.3
    line.stream(12, ahead=1)
    assert pace.line_delay_s > 0.25
