"""Charges reach the rows, also when the database does not answer for a while."""

from __future__ import annotations

from apps.domain.errors import DomainError
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.actions import Charge
from tests.overlay_node.services.mesh_world import MeshWorld


class BusyStore(MemoryStore):
    """Refuses charges until it is told otherwise."""

    busy = True

    async def peer_charge(
        self, key: str, *, bad_leaves: int = 0, violations: int = 0, banned_for_s: float = 0.0
    ) -> None:
        if self.busy:
            raise DomainError("busy", code="store_busy", retryable=True)
        await super().peer_charge(key, bad_leaves=bad_leaves, violations=violations, banned_for_s=banned_for_s)


def test_charges_that_could_not_be_written_are_written_with_the_next(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        store = BusyStore()
        node = await mesh.start("node", store)
        for peer in ("a", "b", "a"):
            node.swarms._charge(peer, Charge.BAD_LEAF)
        await node.swarms.flush()
        store.busy = False
        await node.swarms.flush()
        await node.swarms.flush()
        assert {peer: row.bad_leaves for peer, row in store.peers.items()} == {"a": 2, "b": 1}

    mesh.run(scenario())
