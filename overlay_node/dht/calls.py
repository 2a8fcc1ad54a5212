"""One call of the owner (or of our own upkeep) from start to end: a traversal per family, then, for an announcement, the storing.

waiting → looking up → (announcement: storing) → over
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.events import (
    AnnounceFinished,
    BootstrapFinished,
    CallId,
    DhtEvent,
    FindNodeFinished,
    GetPeersFinished,
)
from overlay_node.dht.ids import Contact, NodeId, distance
from overlay_node.dht.krpc import FindNode, GetPeers
from overlay_node.dht.traversal import Candidate, Traversal


class CallKind(Enum):
    """What the call is for."""

    BOOTSTRAP = auto()
    REFRESH = auto()
    """Upkeep of a bucket; ends without an event."""
    FIND_NODE = auto()
    GET_PEERS = auto()
    ANNOUNCE = auto()


@dataclass(slots=True, eq=False)
class Call:
    """See the module's text. `targets` differ by family only for a bootstrap, which looks for our own ids."""

    call_id: CallId
    kind: CallKind
    targets: dict[Family, bytes]
    port: int = 0
    """What an announcement announces."""
    traversals: dict[Family, Traversal] = field(default_factory=dict)
    deadline: float = float("inf")
    peers: dict[Endpoint, None] = field(default_factory=dict)
    storing: bool = False
    store_open: int = 0
    stored: int = 0
    refused: int = 0

    @property
    def looked_up(self) -> bool:
        """Whether every family's traversal is done."""
        return all(traversal.done for traversal in self.traversals.values())

    @property
    def answered(self) -> int:
        """Nodes that answered, both families."""
        return sum(traversal.answered_count for traversal in self.traversals.values())

    @property
    def failed(self) -> int:
        """Nodes that did not."""
        return sum(traversal.failed_count for traversal in self.traversals.values())

    def question(self, family: Family, want: frozenset[Family]) -> FindNode | GetPeers:
        """What each node of that family is asked."""
        target = self.targets[family]
        if self.kind in (CallKind.GET_PEERS, CallKind.ANNOUNCE):
            return GetPeers(target, want)
        return FindNode(target, want)

    def add_peers(self, peers: list[Endpoint], limit: int) -> tuple[Endpoint, ...]:
        """Keep what is new, up to `limit` in all; returns that."""
        fresh = [peer for peer in dict.fromkeys(peers) if peer not in self.peers][: max(0, limit - len(self.peers))]
        self.peers.update(dict.fromkeys(fresh))
        return tuple(fresh)

    def storers(self) -> list[Candidate]:
        """The nearest nodes of each family that gave us a token."""
        return [c for traversal in self.traversals.values() for c in traversal.closest() if c.token is not None]

    def closest(self) -> tuple[Contact, ...]:
        """The nearest nodes that answered, families mixed, nearest first."""
        found = [
            (distance(self.targets[family], candidate.node_id), Contact(candidate.node_id, candidate.endpoint))
            for family, traversal in self.traversals.items()
            for candidate in traversal.closest()
            if candidate.node_id is not None
        ]
        return tuple(contact for _, contact in sorted(found, key=lambda item: item[0]))

    def finished_event(self, known_nodes: int) -> DhtEvent | None:
        """What to tell the owner at the end; `None` for upkeep."""
        target = next(iter(self.targets.values()))
        match self.kind:
            case CallKind.BOOTSTRAP:
                return BootstrapFinished(self.call_id, self.answered, self.failed, known_nodes)
            case CallKind.REFRESH:
                return None
            case CallKind.FIND_NODE:
                return FindNodeFinished(self.call_id, NodeId(target), self.closest(), self.answered, self.failed)
            case CallKind.GET_PEERS:
                return GetPeersFinished(self.call_id, target, tuple(self.peers), self.answered, self.failed)
            case CallKind.ANNOUNCE:
                return AnnounceFinished(self.call_id, target, self.stored, self.refused, self.answered, self.failed)
