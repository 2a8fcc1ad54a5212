"""The peers others have announced to us: bounded per key, per host and in all, each forgotten after its time.

When something is full, what stays is what resists flooding best: of one key, peers from many networks; of all keys, those nearest to our id.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import StorageLimits
from overlay_node.dht.ids import RandomBytes, distance, random_sample


class PeerStore:
    """One per address family. Times are monotonic seconds."""

    def __init__(self, limits: StorageLimits, centre: bytes, random_bytes: RandomBytes) -> None:
        """`centre` is the id around which keys are kept when there are too many."""
        self._limits = limits
        self._centre = centre
        self._random_bytes = random_bytes
        # Peers of one key in the order of their last announcement, oldest first, with its time.
        self._keys: dict[bytes, dict[Endpoint, float]] = {}
        self._by_distance: list[tuple[int, bytes]] = []
        self._per_source: Counter[bytes] = Counter()
        self.entries = 0

    @property
    def keys(self) -> int:
        """Keys with at least one peer."""
        return len(self._keys)

    def add(self, key: bytes, peer: Endpoint, now: float) -> bool:
        """Store or refresh; False when a quota refuses."""
        self._expire_key(key, now)
        peers = self._keys.get(key)
        if peers is not None and peer in peers:
            del peers[peer]
            peers[peer] = now
            return True
        if not self._source_may_add(peers, peer) or not self._make_room(key, peers, peer):
            return False
        peers = self._keys.get(key)
        if peers is None:
            peers = self._keys[key] = {}
            insort(self._by_distance, (distance(self._centre, key), key))
        peers[peer] = now
        self._per_source[peer.source] += 1
        self.entries += 1
        return True

    def peers(self, key: bytes, count: int, now: float) -> list[Endpoint]:
        """Up to `count` live peers of `key`, chosen at random so that every peer of a crowded key is told sometimes."""
        self._expire_key(key, now)
        return random_sample(list(self._keys.get(key, ())), count, self._random_bytes)

    def expire(self, now: float) -> None:
        """Forget everything that is over its time."""
        for key in list(self._keys):
            self._expire_key(key, now)

    def _expire_key(self, key: bytes, now: float) -> None:
        peers = self._keys.get(key)
        if peers is None:
            return
        for peer, announced_at in list(peers.items()):
            if announced_at + self._limits.ttl_s > now:
                break
            self._remove(key, peer)

    def _source_may_add(self, peers: dict[Endpoint, float] | None, peer: Endpoint) -> bool:
        limits, source = self._limits, peer.source
        if limits.max_entries_per_source is not None and self._per_source[source] >= limits.max_entries_per_source:
            return False
        if limits.max_per_key_and_source is None or peers is None:
            return True
        return sum(other.source == source for other in peers) < limits.max_per_key_and_source

    def _make_room(self, key: bytes, peers: dict[Endpoint, float] | None, peer: Endpoint) -> bool:
        if peers is None:
            if len(self._keys) >= self._limits.max_keys and not self._drop_farther_key(key):
                return False
        elif len(peers) >= self._limits.max_peers_per_key and not self._drop_crowding_peer(key, peers, peer):
            return False
        return self.entries < self._limits.max_entries or self._drop_farther_key(key)

    def _drop_farther_key(self, key: bytes) -> bool:
        farthest_distance, farthest = self._by_distance[-1]
        if distance(self._centre, key) >= farthest_distance:
            return False
        for peer in list(self._keys[farthest]):
            self._remove(farthest, peer)
        return True

    def _drop_crowding_peer(self, key: bytes, peers: dict[Endpoint, float], newcomer: Endpoint) -> bool:
        """Drop the oldest peer of the network that holds most of this key's places, unless that is the newcomer's own."""
        groups = Counter(other.group for other in peers)
        crowd, size = groups.most_common(1)[0]
        if groups[newcomer.group] + 1 > size:
            return False
        self._remove(key, next(other for other in peers if other.group == crowd))
        return True

    def _remove(self, key: bytes, peer: Endpoint) -> None:
        peers = self._keys[key]
        del peers[peer]
        self.entries -= 1
        self._per_source[peer.source] -= 1
        if not self._per_source[peer.source]:
            del self._per_source[peer.source]
        if not peers:
            del self._keys[key]
            self._by_distance.remove((distance(self._centre, key), key))
