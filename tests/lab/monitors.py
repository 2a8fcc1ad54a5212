"""What must hold in every run, checked while it runs: a violation fails the run with its seed."""

from __future__ import annotations

from overlay_node.swarm.actions import AskChunk, ChargePeer, StoreLeaf
from overlay_node.swarm.session import SwarmSession
from tests.lab.payloads import LabPayload


class Violated(AssertionError):
    """An invariant does not hold."""


class Monitors:
    """`honest` are the peers that never send a wrong byte."""

    def __init__(self, honest: frozenset[str]) -> None:
        self.charges = 0
        self._honest = honest

    def stored(self, node: str, payload: LabPayload, action: StoreLeaf) -> None:
        """No byte is accepted unverified."""
        if memoryview(action.data) != payload.data[action.offset : action.offset + len(action.data)]:
            raise Violated(f"{node} stored wrong bytes for leaf {action.leaf}, from {action.peer}")

    def charged(self, node: str, action: ChargePeer) -> None:
        """Nobody is charged who did nothing."""
        self.charges += 1
        if action.peer in self._honest:
            raise Violated(f"{node} charged {action.peer}, which is honest, with {action.charge}")

    def asked(self, node: str, session: SwarmSession, action: AskChunk) -> None:
        """No leaf is requested from a quarantined peer while another has it."""
        source = session.sources[action.peer]
        assert session.map is not None
        leaf = action.offset // session.map.leaf_bytes
        if source.quarantined and any(
            other is not source and other.clean_for(leaf) for other in session.sources.values()
        ):
            raise Violated(f"{node} asked {action.peer}, which is quarantined, for leaf {leaf} that others hold")

    def after_tick(self, node: str, session: SwarmSession, now: float) -> None:
        """Limits are not exceeded."""
        for source in session.sources.values():
            if len(source.flight) > 8:
                raise Violated(f"{node} has {len(source.flight)} requests in flight with {source.peer} at {now:.3f}")
