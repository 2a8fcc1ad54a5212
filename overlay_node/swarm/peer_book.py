"""The port by which swarm sessions know peers across transfers: one `PeerMetrics` per peer, and how far it is trusted.

`MemoryPeerBook` keeps everything and forgets nothing: for tests, the lab and library-only peers. The node's own (`services.peer_book`) is bounded
and keeps rows. Nothing of a book is ever sent to anyone.
"""

from __future__ import annotations

from typing import Protocol

from apps.domain.peers.metrics import PeerMetrics
from apps.domain.peers.reputation import NEUTRAL, reputation_score


class PeerBook(Protocol):
    """What is known of peers. Both calls are cheap: dictionary look-ups."""

    def metrics_of(self, peer: str) -> PeerMetrics:
        """The one object of this peer, for all transfers; made when it is new. Hold it as long as the peer takes part."""

    def reputation_of(self, peer: str, now: float) -> float:
        """0..1; 0.5 for a stranger. `now`: monotonic seconds of the clock that the metrics are told."""


class MemoryPeerBook:
    """A book in memory. `now`: monotonic seconds at its making, from which new peers age."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self.metrics: dict[str, PeerMetrics] = {}

    def metrics_of(self, peer: str) -> PeerMetrics:
        """Made on first sight."""
        found = self.metrics.get(peer)
        if found is None:
            found = self.metrics[peer] = PeerMetrics(self._now)
        return found

    def reputation_of(self, peer: str, now: float) -> float:
        """Computed at every call."""
        self._now = max(self._now, now)
        found = self.metrics.get(peer)
        return NEUTRAL if found is None else reputation_score(found, now)
