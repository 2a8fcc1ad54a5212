"""What the product's policy decides, and that it says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.peers.metrics import PeerMetrics
from apps.domain.swarm.cost import CostWeights, peer_cost
from apps.domain.swarm.estimate import Pace
from apps.domain.swarm.ranges import Urgency, UrgentRange
from apps.domain.swarm.settings import SchedulerSettings
from apps.domain.swarm.trace import TraceAction
from overlay_node.protocol.rates import TokenBucket
from overlay_node.swarm.actions import Action, AskChunk, CancelChunks, Charge, ChargePeer
from overlay_node.swarm.board import Board
from overlay_node.swarm.explain import SchedulingTotals, explain, speed_up_over_random
from overlay_node.swarm.invariants import UNVERIFIED, broken
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.piece_map import PieceMap
from overlay_node.swarm.policy import Claim, Order, Policy, Reason
from overlay_node.swarm.policy_cost import CostPolicy, quick_cost
from overlay_node.swarm.policy_plain import PlainPolicy
from overlay_node.swarm.session import SwarmSession
from overlay_node.swarm.source import Source
from tests.overlay_node.swarm.payloads import make_payload

LEAVES = 24
PAYLOAD = make_payload(LEAF_BYTES * LEAVES)
ALL = ((0, LEAVES),)


@dataclass
class Notes:
    """A sink that keeps what it is told."""

    events: list[tuple[TraceAction, str, int, str]] = field(default_factory=list)

    def note(
        self,
        now: float,
        action: TraceAction,
        peer: str = "",
        leaf: int = -1,
        offset: int = -1,
        length: int = 0,
        duration_s: float = -1.0,
        code: str = "",
    ) -> None:
        assert now >= 0
        self.events.append((action, peer, leaf, code))

    def reasons(self, peer: str) -> list[str]:
        return [code for action, who, _, code in self.events if action is TraceAction.CHUNK_REQUESTED and who == peer]


class World:
    """One session and lines with a rate and a delay, in virtual time."""

    def __init__(self, **options: object) -> None:
        self.notes = Notes()
        self.session = SwarmSession(PAYLOAD.key, manifest=PAYLOAD.manifest, trace=self.notes, **options)  # type: ignore[arg-type]
        self.lines: dict[str, tuple[float, float]] = {}
        self.free_at: dict[str, float] = {}
        self.queue: list[tuple[float, str, int, int]] = []
        self.actions: list[Action] = []
        self.now = 0.0
        self.done_at = 0.0

    def add(self, peer: str, *, rate: float, delay: float = 0.03, have: tuple[tuple[int, int], ...] = ALL) -> Source:
        self.lines[peer] = rate, delay
        self.free_at[peer] = self.now
        self.do(self.session.peer_added(peer, self.now))
        facts, leaves = PAYLOAD.manifest.facts, PAYLOAD.manifest.leaves
        self.do(
            self.session.manifest_received(
                peer,
                facts,
                leaves.hashes,
                leaf_bytes=LEAF_BYTES,
                preamble=b"",
                have=have,
                now=self.now,
            )
        )
        return self.session.sources[peer]

    def do(self, actions: list[Action]) -> None:
        self.actions += actions
        for action in actions:
            if isinstance(action, AskChunk):
                rate, delay = self.lines[action.peer]
                self.free_at[action.peer] = max(self.free_at[action.peer], self.now + delay) + action.length / rate
                self.queue.append((self.free_at[action.peer], action.peer, action.offset, action.length))
            elif isinstance(action, CancelChunks):
                self.queue = [
                    one
                    for one in self.queue
                    if one[1] != action.peer or (action.ranges and (one[2], one[2] + one[3]) not in action.ranges)
                ]

    def run(self, *, until: float = 120.0) -> None:
        while not self.session.completed and self.now < until:
            due = min(self.queue, default=(float("inf"), "", 0, 0))
            tick_at = round(self.now + 0.1, 6)
            if due[0] > tick_at:
                self.now = tick_at
                self.do(self.session.tick(self.now))
            else:
                self.queue.remove(due)
                self.now = max(due[0], self.now)
                data = PAYLOAD.data[due[2] : due[2] + due[3]]
                self.do(self.session.chunk_received(due[1], due[2], data, self.now))
            assert list(broken(self.session, self.now)) == []
            assert not self.session.violations
        self.done_at = self.now

    def given_by(self, peer: str) -> int:
        return sum(self.session.sender(leaf) == peer for leaf in range(LEAVES))


def test_the_first_request_is_small_and_a_random_leaf_and_more_comes_only_after_it_verified() -> None:
    world = World(policy=CostPolicy(draw=lambda _count: 7))
    source = world.add("a", rate=1e6)
    asked = [action for action in world.actions if isinstance(action, AskChunk)]
    assert asked[0].offset == 7 * LEAF_BYTES
    assert asked[0].length < LEAF_BYTES / 2
    assert world.notes.reasons("a")[0] == Reason.AUDIT
    assert source.flight_bytes <= 3 * LEAF_BYTES
    world.run()
    assert source.trusted


def test_a_peer_that_is_far_too_slow_is_not_given_what_would_come_last() -> None:
    world = World()
    world.add("fast", rate=4e6)
    world.add("slow", rate=60e3)
    world.run()
    assert world.done_at < 1.4 * LEAVES * LEAF_BYTES / 4e6 + 0.1
    assert world.given_by("slow") <= 1
    assert world.session.statistics.duplicate_bytes <= LEAF_BYTES


def test_peers_of_different_speed_end_together() -> None:
    world = World()
    for name, rate in (("a", 0.5e6), ("b", 1e6), ("c", 2.5e6)):
        world.add(name, rate=rate)
    world.run()
    assert world.done_at < 1.12 * LEAVES * LEAF_BYTES / 4e6 + 0.06
    assert world.given_by("c") > world.given_by("b") > world.given_by("a") > 0


def test_a_peer_that_freezes_is_taken_over_long_before_its_timer() -> None:
    world = World()
    world.add("honest", rate=2e6)
    world.add("freezes", rate=2e6)
    world.run(until=0.5)
    world.queue = [one for one in world.queue if one[1] != "freezes"]
    world.lines["freezes"] = 1.0, 1e6
    world.run()
    assert world.done_at < 5
    codes = {code for action, _, _, code in world.notes.events if action is TraceAction.DECISION}
    assert codes & {Reason.TAKEN_OVER, Reason.SHIFTED_AWAY}


def test_a_peer_that_slows_down_keeps_its_place_and_loses_its_share() -> None:
    world = World()
    world.add("steady", rate=1e6)
    world.add("fades", rate=1e6)
    world.run(until=0.8)
    before = world.given_by("fades")
    world.lines["fades"] = 0.1e6, 0.03
    world.run()
    assert "fades" in world.session.sources
    assert world.given_by("fades") - before < world.given_by("steady") / 3


def test_the_rarest_leaves_are_asked_first_of_whoever_holds_them() -> None:
    world = World(policy=CostPolicy(draw=lambda count: count - 1))
    world.add("whole", rate=1e6)
    world.add("part", rate=1e6, have=((0, 12),))
    world.run()
    assert world.session.completed
    assert world.given_by("whole") >= 12


def test_urgent_leaves_go_to_the_cheaper_peer() -> None:
    world = World()
    world.add("dear", rate=0.3e6)
    world.add("cheap", rate=3e6)
    world.run(until=0.5)
    wanted = [leaf for leaf in range(LEAVES) if world.session.board is not None and world.session.board.is_free(leaf)]
    world.session.urgent([UrgentRange(first=wanted[-3], end=wanted[-1], urgency=Urgency.PLAYBACK)])
    world.run()
    assert {world.session.sender(leaf) for leaf in range(wanted[-3], wanted[-1])} == {"cheap"}
    assert Reason.HIGH_PRIORITY in world.notes.reasons("cheap")


class Book(MemoryPeerBook):
    """Somebody has a bad name."""

    def reputation_of(self, peer: str, now: float) -> float:
        return 0.1 if peer == "bad" else super().reputation_of(peer, now)


def test_a_peer_of_low_reputation_is_asked_only_for_what_nobody_else_holds() -> None:
    world = World(book=Book())
    world.add("bad", rate=5e6)
    world.run(until=0.2)
    assert world.given_by("bad") > 0
    world = World(book=Book())
    world.add("good", rate=1e6, have=((0, LEAVES - 2),))
    world.add("bad", rate=5e6)
    world.run()
    assert world.session.completed
    assert world.given_by("bad") == 2


def test_last_resort_use_can_be_forbidden() -> None:
    world = World(book=Book(), policy=CostPolicy(SchedulerSettings(quarantined_as_last_resort=False)))
    source = world.add("bad", rate=5e6)
    world.run(until=2)
    assert source.barred
    assert not source.flight
    assert world.session.waiting == "only_bad_sources"


def test_a_peer_that_has_not_what_it_advertised_is_charged_once_and_still_gives_the_rest() -> None:
    world = World()
    source = world.add("boasts", rate=1e6)
    for _ in range(2):
        request = next(iter(source.flight.values()))
        world.queue = [one for one in world.queue if one[2] != request.offset]
        world.do(world.session.chunk_refused("boasts", request.offset, "invalid_range", now=world.now))
    charges = [action.charge for action in world.actions if isinstance(action, ChargePeer)]
    assert charges == [Charge.NOT_DELIVERED]
    assert source.metrics.failed
    world.run(until=20)
    assert world.given_by("boasts") == LEAVES - 2
    assert world.session.waiting == "sources_incomplete"


def test_a_fast_peer_is_asked_for_two_leaves_at_a_time_and_a_budget_for_one() -> None:
    world = World()
    world.add("fast", rate=20e6)
    world.run()
    lengths = [action.length for action in world.actions if isinstance(action, AskChunk)]
    assert 2 * LEAF_BYTES in lengths
    bucket = TokenBucket(rate=1e6, burst=LEAF_BYTES, now=0.0)
    world = World(budgets=(bucket,))
    world.add("fast", rate=20e6)
    world.run()
    assert max(action.length for action in world.actions if isinstance(action, AskChunk)) <= LEAF_BYTES


def test_a_session_explains_what_it_does_and_why_somebody_gets_nothing() -> None:
    world = World(book=Book())
    world.add("good", rate=1e6)
    world.add("bad", rate=1e6)
    world.run(until=0.6)
    told = explain(world.session, world.now)
    good, bad = (next(one for one in told.peers if one.peer == name) for name in ("good", "bad"))
    assert told.policy == "cost"
    assert told.held + told.in_flight + told.free == LEAVES
    assert told.finish_in_s == pytest.approx((LEAVES - told.held) * LEAF_BYTES / 1e6, rel=0.3)
    assert (good.role, bad.role) == ("works", "quarantined")
    assert bad.idle_because is Reason.QUARANTINED
    assert good.rate_bps == pytest.approx(1e6, rel=0.2)
    assert good.next_leaf_in_s > good.idle_in_s > 0
    assert told.urgent_to == ("good",)
    totals = SchedulingTotals()
    totals.add(world.session)
    assert totals.decisions == world.session.statistics.decisions > 0
    assert totals.copy() == totals
    assert totals.violations_by_name() == {}


def test_who_is_asked_for_urgent_leaves_is_told_the_cheapest_first() -> None:
    world = World()
    for name, rate in (("dear", 0.2e6), ("cheap", 2e6), ("middling", 0.6e6)):
        world.add(name, rate=rate)
    world.run(until=1.8)
    assert explain(world.session, world.now).urgent_to == ("cheap", "middling", "dear")


def test_who_waits_for_a_rate_limit_is_said_to() -> None:
    bucket = TokenBucket(rate=1e4, burst=LEAF_BYTES, now=0.0)
    world = World(budgets=(bucket,))
    world.add("a", rate=20e6)
    world.run(until=1.0)
    assert [one.idle_because for one in explain(world.session, world.now).peers] == [Reason.BUDGET_SPENT]


def test_decisions_not_to_ask_and_to_distribute_anew_are_traced_once_each() -> None:
    world = World()
    world.add("fast", rate=2e6)
    world.add("slow", rate=3e5)
    world.run()
    decided = [(who, code) for action, who, _, code in world.notes.events if action is TraceAction.DECISION]
    assert ("slow", Reason.HELD_BACK_TOO_SLOW) in decided
    assert ("", Reason.REBALANCED) in decided
    assert Reason.WINDOW_FULL not in {code for _, code in decided}
    of_slow = [
        (action, code)
        for action, who, _, code in world.notes.events
        if who == "slow" and action in {TraceAction.DECISION, TraceAction.CHUNK_REQUESTED}
    ]
    assert not [one for one, other in pairwise(of_slow) if one == other and one[0] is TraceAction.DECISION]


def test_random_assignment_waits_for_the_last_leaf_of_the_slowest() -> None:
    # together 40 bytes take 10 s; then a leaf of 2 bytes at 1 byte a second
    assert speed_up_over_random([1.0, 3.0], payload_bytes=40, leaf_bytes=2) == 1.2
    assert speed_up_over_random([3.0], payload_bytes=40, leaf_bytes=2) is None
    assert speed_up_over_random([0.0, 3.0], payload_bytes=40, leaf_bytes=2) is None


@given(
    chunks=st.lists(st.tuples(st.integers(1, 500_000), st.floats(0.001, 3), st.floats(0, 1)), max_size=5),
    timeouts=st.integers(0, 3),
    reputation=st.floats(0, 1),
)
def test_the_quick_cost_is_the_cost(chunks: list[tuple[int, float, float]], timeouts: int, reputation: float) -> None:
    metrics = PeerMetrics()
    for length, busy, rtt in chunks:
        metrics.chunk_received(1.0, length=length, busy_s=busy, rtt_s=rtt)
    for _ in range(timeouts):
        metrics.timed_out(2.0)
    weights = CostWeights()
    assert quick_cost(metrics, reputation, weights) == pytest.approx(peer_cost(metrics, reputation, weights).total)


def test_switched_off_it_is_first_come_first_served_and_still_completes() -> None:
    world = World(policy=PlainPolicy())
    world.add("a", rate=2e6)
    world.add("b", rate=0.2e6)
    world.run()
    assert world.session.completed
    assert explain(world.session, world.now).policy == "plain"


class Rude(Policy):
    """Orders what it may not."""

    def choose(self, source: Source, now: float) -> Order | None:
        return Order(3, claim=Claim.RACE)


def test_a_leaf_that_nobodys_bytes_made_is_noticed() -> None:
    world = World()
    world.add("a", rate=1e6)
    world.run(until=1.0)
    board = world.session.board
    assert board is not None
    board.held(next(leaf for leaf in range(LEAVES) if board.is_free(leaf)))
    assert UNVERIFIED in broken(world.session, world.now)


def test_an_order_that_breaks_a_rule_is_refused_and_counted() -> None:
    world = World(policy=Rude())
    world.add("a", rate=1e6)
    assert not any(isinstance(action, AskChunk) for action in world.actions)
    assert world.session.statistics.refused_orders > 0


def test_of_two_that_race_the_later_makes_room_and_a_leaf_never_has_three_carriers() -> None:
    world = World()
    for number in range(6):
        world.add(f"p{number}", rate=0.15e6 * 2**number)
    world.run()
    assert world.session.completed
    assert not world.session.violations


def test_a_peer_that_answers_with_another_length_is_asked_again_at_once() -> None:
    world = World(policy=PlainPolicy())
    source = world.add("a", rate=1e6)
    world.session.share("a", 1)
    world.run(until=0.3)
    while len(source.flight) > 1:
        world.run(until=world.now + 0.05)
    request = next(iter(source.flight.values()))
    world.queue.clear()
    before = len(world.actions)
    world.do(world.session.chunk_received("a", request.offset, b"short", world.now))
    assert any(isinstance(action, AskChunk) for action in world.actions[before:])
    world.run()
    assert world.session.completed


def test_a_reputation_that_falls_while_a_transfer_runs_counts_from_then_on() -> None:
    book = Book()
    world = World(book=book)
    world.add("other", rate=20e3)
    falling = world.add("falls", rate=20e3)
    world.run(until=5)
    assert not falling.shunned
    for _ in range(40):
        falling.metrics.leaf_corrupt(world.now)
    world.run(until=30)
    assert falling.shunned
    assert not any(one.asked_at > 16 for one in falling.flight.values())


def test_frozen_peers_do_not_pass_a_leaf_round_among_themselves() -> None:
    world = World()
    world.add("honest", rate=0.5e6)
    for name in ("x", "y", "z"):
        world.add(name, rate=4e6)
    world.run(until=0.4)
    for name in ("x", "y", "z"):  # linked, and silent from now on
        world.queue = [one for one in world.queue if one[1] != name]
        world.lines[name] = 1.0, 1e6
    world.run()
    assert world.session.completed
    assert world.done_at < 25
    assert world.session.statistics.moves < 60


@pytest.mark.parametrize(
    ("rate", "delay_s", "least", "most"), [(400e6, 0.0005, 1.0, 2.0), (10e6, 0.2, 3.0, 4.0), (1e6, 0.05, 0.5, 0.5)]
)
def test_windows_carry_bandwidth_times_delay_and_little_more(
    rate: float, delay_s: float, least: float, most: float
) -> None:
    board = Board(PieceMap(payload_bytes=400 * LEAF_BYTES, leaf_bytes=LEAF_BYTES), {})
    policy = CostPolicy()
    policy.begin(board, 0.0)
    source = Source(peer="p", since=0.0, pace=Pace(rate_bps=rate, delay_s=delay_s), trusted=True, cap=8)
    policy.joined(source, 0.0)
    assert least * 2**20 <= source.window_bytes <= most * 2**20
