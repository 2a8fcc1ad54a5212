"""Hostile connections in the lab, and the future peer."""

from __future__ import annotations

from tests.lab.attackers import KINDS
from tests.lab.future import FutureLink
from tests.lab.hostile import HONEST, LIMITS, elements, run_hostile
from tests.lab.plan import plan_of
from tests.lab.policies import POLICIES
from tests.lab.scenarios import SCENARIOS
from tests.lab.world import World


def test_a_siege_leaves_the_node_serving_and_its_state_bounded() -> None:
    outcome = run_hostile(seed=3, connections=300, file_mb=8)
    assert set(outcome.entered) == set(KINDS)
    assert outcome.still_serves
    assert set(outcome.served_at_s) == set(HONEST)
    assert {name: size for name, size in outcome.most.items() if size > LIMITS[name]} == {}
    # each attack met the rule that is there for it
    assert {"bad_length", "handshake_timeout", "rate_exceeded", "admission_refused", "duplicate_id"} <= set(
        outcome.ends
    )
    assert outcome.left["connections"] == outcome.left["links"] == outcome.left["requests queued"] == 0
    assert outcome.left["entries of the seeding core"] < 50


def test_the_same_siege_is_the_same() -> None:
    one, other = (run_hostile(seed=4, connections=40, file_mb=3) for _ in range(2))
    assert (one.ends, one.most, one.served_at_s) == (other.ends, other.most, other.served_at_s)


def test_what_is_remembered_is_counted_however_deep_it_lies() -> None:
    siege_core = POLICIES["product"].make  # not of the node's code: not looked into
    assert elements({"a": [1, 2], "b": {"c": (3,)}}) == 2 + 2 + 1 + 1
    assert elements([siege_core]) == 1


def test_a_peer_from_the_future_is_served_and_serves() -> None:
    lines: list[str] = []
    plan = plan_of(SCENARIOS["steady-small"], 1)
    world = World(plan, POLICIES["product"], log=lines.append, link_type=FutureLink)
    outcome = world.run()
    assert outcome.completed
    assert not [line for line in lines if "unlinked" in line]
    unknown = [
        link.connection.counts["unknown_messages"] for node in world.nodes.values() for link in node.links.values()
    ]
    assert len(unknown) == 2 * len(plan.peers)
    assert min(unknown) > 0
