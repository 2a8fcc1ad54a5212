from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import NO_ADDRESS_LIMITS, AddressLimits
from overlay_node.dht.ids import Contact, NodeId, distance
from overlay_node.dht.traversal import Candidate, Traversal
from tests.overlay_node.dht.unhurried import unhurried

TARGET = bytes(20)
OWN = NodeId(b"\xff" * 20)


def contact(number: int) -> Contact:
    """The `number`-th nearest node to the target, each in a network of its own."""
    return Contact(NodeId(number.to_bytes(20, "big")), Endpoint((0x0B000001 + (number << 8)).to_bytes(4, "big"), 1))


def traversal(limits: AddressLimits = NO_ADDRESS_LIMITS) -> Traversal:
    return Traversal(TARGET, OWN, limits, k=8, alpha=3)


def numbers(candidates: list[Candidate]) -> list[int]:
    return [int.from_bytes(c.node_id or b"", "big") for c in candidates]


def test_with_nobody_to_ask_it_is_done_at_once() -> None:
    assert traversal().done
    assert traversal().take() == []


def test_the_three_nearest_are_asked_and_no_more_until_one_settles() -> None:
    walk = traversal()
    walk.add(contact(n) for n in (9, 3, 5, 7))
    asked = walk.take()
    assert numbers(asked) == [3, 5, 7]
    assert walk.take() == []
    walk.answered(asked[0], NodeId(contact(3).node_id), [contact(1)], b"token")
    assert numbers(walk.take()) == [1]


def test_a_stalled_node_frees_its_slot_and_its_late_answer_still_counts() -> None:
    walk = traversal()
    walk.add(contact(n) for n in (1, 2, 3, 4))
    asked = walk.take()
    walk.stalled(asked[0])
    assert numbers(walk.take()) == [4]
    assert not walk.done
    walk.answered(asked[0], contact(1).node_id, [], b"late")
    assert numbers(walk.closest()) == [1]


def test_it_is_not_done_while_one_of_the_k_nearest_may_still_answer() -> None:
    walk = traversal()
    walk.add(contact(n) for n in range(1, 10))
    while asked := walk.take():
        for candidate in asked:
            if candidate.node_id == contact(1).node_id:
                walk.stalled(candidate)
                stalled = candidate
            else:
                walk.answered(candidate, NodeId(candidate.node_id or b""), [], b"t")
    assert not walk.done
    walk.failed(stalled)
    assert walk.done
    assert numbers(walk.closest()) == list(range(2, 10))


def test_a_seed_becomes_a_candidate_when_it_answers() -> None:
    walk = traversal()
    walk.add_seeds([contact(4).endpoint])
    (seed,) = walk.take()
    assert (seed.node_id, walk.done) == (None, False)
    walk.answered(seed, contact(4).node_id, [contact(2)], b"t")
    assert numbers(walk.take()) == [2]
    assert numbers(walk.closest()) == [4]


def test_saved_nodes_are_asked_before_seeds_but_silence_brings_the_seeds_forward() -> None:
    walk = traversal()
    walk.add(contact(n) for n in range(1, 20))
    walk.add_seeds([contact(50).endpoint])
    asked = walk.take()
    assert numbers(asked) == [1, 2, 3]
    walk.stalled(asked[0])
    assert [c.node_id for c in walk.take()] == [None]


def test_a_silent_seed_does_not_hold_up_a_join_that_others_answered() -> None:
    walk = traversal()
    walk.add_seeds([contact(1).endpoint, contact(2).endpoint])
    first, second = walk.take()
    walk.stalled(first)
    walk.stalled(second)
    assert not walk.done
    walk.answered(second, contact(2).node_id, [], None)
    assert walk.done


def test_one_host_fills_one_place_and_one_network_three_until_they_prove_dead() -> None:
    walk = traversal(AddressLimits())
    same_host = [Contact(NodeId(n.to_bytes(20, "big")), Endpoint.parse("11.1.1.1", n)) for n in (1, 2, 3)]
    same_network = [
        Contact(NodeId((10 + n).to_bytes(20, "big")), Endpoint.parse(f"11.1.1.{n}", 1)) for n in range(2, 9)
    ]
    walk.add([*same_host, *same_network])
    asked = walk.take()
    assert numbers(asked) == [1, 12, 13]
    for candidate in asked:
        walk.failed(candidate)
    assert walk.take() == []
    walk.add(Contact(NodeId((40 + n).to_bytes(20, "big")), Endpoint.parse(f"11.1.1.{n}", 1)) for n in range(20, 23))
    assert len(walk.take()) == 3


def test_an_id_told_with_a_wrong_address_does_not_hide_the_right_one() -> None:
    walk = traversal()
    lie = Contact(contact(1).node_id, Endpoint.parse("13.0.0.1", 9))
    walk.add([lie, contact(1)])
    assert {c.endpoint for c in walk.take()} == {lie.endpoint, contact(1).endpoint}


@settings(unhurried, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0, 0.5))
def test_in_any_connected_network_it_ends_at_the_nearest_nodes_that_live(
    seed: int, size: int, dead_share: float
) -> None:
    rng = random.Random(seed)
    nodes = [Contact(NodeId(rng.randbytes(20)), contact(n).endpoint) for n in range(size)]
    target = rng.randbytes(20)
    ranked = sorted(nodes, key=lambda c: distance(c.node_id, target))
    dead = {c for c in nodes if rng.random() < dead_share}
    walk = Traversal(target, OWN, NO_ADDRESS_LIMITS, k=8, alpha=3)
    walk.add(rng.sample(nodes, min(3, size)))
    flight: list[Candidate] = []
    asked = 0
    while not walk.done:
        taken = walk.take()
        asked += len(taken)
        flight += taken
        assert len([c for c in flight if c.progress.name == "ASKED"]) <= 3
        assert flight, "not done, and nobody is being asked"
        candidate = flight.pop(rng.randrange(len(flight)))
        here = next(c for c in nodes if c.endpoint == candidate.endpoint)
        if here in dead:
            walk.failed(candidate)
        else:
            # Every node knows the 20 nearest to the target: enough to get round the dead ones.
            walk.answered(candidate, here.node_id, ranked[:20], b"t")
    assert asked <= size
    found = [Contact(NodeId(c.node_id or b""), c.endpoint) for c in walk.closest()]
    assert not dead & set(found)
    if walk.answered_count and size <= 20:
        assert found == [c for c in ranked if c not in dead][:8]
