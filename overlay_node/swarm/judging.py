"""What becomes of bytes: parts become leaves, leaves are verified and kept or charged to their sender, second copies are cancelled.

Owns who sent each leaf, and the rule that a peer which proved corrupt is parted from exactly the leaves it sent. Every byte that is kept goes
through `_judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from apps.domain.audio.payload import verify_leaf
from apps.domain.swarm.trace import TraceAction, TraceSink
from overlay_node.protocol.messages import CancelReason
from overlay_node.swarm.actions import Action, Charge, ChargePeer, Manifest, StoreLeaf
from overlay_node.swarm.asking import Asking, Statistics
from overlay_node.swarm.board import Board
from overlay_node.swarm.flight import Request
from overlay_node.swarm.source import Data, Source

_T = TraceAction


class Judging:
    """The leaves of one session, once its manifest is proven. `drop` ends a source and says what is to be done about it."""

    def __init__(
        self,
        board: Board,
        asking: Asking,
        manifest: Manifest,
        *,
        statistics: Statistics,
        trace: TraceSink | None,
        all_sources: Callable[[], Iterable[Source]],
        drop: Callable[[Source, str, float], list[Action]],
    ) -> None:
        self.senders: Final[dict[int, str]] = {}
        """who sent each leaf that was verified in this session"""
        self._board: Final = board
        self._asking: Final = asking
        self._hashes: Final = manifest.leaves.hashes
        self._statistics: Final = statistics
        self._trace: Final = trace
        self._all_sources: Final = all_sources
        self._drop: Final = drop
        self._corrupt = False
        """somebody proved corrupt"""

    def take_in(self, source: Source, request: Request, data: Data, now: float) -> list[Action]:
        """An answer: the leaves that it completes are judged."""
        if request.leaves == 1:
            return self._take_in_leaf(source, request, data, now)
        actions: list[Action] = []
        view, at = memoryview(data), 0
        for leaf in range(request.leaf, request.leaf + request.leaves):
            length = self._board.map.length(leaf)
            piece = view[at : at + length]
            at += length
            if self._board.map.holds(leaf):
                self._waste(source, length)
                self._note_in_vain(now, source, leaf, length)
            else:
                actions += self._judge(source, leaf, piece, now)
        return actions

    def _take_in_leaf(self, source: Source, request: Request, data: Data, now: float) -> list[Action]:
        leaf = request.leaf
        if self._board.map.holds(leaf):
            source.parts.pop(leaf, None)
            self._waste(source, len(data))
            self._note_in_vain(now, source, leaf, len(data), request.offset)
            return []
        whole = source.leaf_of(request, data, leaf_length=self._board.map.length(leaf))
        return [] if whole is None else self._judge(source, leaf, whole, now)

    def uninvited(self, source: Source, offset: int, data: Data, now: float) -> list[Action]:
        """Bytes that nobody waits for any more: a whole leaf that was cancelled too late is as good as any other."""
        request = source.recalled.pop(offset, None)
        if request is not None and request.length == len(data) and not source.quarantined:
            pieces = self._board.map
            last = request.leaf + request.leaves - 1
            whole = pieces.offset(last) + pieces.length(last) - pieces.offset(request.leaf) == request.length
            wanted = any(not pieces.holds(leaf) for leaf in range(request.leaf, last + 1))
            if whole and wanted and not pieces.complete:
                if self._trace is not None:
                    waited = now - request.asked_at
                    self._trace.note(now, _T.CHUNK_RECEIVED, source.peer, request.leaf, offset, len(data), waited)
                return self.take_in(source, request, data, now)
        if self._trace is not None:
            leaf, code = (-1, "unasked") if request is None else (request.leaf, "late")
            self._trace.note(now, _T.CHUNK_RECEIVED, source.peer, leaf, offset, len(data), code=code)
        self._waste(source, len(data))
        return []

    def _judge(self, source: Source, leaf: int, data: Data, now: float) -> list[Action]:
        """A whole leaf of one sender: hold it or charge it."""
        board, length = self._board, len(data)
        where = board.map.offset(leaf)
        if not verify_leaf(memoryview(data), self._hashes[leaf]):
            before = source.tainted
            source.note_bad(leaf, length, now)
            self._corrupt = True
            board.tainted(source, before=before)
            self._statistics.bad_bytes += length
            self._asking.give_back(source, leaf, now)
            if self._trace is not None:
                self._trace.note(now, _T.LEAF_BAD, source.peer, leaf, where, length)
                self._trace.note(now, _T.PEER_CHARGED, source.peer, leaf, code=Charge.BAD_LEAF.value)
            self.part_from_corrupt(now)
            actions: list[Action] = [ChargePeer(source.peer, Charge.BAD_LEAF)]
            # What is still to come from it would be thrown away where others hold it: taken back at once.
            rest = [
                one
                for one in source.flight.values()
                if all(board.rarity(each) for each in range(one.leaf, one.leaf + one.leaves))
            ]
            if rest:
                actions += self._asking.take_back(source, rest, CancelReason.ERROR, now)
            if source.hopeless:
                actions += self._drop(source, "corrupt", now)
            return actions
        if source.quarantined and board.rarity(leaf):  # asked for before it proved corrupt
            self._waste(source, length)
            self._note_in_vain(now, source, leaf, length)
            self._asking.give_back(source, leaf, now)
            return []
        return self._keep(source, leaf, data, now)

    def offered(self, source: Source, leaf: int, data: Data, now: float) -> list[Action] | None:
        """A whole leaf that nobody was asked for. None: it is not this payload's; whoever offers it never claimed that it was, and is not charged."""
        pieces = self._board.map
        if not 0 <= leaf < pieces.leaf_count or len(data) != pieces.length(leaf):
            return None
        if not verify_leaf(memoryview(data), self._hashes[leaf]):
            return None
        if not pieces.holds(leaf):
            return self._keep(source, leaf, data, now)
        if (
            leaf not in self.senders
        ):  # an earlier run left it, and it is here once more: from the same hand, as far as anybody knows
            self.senders[leaf] = source.peer
            source.verified_leaves += 1
            source.verified_bytes += len(data)
        return []

    def _keep(self, source: Source, leaf: int, data: Data, now: float) -> list[Action]:
        """A leaf that hashes right is held; further copies of it are taken back."""
        length, where = len(data), self._board.map.offset(leaf)
        carriers = self._board.held(leaf)
        self.senders[leaf] = source.peer
        source.verified_leaves += 1
        source.verified_bytes += length
        source.trusted = True
        source.metrics.leaf_verified(now, length=length)
        if self._trace is not None:
            self._trace.note(now, _T.LEAF_VERIFIED, source.peer, leaf, where, length)
        actions: list[Action] = [StoreLeaf(source.peer, leaf, where, data)]
        for other in carriers:
            if other is not source:
                other.parts.pop(leaf, None)
                doubles = [one for one in other.flight.values() if one.covers(leaf) and self._all_held(one)]
                if doubles:
                    actions += self._asking.take_back(other, doubles, CancelReason.SWARM_REBALANCED, now)
        return actions

    def _all_held(self, request: Request) -> bool:
        return all(self._board.map.holds(leaf) for leaf in range(request.leaf, request.leaf + request.leaves))

    def _waste(self, source: Source, length: int) -> None:
        source.wasted_bytes += length
        self._statistics.duplicate_bytes += length

    def part_from_corrupt(self, now: float) -> None:
        """Leaves of peers that proved corrupt are missing again where an untainted peer holds them."""
        if not self._corrupt or self._board.map.complete:
            return
        corrupt = {source.peer: source for source in self._all_sources() if source.quarantined}
        for leaf, sender in list(self.senders.items()):
            if sender in corrupt and self._board.rarity(leaf):
                length = self._board.map.length(leaf)
                if self._trace is not None:
                    where = self._board.map.offset(leaf)
                    self._trace.note(now, _T.LEAF_LOST, sender, leaf, where, length, code="sender_corrupt")
                self._asking.put_back(leaf, now)
                del self.senders[leaf]
                corrupt[sender].parted_from(length)
                self._statistics.parted_bytes += length

    def _note_in_vain(self, now: float, source: Source, leaf: int, length: int, offset: int = -1) -> None:
        if self._trace is not None:
            where = offset if offset >= 0 else self._board.map.offset(leaf)
            self._trace.note(now, _T.LEAF_IN_VAIN, source.peer, leaf, where, length)
