"""What must hold in every run, checked while it runs: a violation fails the run with its seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from overlay_node.protocol.limits import MAX_CHUNK_BYTES
from overlay_node.swarm.actions import AskChunk, ChargePeer, StoreLeaf
from overlay_node.swarm.invariants import broken
from overlay_node.swarm.rate_limits import BURST_BYTES
from overlay_node.swarm.session import SwarmSession
from tests.lab.payloads import LabPayload

if TYPE_CHECKING:
    from tests.lab.downloader import Downloader


class Violated(AssertionError):
    """An invariant does not hold."""


CHECK_EVERY = 10
"""ticks: the full check costs as much as many decisions"""


@dataclass(slots=True)
class _Limit:
    rate_bps: float
    since: float
    asked_bytes: int = 0

    def allowed(self, now: float) -> float:
        """What a bucket of one chunk lets pass, and one request as its debt."""
        return self.rate_bps * (now - self.since) + BURST_BYTES + MAX_CHUNK_BYTES


class Monitors:
    """`honest` are the peers that may never be charged."""

    def __init__(self, honest: frozenset[str]) -> None:
        self.charges = 0
        self.checks = 0
        self._honest = honest
        self._limits: dict[str, _Limit] = {}
        self._ticks = 0

    def limit(self, node: str, rate_bps: float, now: float) -> None:
        """A person limits what a node fetches."""
        self._limits[node] = _Limit(rate_bps, now)

    def stored(self, node: str, payload: LabPayload, action: StoreLeaf) -> None:
        """No byte is accepted unverified."""
        if bytes(action.data) != bytes(
            payload.data[action.offset : action.offset + len(action.data)]
        ):  # views compare slowly
            raise Violated(f"{node} stored wrong bytes for leaf {action.leaf}, from {action.peer}")

    def charged(self, node: str, action: ChargePeer) -> None:
        """Nobody is charged who did nothing."""
        self.charges += 1
        if action.peer in self._honest:
            raise Violated(f"{node} charged {action.peer}, which is honest, with {action.charge}")

    def asked(self, node: str, session: SwarmSession, action: AskChunk, now: float) -> None:
        """No leaf is requested from a quarantined peer while another has it, nor more than the limit allows."""
        limit = self._limits.get(node)
        if limit is not None:
            limit.asked_bytes += action.length
            if limit.asked_bytes > limit.allowed(now):
                raise Violated(f"{node} asked for {limit.asked_bytes} bytes by {now:.3f}, over its limit")
        source = session.sources[action.peer]
        if source.tainted and session.board is not None:
            leaf = action.offset // session.board.map.leaf_bytes
            if any(other is not source and other.clean_for(leaf) for other in session.sources.values()):
                raise Violated(f"{node} asked {action.peer}, which is quarantined, for leaf {leaf} that others hold")

    def after_tick(self, node: str, session: SwarmSession, now: float) -> None:
        """The session's own invariants hold, now and then looked at in full."""
        self._ticks += 1
        if session.violations:
            raise Violated(f"{node} at {now:.3f}: {dict(session.violations)}")
        if self._ticks % CHECK_EVERY == 0:
            self.check(node, session, now)

    def check(self, node: str, session: SwarmSession, now: float) -> None:
        """All of them."""
        self.checks += 1
        if found := list(broken(session, now)):
            raise Violated(f"{node} at {now:.3f}: {', '.join(found)}")

    def at_the_end(self, downloader: Downloader, now: float) -> None:
        """A run that is done holds every leaf; one that isn't says why it waits, or something is still on its way."""
        for run in downloader.done.values():
            if len(run.stored) != run.payload.leaf_count:
                raise Violated(f"{downloader.name} is done with {len(run.stored)} of {run.payload.leaf_count} leaves")
        for run in downloader.all_runs():
            self.check(downloader.name, run.session, now)
