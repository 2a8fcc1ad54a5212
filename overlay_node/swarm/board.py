"""What a policy looks at: the leaves of one payload, which are free, which are with whom, and who holds what.

Owns the order in which free leaves are offered (what came back first, then rarest, then lowest number, or at random where others fetch the same
payload: those who all fetch in one order have nothing to give each other) and the counts behind it. The session
changes it; policies read it. All lookups a decision needs are O(1) amortised: the order is sorted anew only when who holds what has changed,
and every source remembers how far it has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from overlay_node.swarm.piece_map import PieceMap
from overlay_node.swarm.source import Source

RESORT_SHARE: Final = 16
"""The order is sorted anew when more than one in so many of the free leaves changed their rarity, or a source finds nothing in the old one."""


class Board:
    """Leaves and sources of one payload."""

    __slots__ = (
        "_flights",
        "_head",
        "_order",
        "_returned",
        "_shared",
        "_stale",
        "backwards",
        "completes",
        "draw",
        "epoch",
        "everything",
        "holders",
        "map",
        "parked",
        "sources",
    )

    def __init__(self, pieces: PieceMap, sources: Mapping[str, Source]) -> None:
        self.map: Final = pieces
        self.sources: Final = sources
        """active and negotiating ones, by peer"""
        self.everything: Final = b"\x01" * pieces.leaf_count
        """what a source that holds everything holds"""
        self.holders: Final = [0] * pieces.leaf_count
        """per leaf: how many sources hold it that hold only a part, with nothing against them"""
        self.completes = 0
        """how many sources hold everything, with nothing against them"""
        self.draw: Callable[[int], int] | None = None
        """a random number below n, for the order of equally rare leaves; None = ascending"""
        self.backwards = False
        """equally rare leaves are offered from the last on: a stream brings them from the first on"""
        self.epoch = 0
        """grows with every sorting: where sources have looked is then void"""
        self.parked: Final[dict[Source, None]] = {}
        """sources that have room and got nothing when the policy was last asked about them"""
        self._flights: Final[dict[int, list[Source]]] = {}
        self._order = list(pieces.free())
        self._head = 0
        self._returned: Final[dict[int, None]] = {}
        self._stale = 0
        self._shared = False
        """True once somebody took part that holds only a part: it fetches the same, and will want what we have"""

    # ---- what a policy asks

    @property
    def free_count(self) -> int:
        """Missing leaves that nobody was asked for."""
        return self.map.free_count

    @property
    def flying(self) -> int:
        """Leaves that somebody was asked for."""
        return len(self._flights)

    def is_free(self, leaf: int) -> bool:
        """True when a leaf is missing and nobody was asked for it."""
        return leaf not in self._flights and leaf < self.map.leaf_count and not self.map.holds(leaf)

    def carriers(self, leaf: int) -> tuple[Source, ...]:
        """Who was asked for a leaf that is not here yet: its owner, then the second one when it is raced for."""
        return tuple(self._flights.get(leaf, ()))

    def carrier_count(self, leaf: int) -> int:
        """How many were asked for a leaf: 0, 1 or 2."""
        return len(self._flights.get(leaf, ()))

    def in_flight(self) -> Iterator[tuple[int, tuple[Source, ...]]]:
        """Every leaf that was asked for, with its carriers. O(leaves in flight)."""
        return ((leaf, tuple(carriers)) for leaf, carriers in self._flights.items())

    def may_ask(self, source: Source, leaf: int, now: float) -> bool:
        """True when `source` holds `leaf` and may be asked for it: nothing speaks against it, or nobody better holds it."""
        if not source.tainted:
            return source.active and source.has(leaf)
        return self.rarity(leaf) == 0 and source.may_retry(leaf, now)

    def next_free(self, source: Source, now: float, avoid: Collection[int] = ()) -> int | None:
        """The free leaf that `source` should be asked for first: what came back, then the rarest, then the lowest number. None of `avoid`."""
        if source.tainted and self.completes:
            return None
        for leaf in self._returned:
            if leaf not in avoid and self.may_ask(source, leaf, now):
                return leaf
        while True:
            found = self._look(source, now, avoid)
            if found is not None or not self._stale:
                return found
            self._sort()

    def rarity(self, leaf: int) -> int:
        """How many sources with nothing against them hold a leaf."""
        return self.completes + self.holders[leaf]

    # ---- what the session tells: leaves

    def asked(self, leaf: int, source: Source) -> None:
        """`source` was asked for `leaf`, as its owner or as the second one."""
        carriers = self._flights.get(leaf)
        if carriers is None:
            self.map.assign(leaf, source.peer)
            self._flights[leaf] = [source]
            if self._returned:
                self._returned.pop(leaf, None)
        else:
            carriers.append(source)

    def forgotten(self, leaf: int, source: Source) -> bool:
        """`source` will not bring `leaf`. True when the leaf is free again."""
        carriers = self._flights.get(leaf)
        if carriers is None or source not in carriers:
            return False
        carriers.remove(source)
        self.map.release(leaf)
        if carriers:
            self.map.assign(leaf, carriers[0].peer)
            return False
        del self._flights[leaf]
        self._returned[leaf] = None
        return True

    def held(self, leaf: int) -> list[Source]:
        """`leaf` is verified. Returns who was asked for it."""
        if self._returned:
            self._returned.pop(leaf, None)
        self.map.hold(leaf)
        return self._flights.pop(leaf, [])

    def lost(self, leaf: int) -> None:
        """A verified leaf is missing again."""
        self.map.lose(leaf)
        self._returned[leaf] = None

    # ---- what the session tells: sources

    def holds_more(self, source: Source, ranges: Sequence[tuple[int, int]]) -> bool:
        """A source holds these leaves too. False when that is nothing new."""
        count = self.map.leaf_count
        if source.complete:
            return False
        # Who proved once not to have what it says is counted leaf by leaf for good: to go over all leaves at each of its words is too much.
        if not source.undelivered and any(first <= 0 and end >= count for first, end in ranges):
            self._count(source, -1)
            source.have, source.complete = self.everything, True
            self._count(source, +1)
            return True
        have = source.have if isinstance(source.have, bytearray) else bytearray(count)
        source.have = have
        weight = 0 if source.tainted else 1
        changed = 0
        for first, end in ranges:
            for leaf in range(max(0, first), min(end, count)):
                if not have[leaf]:
                    have[leaf] = 1
                    self.holders[leaf] += weight
                    changed += 1
        source.looked = 0
        if changed and not source.undelivered and have.find(0) < 0:
            self._count(source, -1)
            source.have, source.complete = self.everything, True
            self._count(source, +1)
        if not self._shared and not source.complete:
            self._shared = True
            if self.draw is not None:
                self._sort()  # from now on in an order of our own, before the first leaves are the same everywhere
        self._changed(changed)
        return changed > 0

    def holds_not(self, source: Source, leaf: int) -> None:
        """A source does not hold a leaf after all."""
        if not source.has(leaf):
            return
        if source.complete or not isinstance(source.have, bytearray):
            self._count(source, -1)
            source.have, source.complete = bytearray(source.have), False
            self._count(source, +1)
        source.have[leaf] = 0
        if not source.tainted:
            self.holders[leaf] -= 1
            self._changed(1)

    def turned(self) -> None:
        """From now on from the far end."""
        if not self.backwards:
            self.backwards = True
            self._sort()

    def tainted(self, source: Source, *, before: bool) -> None:
        """Something now speaks against a source (or, its reputation having recovered, does not any more): `before` is what held until now."""
        if source.tainted != before:
            self._count(source, -1 if source.tainted else 1, whatever=True)
            source.looked = 0

    def gone(self, source: Source) -> None:
        """A source takes no part any more."""
        self._count(source, -1)
        source.have, source.complete = b"", False

    # ---- private

    def _count(self, source: Source, sign: int, *, whatever: bool = False) -> None:
        if source.tainted and not whatever:
            return
        if source.complete:
            self.completes += sign
            return
        holders, changed = self.holders, 0
        for leaf, held in enumerate(source.have):
            if held:
                holders[leaf] += sign
                changed += 1
        self._changed(changed)

    def _changed(self, leaves: int) -> None:
        """So many leaves became rarer or less rare."""
        self._stale += leaves
        if self._stale * RESORT_SHARE > self.map.free_count and self._stale > 1:
            self._sort()

    def _look(self, source: Source, now: float, avoid: Collection[int]) -> int | None:
        order = self._order
        if source.epoch != self.epoch:
            source.epoch, source.looked = self.epoch, 0
        held, flights = self.map.holds, self._flights
        while self._head < len(order) and (order[self._head] in flights or held(order[self._head])):
            self._head += 1  # what comes back is offered first anyway
        kept = False
        for at in range(max(source.looked, self._head), len(order)):
            leaf = order[at]
            if leaf in flights or held(leaf):
                continue
            if leaf not in avoid and self.may_ask(source, leaf, now):
                if not kept:
                    source.looked = at
                return leaf
            # It holds the leaf but may not be asked for it now: looked at again later. What it does not hold stays so until it tells of more.
            if not kept and source.has(leaf):
                source.looked, kept = at, True
        if not kept:
            source.looked = len(order)
        return None

    def _sort(self) -> None:
        order = list(self.map.free())
        if self.backwards:
            order.reverse()
        elif self._shared and self.draw is not None:
            for at in range(len(order) - 1, 0, -1):  # Fisher and Yates
                other = self.draw(at + 1)
                order[at], order[other] = order[other], order[at]
        if any(self.holders):
            order.sort(key=self.holders.__getitem__)
        self._order = order
        self._head = 0
        self._returned.clear()
        self._stale = 0
        self.epoch += 1
