"""What a node has per address family (BEP 32: two DHTs side by side): an id, a table, a store, a sense of time, and how others see it."""

from __future__ import annotations

from collections import Counter, OrderedDict

from overlay_node.dht.addresses import Endpoint, Family, is_public
from overlay_node.dht.config import DhtConfig
from overlay_node.dht.ids import RandomBytes, bep42_id, is_bep42_id, random_id
from overlay_node.dht.rtt import RttEstimator
from overlay_node.dht.storage import PeerStore
from overlay_node.dht.table import RoutingTable

VOTES_KEPT = 24
VOTES_NEEDED = 10
"""Independent networks that must tell our address before it is believed, and more than half of those heard must agree."""
ID_KEPT_FOR_S = 3600.0
"""An id is not changed again within this: changing it moves us to a part of the key space where nobody knows us."""


class Realm:
    """One family's half of a node."""

    def __init__(self, family: Family, config: DhtConfig, now: float, random_bytes: RandomBytes) -> None:
        self.family = family
        self._config = config
        self._random_bytes = random_bytes
        own = config.saved.id_for(family) or random_id(random_bytes)
        self.table = RoutingTable(own, config.addresses, now, k=config.k)
        self.store = PeerStore(config.storage, own, random_bytes)
        self.rtt = RttEstimator()
        self.external: Endpoint | None = None
        self._votes: OrderedDict[bytes, bytes] = OrderedDict()
        self._id_changed_at = float("-inf")

    def observed(self, voter: Endpoint, seen_as: Endpoint, now: float) -> tuple[Endpoint, bool] | None:
        """`voter` says it sees us as `seen_as`. Returns (address, whether our id changed) when that settles something new."""
        if seen_as.family is not self.family or not is_public(seen_as.packed) or not is_public(voter.packed):
            return None
        self._votes.pop(voter.group, None)
        self._votes[voter.group] = seen_as.packed
        if len(self._votes) > VOTES_KEPT:
            self._votes.popitem(last=False)
        packed, count = Counter(self._votes.values()).most_common(1)[0]
        if count < VOTES_NEEDED or 2 * count <= len(self._votes) or packed != seen_as.packed:
            return None
        if self.external is not None and self.external.packed == packed:
            return None
        self.external = seen_as
        changed = not is_bep42_id(self.table.own, packed) and now - self._id_changed_at >= ID_KEPT_FOR_S
        if changed:
            self._id_changed_at = now
            self._move_to_new_id(packed, now)
        return seen_as, changed

    def _move_to_new_id(self, packed: bytes, now: float) -> None:
        old = self.table
        self.table = RoutingTable(bep42_id(packed, self._random_bytes), self._config.addresses, now, k=self._config.k)
        for node in old.nodes():
            if not node.failures:
                self.table.answered(node.contact, node.rtt_s, node.answered_at)
