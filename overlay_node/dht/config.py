"""Everything about a node that can be set, and the state that outlives it. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from overlay_node.dht.addresses import Family
from overlay_node.dht.ids import ID_BYTES, Contact, NodeId
from overlay_node.dht.intake import Rate

MAX_SAVED_NODES = 200
"""Nodes kept across a restart, per family: more than the 8 that are needed, so that some are still alive after a week."""

PER_SOURCE_RATE = Rate(per_second=10.0, burst=60.0)
"""libtorrent bans above 5/s on average; a NAT may hide several nodes."""
TOTAL_RATE = Rate(per_second=400.0, burst=1200.0)
"""About 4 % of a core at 100 µs a query."""


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """How much of our view one host or one network may own. `None` switches a limit off.

    Precedent for the table: go-ethereum's discovery (2 per bucket and 10 per table of one /24).
    """

    per_source: int | None = 1
    """Nodes of one address in the table, and in one lookup."""
    per_bucket_group: int | None = 2
    per_table_group: int | None = 10
    per_lookup_group: int | None = 3
    """Candidates of one network that are not yet known dead, in one lookup."""


NO_ADDRESS_LIMITS = AddressLimits(None, None, None, None)


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """What we store for others, per address family."""

    ttl_s: float = 45 * 60.0
    """As libtorrent: an announcer that repeats every 15 minutes may miss two."""
    max_keys: int = 5_000
    """Beyond this, the keys nearest to our own id are kept: those are ours to hold."""
    max_peers_per_key: int = 200
    max_entries: int = 50_000
    max_entries_per_source: int | None = 300
    """A node of ours announces at most 100 keys."""
    max_per_key_and_source: int | None = 4
    """Several nodes may share an address behind a NAT; a hundred ports of one host are an attack."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What a node wants to find again after a restart. The nodes are hints: each must answer before it counts."""

    ids: tuple[tuple[Family, NodeId], ...] = ()
    nodes: tuple[Contact, ...] = ()

    def __post_init__(self) -> None:
        if any(len(node_id) != ID_BYTES for _, node_id in self.ids):
            raise ValueError("a node id is 20 bytes")
        if any(len(contact.node_id) != ID_BYTES for contact in self.nodes):
            raise ValueError("a node id is 20 bytes")

    def id_for(self, family: Family) -> NodeId | None:
        """The id used in that family, if it was saved."""
        return next((node_id for known, node_id in self.ids if known is family), None)


@dataclass(frozen=True, slots=True)
class DhtConfig:
    """How one node behaves. The defaults suit the public network; `for_private_network` loosens what assumes it."""

    families: frozenset[Family] = frozenset({Family.V4})
    saved: SavedState = SavedState()
    read_only: bool = False
    """BEP 43: asks, never answers, never announces. Only for pure readers: others would time out on us."""
    allow_private: bool = False
    """Whether loopback, private and link-local addresses are talked about and to."""
    addresses: AddressLimits = AddressLimits()
    storage: StorageLimits = StorageLimits()
    per_source_rate: Rate | None = PER_SOURCE_RATE
    """Incoming queries per host."""
    total_rate: Rate | None = TOTAL_RATE
    """All incoming queries."""
    k: int = 8
    alpha: int = 3
    max_active_calls: int = 16
    """Calls under way at once; more wait. Bursts overflow other nodes' socket buffers (measured: 9 of 60 arrived)."""
    max_waiting_calls: int = 1024
    call_deadline_s: float = 60.0
    """A call that is still going then ends with what it has. Seen: p95 under 6 s with 30 % of the nodes dead."""
    max_peers_per_call: int = 500
    bucket_refresh_s: float = 15 * 60.0

    def for_private_network(self) -> DhtConfig:
        """The same on loopback or a LAN, where many nodes share one address: private addresses, no per-address limits."""
        return replace(
            self,
            allow_private=True,
            addresses=NO_ADDRESS_LIMITS,
            storage=replace(self.storage, max_entries_per_source=None, max_per_key_and_source=None),
            per_source_rate=None,
        )
