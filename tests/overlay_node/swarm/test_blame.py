"""Who proved corrupt: nothing of it is kept where others hold it, no policy can ask it, and leaving washes nothing clean."""

from __future__ import annotations

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.swarm.actions import AskChunk, StoreLeaf
from overlay_node.swarm.board import Board
from overlay_node.swarm.invariants import QUARANTINE
from overlay_node.swarm.policy import Order, Policy
from overlay_node.swarm.source import Source
from tests.overlay_node.swarm.test_policy_cost import LEAVES, PAYLOAD, World

PAIR = 2 * LEAF_BYTES


class Pairs(Policy):
    """Two leaves a request; also of those who may not be asked, once `rude` is set."""

    def __init__(self) -> None:
        self.rude = False

    def begin(self, board: Board, now: float) -> None:
        self.board = board

    def choose(self, source: Source, now: float) -> Order | None:
        if self.rude:
            return next((Order(leaf) for leaf in range(LEAVES) if self.board.is_free(leaf)), None)
        leaf = self.board.next_free(source, now)
        if leaf is None or source.flight:
            return None
        return Order(leaf, 2 if self.board.is_free(leaf + 1) and not source.tainted else 1)


def corrupt_world() -> tuple[World, Pairs, Source, int]:
    """`liar` was asked for two leaves, of which `honest` holds both; the first of them came wrong."""
    policy = Pairs()
    world = World(policy=policy)
    world.add("honest", rate=1e6)
    liar = world.add("liar", rate=1e6)
    asked = next(one for one in world.actions if isinstance(one, AskChunk) and one.peer == "liar")
    assert asked.length == PAIR
    data = bytearray(PAYLOAD.data[asked.offset : asked.offset + PAIR])
    data[5] ^= 1
    world.queue = [one for one in world.queue if one[1] != "liar"]
    world.do(world.session.chunk_received("liar", asked.offset, bytes(data), world.now))
    return world, policy, liar, asked.offset // LEAF_BYTES


def test_the_good_leaf_beside_a_bad_one_is_not_kept_either() -> None:
    world, _, liar, first = corrupt_world()
    assert liar.quarantined
    assert not [one for one in world.actions if isinstance(one, StoreLeaf)]
    assert world.session.sender(first + 1) == ""
    world.run()
    assert world.given_by("honest") == LEAVES


def test_an_order_for_a_quarantined_peer_is_refused_and_told_as_a_violation() -> None:
    world, policy, liar, _ = corrupt_world()
    policy.rude = True
    liar.bad_retry_at.clear()
    before = len(world.actions)
    world.do(world.session.have_received("liar", ((0, LEAVES),), world.now))
    assert not [one for one in world.actions[before:] if isinstance(one, AskChunk) and one.peer == "liar"]
    assert world.session.violations[QUARANTINE] > 0
    assert world.session.statistics.refused_orders > 0


def test_leaving_and_coming_back_washes_nothing_clean() -> None:
    world, _, _, _ = corrupt_world()
    world.do(world.session.peer_gone("liar", world.now))
    again = world.add("liar", rate=1e6)
    assert again.quarantined
    assert not again.flight
    world.run()
    assert world.given_by("liar") == 0
