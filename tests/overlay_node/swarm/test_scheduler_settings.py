"""Every key of `multi_source.swarm_scheduler` changes what is decided."""

from __future__ import annotations

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.swarm.cost import CostWeights
from apps.domain.swarm.ranges import Urgency, UrgentRange
from apps.domain.swarm.settings import SchedulerMode, SchedulerSettings
from overlay_node.services.swarms import scheduler_policy
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.policy import Reason
from overlay_node.swarm.policy_cost import CostPolicy
from tests.overlay_node.swarm.test_policy_cost import LEAVES, World


def world_of(settings: SchedulerSettings) -> World:
    return World(policy=CostPolicy(settings), book=Book())


class Book(MemoryPeerBook):
    """Two have a name."""

    def reputation_of(self, peer: str, now: float) -> float:
        return {"doubtful": 0.25, "quick": 0.4}.get(peer) or super().reputation_of(peer, now)


def test_cost_function_enabled_chooses_the_policy() -> None:
    def draw(_count: int) -> int:
        return 0

    assert scheduler_policy(SchedulerSettings(), draw=draw).name == "cost"
    assert scheduler_policy(SchedulerSettings(cost_based=False), draw=draw).name == "plain"


def _gets_the_urgent_leaf(weights: CostWeights) -> list[str]:
    """Who would be asked for a leaf that somebody waits for, when all have room: `quick` is far and fails often, `near` is slower, `steady` is far and slow."""
    world = world_of(SchedulerSettings(weights=weights, rebalance_interval_s=0.1))
    sources = [
        world.add("quick", rate=0.8e6, delay=0.3),
        world.add("near", rate=0.3e6, delay=0.01),
        world.add("steady", rate=0.2e6, delay=0.3),
    ]
    world.run(until=2.6)
    for one, rtt_s in zip(sources, (0.3, 0.01, 0.3), strict=True):
        one.metrics.rtt_s = rtt_s  # what lines here measure has the queue in it
    for _ in range(3):
        sources[0].metrics.timed_out(world.now)
        sources[0].metrics.refused(world.now, "io_error")
    world.run(until=world.now + 0.2)
    board = world.session.board
    assert board is not None
    leaf = [leaf for leaf in range(LEAVES) if board.is_free(leaf)][-1]
    world.session.urgent([UrgentRange(first=leaf, end=leaf + 1, urgency=Urgency.PLAYBACK)])
    for source in sources:
        assert source.trusted
        source.cap, source.window_bytes = 8, LEAVES * LEAF_BYTES
    orders = {one.peer: world.session.policy.choose(one, world.now) for one in sources}
    return [peer for peer, order in orders.items() if order is not None and order.reason is Reason.HIGH_PRIORITY]


def _only(**weights: float) -> CostWeights:
    none = {"throughput": 0.0, "error_rate": 0.0, "timeout_rate": 0.0, "rtt": 0.0, "reputation": 0.0}
    return CostWeights(**(none | weights))


@pytest.mark.parametrize(
    ("weights", "who"),
    [
        (_only(throughput=1.0), "quick"),
        (_only(throughput=1.0, rtt=100.0), "near"),
        (_only(throughput=1.0, timeout_rate=100.0), "near"),
        (_only(throughput=1.0, error_rate=100.0), "near"),
        (_only(throughput=1.0, reputation=100.0), "near"),
    ],
)
def test_each_weight_decides_who_gets_what_is_urgent(weights: CostWeights, who: str) -> None:
    assert _gets_the_urgent_leaf(weights) == [who]


def test_the_modes_differ_in_how_long_a_peers_past_counts() -> None:
    memories = []
    for mode in SchedulerMode:
        world = world_of(SchedulerSettings(mode=mode))
        memories.append(world.add("a", rate=1e6).pace.memory_s)
    assert memories == sorted(memories, reverse=True)
    assert len(set(memories)) == len(SchedulerMode)


def _rebalances(settings: SchedulerSettings) -> tuple[int, int]:
    world = world_of(settings)
    world.add("steady", rate=2e6)
    world.add("fades", rate=2e6)
    world.run(until=1)
    world.lines["fades"] = 0.5e6, 0.03
    world.run()
    assert world.session.completed
    return world.session.policy.rebalances, world.session.statistics.moves


def test_rebalancing_can_be_switched_off_and_then_nothing_is_taken_from_anybody() -> None:
    on, moves = _rebalances(SchedulerSettings())
    assert on > 0
    assert moves > 0
    assert _rebalances(SchedulerSettings(rebalance=False)) == (0, 0)


def test_rebalances_come_after_so_many_chunks_or_so_many_seconds() -> None:
    def rebalances(**keys: float) -> int:
        world = world_of(SchedulerSettings(**keys))  # type: ignore[arg-type]
        world.add("a", rate=0.5e6)
        world.add("slow", rate=0.1e6)
        world.run()
        return world.session.policy.rebalances

    rarely = rebalances(rebalance_chunks=1000, rebalance_interval_s=3600)
    by_chunks = rebalances(rebalance_chunks=3, rebalance_interval_s=3600)
    by_time = rebalances(rebalance_chunks=1000, rebalance_interval_s=1)
    assert rarely == 1
    assert by_chunks >= 5
    assert by_time >= 5


def test_below_min_reputation_a_peer_is_asked_for_nothing_that_others_hold() -> None:
    for threshold, given in ((0.3, False), (0.2, True)):
        world = world_of(SchedulerSettings(min_reputation=threshold))
        world.add("doubtful", rate=1e6)
        world.add("other", rate=1e6)
        world.run()
        assert (world.given_by("doubtful") > 2) is given


def test_last_resort_use_decides_whether_a_quarantined_peer_may_finish_a_payload() -> None:
    for allowed in (True, False):
        world = world_of(SchedulerSettings(quarantined_as_last_resort=allowed))
        world.add("doubtful", rate=1e6)
        world.run(until=30)
        assert world.session.completed is allowed
