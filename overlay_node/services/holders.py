"""Who, of those met since the start, claims which payload: in memory, bounded, and fair about what is forgotten.

When too much is remembered, whoever claims most loses what it claimed first: roots cost a liar nothing, and must not push out what others hold.
"""

from __future__ import annotations

from typing import Final

from overlay_node.swarm.choice import PayloadKey

MAX_PAIRS: Final = 16_384
"""(payload, peer) pairs: some 4 MB."""


class Holders:
    """`limit`: pairs that are remembered."""

    def __init__(self, limit: int = MAX_PAIRS) -> None:
        self._limit: Final = limit
        self._pairs = 0
        self._by_key: Final[dict[PayloadKey, dict[str, None]]] = {}
        self._by_peer: Final[dict[str, dict[PayloadKey, None]]] = {}

    def __len__(self) -> int:
        """Pairs remembered."""
        return self._pairs

    def add(self, key: PayloadKey, peer: str) -> None:
        """A peer claims a payload."""
        held = self._by_peer.setdefault(peer, {})
        if key in held:
            return
        held[key] = None
        self._by_key.setdefault(key, {})[peer] = None
        self._pairs += 1
        if self._pairs > self._limit:
            crowded = max(self._by_peer, key=lambda one: len(self._by_peer[one]))
            self._remove(next(iter(self._by_peer[crowded])), crowded)

    def of(self, key: PayloadKey) -> tuple[str, ...]:
        """Who claims it, in the order of claiming."""
        return tuple(self._by_key.get(key, ()))

    def claimed_by(self, peer: str) -> list[PayloadKey]:
        """What a peer claims, the first claimed first."""
        return list(self._by_peer.get(peer, ()))

    def _remove(self, key: PayloadKey, peer: str) -> None:
        del self._by_peer[peer][key], self._by_key[key][peer]
        if not self._by_peer[peer]:
            del self._by_peer[peer]
        if not self._by_key[key]:
            del self._by_key[key]
        self._pairs -= 1
