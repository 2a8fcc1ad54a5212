"""What a peer costs, term by term, and who is asked first."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.peers.metrics import PeerMetrics
from apps.domain.swarm.cost import (
    MIB,
    Candidate,
    Cost,
    CostWeights,
    cost_variance,
    median_cost,
    peer_cost,
    peer_costs,
    rank_peers_for_chunk,
)

WEIGHTS = CostWeights()


@dataclass(frozen=True)
class Told:
    """Performance as told."""

    throughput_bps: float | None = None
    rtt_s: float | None = None
    error_rate: float = 0.0
    timeout_rate: float = 0.0


FAST = Told(throughput_bps=8 * MIB, rtt_s=0.05)
SLOW = Told(throughput_bps=MIB / 4, rtt_s=0.5)
SHAKY = Told(throughput_bps=8 * MIB, rtt_s=0.05, error_rate=0.6, timeout_rate=0.5)


def candidates(**told: tuple[Told, float]) -> list[Candidate]:
    costs = peer_costs(told, WEIGHTS)
    return [Candidate(peer=peer, cost=costs[peer], reputation=told[peer][1]) for peer in told]


def test_the_golden_cost_of_a_peer_with_everything() -> None:
    cost = peer_cost(
        Told(throughput_bps=2 * MIB, rtt_s=0.25, error_rate=0.1, timeout_rate=0.2), reputation=0.75, weights=WEIGHTS
    )
    assert cost.throughput == pytest.approx(0.5)
    assert cost.error == pytest.approx(0.05)
    assert cost.timeout == pytest.approx(0.06)
    assert cost.rtt == pytest.approx(0.05)
    assert cost.reputation == pytest.approx(0.1)
    assert cost.total == pytest.approx(0.76)
    assert list(cost.terms()) == ["throughput", "reputation", "timeout", "error", "rtt"], "the biggest first"
    assert not cost.assumed


def test_living_metrics_have_a_cost() -> None:
    metrics = PeerMetrics(0.0)
    metrics.chunk_received(1.0, length=MIB, busy_s=1.0, rtt_s=0.1)
    assert peer_cost(metrics, 1.0, WEIGHTS).total == pytest.approx(1.02)


def test_the_fast_one_is_cheapest_and_the_shaky_one_dearer_than_its_speed() -> None:
    fast, slow, shaky = (peer_cost(told, 0.5, WEIGHTS).total for told in (FAST, SLOW, SHAKY))
    assert fast < shaky < slow
    assert fast == pytest.approx(0.125 + 0.01 + 0.2)
    assert shaky == pytest.approx(fast + 0.3 + 0.15)
    assert slow == pytest.approx(4 + 0.1 + 0.2)


def test_a_cold_peer_costs_the_median_of_the_known_ones() -> None:
    costs = peer_costs({"a": (FAST, 0.5), "b": (SHAKY, 0.5), "c": (SLOW, 0.5), "new": (Told(), 0.5)}, WEIGHTS)
    assert costs["new"].total == pytest.approx(costs["b"].total)
    assert costs["new"].assumed


def test_being_unknown_is_not_held_against_a_peer_among_those_with_a_good_name() -> None:
    costs = peer_costs({"a": (FAST, 1.0), "new": (Told(), 0.5)}, WEIGHTS)
    assert costs["new"].total == pytest.approx(costs["a"].total)


def test_what_is_known_against_a_peer_that_never_sent_a_byte_stays() -> None:
    costs = peer_costs(
        {"a": (FAST, 0.5), "mute": (Told(timeout_rate=0.9), 0.5), "bad": (Told(), 0.1), "new": (Told(), 0.5)}, WEIGHTS
    )
    assert costs["mute"].total == pytest.approx(costs["new"].total + 0.27)
    assert costs["bad"].total == pytest.approx(costs["new"].total + 0.16)


def test_where_nobody_is_known_all_strangers_cost_the_same() -> None:
    costs = peer_costs({"a": (Told(), 0.5), "b": (Told(), 0.5)}, WEIGHTS)
    assert costs["a"].total == costs["b"].total == pytest.approx(1 + 0.02 + 0.2)


def test_an_urgent_chunk_goes_to_the_cheapest() -> None:
    ranked = rank_peers_for_chunk(
        candidates(slow=(SLOW, 0.5), fast=(FAST, 0.5), shaky=(SHAKY, 0.5)), high_priority=True
    )
    assert [one.peer for one in ranked] == ["fast", "shaky", "slow"]


def test_a_normal_chunk_goes_to_the_slow_but_reliable() -> None:
    ranked = rank_peers_for_chunk(
        candidates(fast=(FAST, 0.5), shaky=(SHAKY, 0.5), slow=(SLOW, 0.5)), high_priority=False
    )
    assert [one.peer for one in ranked] == ["slow", "fast", "shaky"]


@pytest.mark.parametrize("high_priority", [True, False])
def test_quarantined_peers_come_last_or_not_at_all(high_priority: bool) -> None:
    people = candidates(liar=(FAST, 0.29), slow=(SLOW, 0.3))
    ranked = rank_peers_for_chunk(people, high_priority=high_priority)
    assert [one.peer for one in ranked] == ["slow", "liar"]
    ranked = rank_peers_for_chunk(people, high_priority=high_priority, quarantined_as_last_resort=False)
    assert [one.peer for one in ranked] == ["slow"]


def test_the_median_of_an_even_number_is_the_cost_of_a_real_peer() -> None:
    costs = [peer_cost(told, 0.5, WEIGHTS) for told in (FAST, SLOW)]
    assert median_cost(costs) == costs[1]
    with pytest.raises(ValueError, match="no median"):
        median_cost([])


def test_the_variance_over_peers() -> None:
    assert cost_variance([]) == cost_variance([3.0]) == 0
    assert cost_variance([1.0, 3.0]) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_makes_no_sense_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="rtt"):
        CostWeights(rtt=bad)


RATES = st.floats(0, 1)
TOLD = st.builds(
    Told,
    throughput_bps=st.floats(2000, 1e9),
    rtt_s=st.floats(0, 60),
    error_rate=RATES,
    timeout_rate=RATES,
)


@given(told=TOLD, reputation=RATES, factor=st.floats(1.01, 100), worse=RATES)
def test_a_cost_grows_with_each_term_and_is_their_sum(
    told: Told, reputation: float, factor: float, worse: float
) -> None:
    cost = peer_cost(told, reputation, WEIGHTS)
    assert told.throughput_bps is not None
    assert told.rtt_s is not None
    assert cost.total == pytest.approx(sum(cost.terms().values()))
    for change in (
        replace(told, throughput_bps=told.throughput_bps / factor),
        replace(told, rtt_s=told.rtt_s * factor),
        replace(told, error_rate=max(told.error_rate, worse)),
        replace(told, timeout_rate=max(told.timeout_rate, worse)),
    ):
        assert peer_cost(change, reputation, WEIGHTS).total >= cost.total
    assert peer_cost(told, reputation * worse, WEIGHTS).total >= cost.total


@given(
    people=st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.tuples(TOLD, RATES), max_size=12),
    high_priority=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_the_ranking_is_a_permutation_that_does_not_depend_on_the_order_of_the_peers(
    people: dict[str, tuple[Told, float]],
    high_priority: bool,
    order: random.Random,
) -> None:
    ranked = rank_peers_for_chunk(candidates(**people), high_priority=high_priority)
    shuffled = list(people.items())
    order.shuffle(shuffled)
    again = rank_peers_for_chunk(candidates(**dict(shuffled)), high_priority=high_priority)
    assert [one.peer for one in ranked] == [one.peer for one in again]
    assert {one.peer for one in ranked} == set(people)
    quarantined = [one.reputation < 0.3 for one in ranked]
    assert quarantined == sorted(quarantined)


def test_ties_are_broken_by_id() -> None:
    same = Cost(throughput=1, error=0, timeout=0, rtt=0, reputation=0, total=1)
    for high in (True, False):
        ranked = rank_peers_for_chunk([Candidate(peer=one, cost=same) for one in "cab"], high_priority=high)
        assert [one.peer for one in ranked] == ["a", "b", "c"]
