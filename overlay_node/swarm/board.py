"""What a policy looks at: the leaves of one payload, which are free, which are with whom, and who holds what.

Owns the order in which free leaves are offered (what came back first, then rarest, then lowest number) and the counts behind it. The session
changes it; policies read it. All lookups a decision needs are O(1) amortised: the order is sorted anew only when who holds what has changed,
and every source remembers how far it has looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from overlay_node.swarm.piece_map import PieceMap
from overlay_node.swarm.source import Source

RESORT_SHARE: Final = 16
"""The order is sorted anew when more than one in so many of the free leaves changed their rarity, or a source finds nothing in the old one."""


class Board:
    """Leaves and sources of one payload."""

    __slots__ = ("_flights", "_order", "_returned", "_stale", "completes", "epoch", "holders", "map", "sources")

    def __init__(self, pieces: PieceMap, sources: Mapping[str, Source]) -> None:
        self.map: Final = pieces
        self.sources: Final = sources
        """active and negotiating ones, by peer"""
        self.holders: Final = [0] * pieces.leaf_count
        """per leaf: how many sources that hold only a part hold it"""
        self.completes = 0
        """how many sources hold everything"""
        self.epoch = 0
        """grows with every sorting: where sources have looked is then void"""
        self._flights: Final[dict[int, list[Source]]] = {}
        self._order = list(pieces.free())
        self._returned: Final[dict[int, None]] = {}
        self._stale = 0

    # ---- what a policy asks

    @property
    def free_count(self) -> int:
        """Missing leaves that nobody was asked for."""
        return self.map.free_count

    def is_free(self, leaf: int) -> bool:
        """True when a leaf is missing and nobody was asked for it."""
        return not self.map.holds(leaf) and leaf not in self._flights

    def carriers(self, leaf: int) -> tuple[Source, ...]:
        """Who was asked for a leaf that is not here yet: its owner, then the second one when it is raced for."""
        return tuple(self._flights.get(leaf, ()))

    def in_flight(self) -> Iterator[tuple[int, tuple[Source, ...]]]:
        """Every leaf that was asked for, with its carriers. O(leaves in flight)."""
        return ((leaf, tuple(carriers)) for leaf, carriers in self._flights.items())

    def may_ask(self, source: Source, leaf: int, now: float) -> bool:
        """True when `source` holds `leaf` and may be asked for it: nothing speaks against it, or nobody better holds it."""
        return source.clean_for(leaf) or (source.may_retry(leaf, now) and not self.others_with(leaf, source))

    def others_with(self, leaf: int, source: Source) -> bool:
        """True when a source with nothing against it holds the leaf too. O(sources): only asked about tainted ones."""
        return any(other is not source and other.clean_for(leaf) for other in self.sources.values())

    def next_free(self, source: Source, now: float) -> int | None:
        """The free leaf that `source` should be asked for first: what came back, then the rarest, then the lowest number."""
        for leaf in self._returned:
            if self.may_ask(source, leaf, now):
                return leaf
        while True:
            found = self._look(source, now)
            if found is not None or not self._stale:
                return found
            self._sort()

    def rarity(self, leaf: int) -> int:
        """How many sources hold a leaf."""
        return self.completes + self.holders[leaf]

    # ---- what the session tells

    def asked(self, leaf: int, source: Source) -> None:
        """`source` was asked for `leaf`, as its owner or as the second one."""
        carriers = self._flights.get(leaf)
        if carriers is None:
            self._flights[leaf] = [source]
            self._returned.pop(leaf, None)
            self.map.assign(leaf, source.peer)
        else:
            carriers.append(source)

    def forgotten(self, leaf: int, source: Source) -> bool:
        """`source` will not bring `leaf`. True when the leaf is free again."""
        carriers = self._flights.get(leaf)
        if carriers is None or source not in carriers:
            return False
        carriers.remove(source)
        if carriers:
            self.map.release(leaf)
            self.map.assign(leaf, carriers[0].peer)
            return False
        del self._flights[leaf]
        self.map.release(leaf)
        if self.map.holds(leaf):
            return False
        self._returned[leaf] = None
        return True

    def held(self, leaf: int) -> list[Source]:
        """`leaf` is verified. Returns who was asked for it."""
        self._returned.pop(leaf, None)
        self.map.hold(leaf)
        return self._flights.pop(leaf, [])

    def lost(self, leaf: int) -> None:
        """A verified leaf is missing again."""
        self.map.lose(leaf)
        self._returned[leaf] = None

    def rarity_changed(self, leaves: int) -> None:
        """So many leaves are held by more or fewer sources than before."""
        self._stale += leaves
        if self._stale * RESORT_SHARE > self.map.free_count and self._stale > 1:
            self._sort()

    # ---- private

    def _look(self, source: Source, now: float) -> int | None:
        order = self._order
        if source.epoch != self.epoch:
            source.epoch, source.looked = self.epoch, 0
        held, flights = self.map.holds, self._flights
        at = source.looked
        skipped = False
        for at in range(source.looked, len(order)):
            leaf = order[at]
            if leaf in flights or held(leaf):
                continue
            if self.may_ask(source, leaf, now):
                if not skipped:
                    source.looked = at
                return leaf
            # It holds the leaf but may not be asked for it now: looked at again later. What it does not hold stays so until the next sorting.
            skipped = skipped or source.has(leaf)
            if skipped:
                continue
        if not skipped:
            source.looked = len(order)
        return None

    def _sort(self) -> None:
        if self.sources and any(self.holders):
            holders = self.holders
            self._order = sorted(self.map.free(), key=holders.__getitem__)
        else:
            self._order = list(self.map.free())
        self._returned.clear()
        self._stale = 0
        self.epoch += 1
