"""Which leaves of one payload are held, and whose turn each missing leaf is.

Owns the bitmap, the owners and the arithmetic of ranges; knows nothing of hashes, peers' speed or time. A leaf belongs to at most one peer at
a time, so that a bad leaf has one culprit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def ranges_of(leaves: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Half-open ranges [first, end) of a set of leaf numbers, ascending and never touching each other."""
    found: list[tuple[int, int]] = []
    for leaf in sorted(set(leaves)):
        if found and found[-1][1] == leaf:
            found[-1] = (found[-1][0], leaf + 1)
        else:
            found.append((leaf, leaf + 1))
    return tuple(found)


def leaves_of(ranges: Iterable[tuple[int, int]], *, leaf_count: int) -> frozenset[int]:
    """The leaf numbers of half-open ranges; whatever lies outside the payload is left out."""
    return frozenset(leaf for first, end in ranges for leaf in range(max(0, first), min(end, leaf_count)))


def largest_ranges(ranges: tuple[tuple[int, int], ...], *, limit: int) -> tuple[tuple[int, int], ...]:
    """At most `limit` of the ranges, the longest ones, in ascending order: what a message with a bound on its ranges can hold."""
    if len(ranges) <= limit:
        return ranges
    longest = sorted(ranges, key=lambda one: (one[0] - one[1], one[0]))[:limit]
    return tuple(sorted(longest))


class PieceMap:
    """The leaves of a payload of `payload_bytes` bytes, `leaf_bytes` each (the last one may be short). Raises ValueError on sizes below 1."""

    __slots__ = ("_held", "_owners", "leaf_bytes", "leaf_count", "payload_bytes")

    def __init__(self, *, payload_bytes: int, leaf_bytes: int, held: Iterable[int] = ()) -> None:
        if payload_bytes < 1 or leaf_bytes < 1:
            raise ValueError("payload_bytes and leaf_bytes are at least 1")
        self.payload_bytes = payload_bytes
        self.leaf_bytes = leaf_bytes
        self.leaf_count = -(-payload_bytes // leaf_bytes)
        self._held = {leaf for leaf in held if 0 <= leaf < self.leaf_count}
        self._owners: dict[int, str] = {}

    # ---- arithmetic

    def offset(self, leaf: int) -> int:
        """First byte of `leaf` in payload space."""
        return leaf * self.leaf_bytes

    def length(self, leaf: int) -> int:
        """Bytes of `leaf`. Raises IndexError outside the payload."""
        if not 0 <= leaf < self.leaf_count:
            raise IndexError(f"leaf {leaf} of {self.leaf_count}")
        return min(self.leaf_bytes, self.payload_bytes - leaf * self.leaf_bytes)

    # ---- what is held

    @property
    def complete(self) -> bool:
        """True when every leaf is held."""
        return len(self._held) == self.leaf_count

    @property
    def held_count(self) -> int:
        """Number of leaves held."""
        return len(self._held)

    @property
    def held_bytes(self) -> int:
        """Bytes of the leaves held."""
        last = self.leaf_count - 1
        return len(self._held) * self.leaf_bytes - (self.leaf_bytes - self.length(last) if last in self._held else 0)

    def holds(self, leaf: int) -> bool:
        """True when `leaf` is verified and kept."""
        return leaf in self._held

    def held(self) -> tuple[tuple[int, int], ...]:
        """What is held, as half-open ranges."""
        return ranges_of(self._held)

    def missing(self) -> Iterator[int]:
        """Leaves not held, ascending."""
        return (leaf for leaf in range(self.leaf_count) if leaf not in self._held)

    def hold(self, leaf: int) -> None:
        """`leaf` is verified; it needs no owner any more."""
        self.length(leaf)
        self._held.add(leaf)
        self._owners.pop(leaf, None)

    def lose(self, leaf: int) -> None:
        """`leaf` is not on disk after all."""
        self._held.discard(leaf)

    # ---- whose turn it is

    def owner(self, leaf: int) -> str | None:
        """The peer that was asked for `leaf`, None when nobody was."""
        return self._owners.get(leaf)

    def assign(self, leaf: int, peer: str) -> None:
        """Give a missing leaf without an owner to `peer`. Raises ValueError otherwise: it would blur whose bytes are bad."""
        if leaf in self._held or leaf in self._owners or not 0 <= leaf < self.leaf_count:
            raise ValueError(f"leaf {leaf} is not free")
        self._owners[leaf] = peer

    def release(self, leaf: int) -> None:
        """Take a leaf back from its owner; nothing happens when it has none."""
        self._owners.pop(leaf, None)

    @property
    def free_count(self) -> int:
        """Number of missing leaves that nobody was asked for."""
        return self.leaf_count - len(self._held) - len(self._owners)

    def free(self) -> Iterator[int]:
        """Missing leaves that nobody was asked for, ascending."""
        return (leaf for leaf in self.missing() if leaf not in self._owners)
