"""What a node tells its owner. Every call that was started ends with exactly one `…Finished`, unless it was cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.ids import Contact, NodeId

CallId = NewType("CallId", int)


@dataclass(frozen=True, slots=True)
class PeersFound:
    """Fired during a get_peers call whenever an answer brings peers not told before in this call."""

    call_id: CallId
    peers: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class GetPeersFinished:
    """Fired when the k closest live nodes have answered, or there is nobody left to ask."""

    call_id: CallId
    key: bytes
    peers: tuple[Endpoint, ...]
    """Everything found, our own announcement included if others told it. In the order of arrival."""
    answered: int
    """Nodes that answered; 0 means that the DHT could not be reached, which is not the same as "no peers"."""
    failed: int


@dataclass(frozen=True, slots=True)
class AnnounceFinished:
    """Fired when every node that was asked to store has agreed, refused or timed out."""

    call_id: CallId
    key: bytes
    stored_at: int
    """Nodes that confirmed. 0 with `answered` > 0: all refused or vanished."""
    refused: int
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class FindNodeFinished:
    """Fired when a find_node call is over; `closest` have all answered, nearest first."""

    call_id: CallId
    target: NodeId
    closest: tuple[Contact, ...]
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class BootstrapFinished:
    """Fired when a join, the first or a repeated one, is over. With `answered` 0 another try is already scheduled."""

    call_id: CallId
    answered: int
    failed: int
    known_nodes: int
    """Nodes in the tables that have answered."""


@dataclass(frozen=True, slots=True)
class ExternalAddressLearned:
    """Fired when enough independent nodes agree on how they see us (BEP 42's `ip`)."""

    endpoint: Endpoint
    id_changed: bool
    """Whether we took a new node id, valid at that address."""


DhtEvent = (
    PeersFound | GetPeersFinished | AnnounceFinished | FindNodeFinished | BootstrapFinished | ExternalAddressLearned
)
