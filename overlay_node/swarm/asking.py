"""What is in flight: orders of the policy become requests within the limits, requests that are taken back become free leaves.

Owns wake-ups (which sources the policy is asked about, and when), the limits (requests in flight, budgets of bytes) and the bookkeeping of
who was asked for what. Decides nothing; knows nothing of hashes. The policy is asked only about sources for which something changed: `wake`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from apps.domain.swarm.ranges import UrgentRange, priority_of
from apps.domain.swarm.trace import TraceAction, TraceSink
from overlay_node.protocol.limits import MAX_CANCEL_RANGES, MAX_CHUNK_BYTES
from overlay_node.protocol.messages import CancelReason
from overlay_node.protocol.states import DownloaderEvent, DownloaderState
from overlay_node.swarm.actions import Action, AskChunk, CancelChunks
from overlay_node.swarm.board import Board
from overlay_node.swarm.flight import Request
from overlay_node.swarm.invariants import BUDGET, QUARANTINE, TOO_MANY, TWO_CULPRITS, Violations
from overlay_node.swarm.policy import MIN_PART_BYTES, Claim, Order, Policy, Reason
from overlay_node.swarm.source import Source

_E = DownloaderEvent
_NO_DECISION: Final = frozenset({Reason.WINDOW_FULL, Reason.NOTHING_FREE})
"""Why a source gets nothing more just now, where nobody chose so: not told to traces."""


class Budget(Protocol):
    """A bucket of bytes: `rate_limits.ByteBucket`, `protocol.rates.TokenBucket`."""

    def level(self, now: float) -> float:
        """Bytes at hand; negative while a debt is paid."""

    def take_debt(self, now: float, amount: float) -> None:
        """Take bytes, even below zero."""


def no_peer_budgets(_peer: str) -> Sequence[Budget]:
    """No limit per peer."""
    return ()


class Statistics:
    """Counters of one session, for Prometheus and reports. Mutable: the hot path counts."""

    __slots__ = (
        "bad_bytes",
        "decisions",
        "duplicate_bytes",
        "moves",
        "parted_bytes",
        "races",
        "rebalances",
        "refused_orders",
    )

    def __init__(self) -> None:
        self.decisions = 0
        """orders carried out"""
        self.moves = 0
        """leaves taken from an owner that had not begun"""
        self.races = 0
        """second copies asked for"""
        self.refused_orders = 0
        """orders of the policy that broke a rule"""
        self.rebalances = 0
        self.duplicate_bytes = 0
        """bytes that came although another copy was there already, or that nobody waited for any more"""
        self.bad_bytes = 0
        """bytes of leaves that did not verify"""
        self.parted_bytes = 0
        """bytes of leaves that verified and were fetched again all the same, because their sender proved corrupt later"""


class Asking:
    """Requests in flight of one session, once its map is open."""

    def __init__(
        self,
        board: Board,
        policy: Policy,
        *,
        budgets: Sequence[Budget],
        peer_budgets: Callable[[str], Sequence[Budget]],
        statistics: Statistics,
        violations: Violations,
        trace: TraceSink | None,
    ) -> None:
        self.board: Final = board
        self.urgent: tuple[UrgentRange, ...] = ()
        self.rescued = False
        """every leaf is as urgent as a rescue"""
        self._policy: Final = policy
        self._budgets: Final = tuple(budgets)
        self._peer_budgets: Final = peer_budgets
        self._statistics: Final = statistics
        self._violations: Final = violations
        self._trace: Final = trace
        self._retried: Final[set[int]] = set()
        self.awake: Final[dict[Source, None]] = {}
        """sources for which something changed"""
        self._parked: Final = board.parked
        self._unaffordable = False

    # ---- who is asked about

    def wake(self, source: Source) -> None:
        """Something changed for a source: the policy is asked about it at the next `fill`."""
        self.awake[source] = None

    def wake_parked(self) -> None:
        """Something changed for everybody who got nothing."""
        self.awake.update(self._parked)

    def retired(self, source: Source) -> None:
        """A source takes no part any more."""
        self.awake.pop(source, None)
        self._parked.pop(source, None)

    def tick(self) -> None:
        """Time passed: budgets may have filled up, pauses after bad leaves may be over."""
        if self._unaffordable:
            self._unaffordable = False
            self.wake_parked()
        else:
            self.awake.update((source, None) for source in self._parked if source.tainted)

    # ---- asking

    def fill(self, now: float) -> list[Action]:
        """Ask the policy about everybody who is awake, one order each in turn, until nobody gets anything more."""
        actions: list[Action] = []
        while self.awake:
            ready = [one for one in self.awake if one.active and now >= one.retry_at]
            self.awake.clear()
            if len(ready) > 1:
                ready = self._policy.turns(ready, now)
            while ready:
                again = []
                for source in ready:
                    if len(source.flight) >= source.cap:
                        continue
                    if not self.affordable(source, now):
                        self._parked[source] = None
                        self._unaffordable = True
                        continue
                    order = self._policy.choose(source, now)
                    if order is None or not self._carry_out(source, order, now, actions):
                        self._park(source)
                        if self._trace is not None:
                            self._note_idle(self._trace, source, now)
                        continue
                    source.idle_because = ""
                    again.append(source)
                ready = again
        return actions

    def take_back(
        self, source: Source, requests: Iterable[Request], reason: CancelReason, now: float, *, moved: int = -1
    ) -> list[Action]:
        """Cancel requests of a source, and the other requests for parts of the same leaves. `moved`: the leaf that another is given at once."""
        leaves = {leaf for one in requests for leaf in range(one.leaf, one.leaf + one.leaves)}
        taken = [one for one in source.flight.values() if any(one.covers(leaf) for leaf in leaves)]
        for request in taken:
            del source.flight[request.offset]
            source.recall(request, now)
            leaves.update(range(request.leaf, request.leaf + request.leaves))
            if self._trace is not None:
                self._trace.note(
                    now,
                    TraceAction.CHUNK_CANCELLED,
                    source.peer,
                    request.leaf,
                    request.offset,
                    request.length,
                    now - request.asked_at,
                    reason.value,
                )
        for leaf in sorted(leaves):
            self.give_back(source, leaf, now, moved=leaf == moved)
        if not source.flight and source.state is DownloaderState.REQUESTING:
            source.on(_E.FLIGHT_EMPTY)
        self.wake(source)
        ranges = tuple((one.offset, one.offset + one.length) for one in taken)
        return [
            CancelChunks(source.peer, ranges[at : at + MAX_CANCEL_RANGES], reason)
            for at in range(0, len(ranges), MAX_CANCEL_RANGES)
        ]

    def failed(self, source: Source, request: Request, now: float) -> list[Action]:
        """A request, no longer in flight, will not be answered: its leaves go back, other pieces of them are cancelled."""
        source.recall(request, now)
        source.recalled.pop(request.offset, None)
        rest = [one for one in source.flight.values() if one.covers(request.leaf)]
        actions: list[Action] = [*self.take_back(source, rest, CancelReason.ERROR, now)] if rest else []
        for leaf in range(request.leaf, request.leaf + request.leaves):
            self.give_back(source, leaf, now)
        if not source.flight and source.state is not DownloaderState.READY:
            source.on(_E.FLIGHT_EMPTY)
        self.wake(source)
        return actions

    def give_back(self, source: Source, leaf: int, now: float, *, moved: bool = False) -> None:
        """A source will not bring a leaf; what it brought of it is dropped."""
        if leaf in source.parts:
            self._statistics.duplicate_bytes += sum(map(len, source.parts.pop(leaf).values()))
        if self.board.forgotten(leaf, source):
            self._retried.add(leaf)
            if not moved:
                self._policy.freed(leaf, now)
                self.wake_parked()

    def put_back(self, leaf: int, now: float) -> None:
        """A leaf that was held is missing again."""
        self.board.lost(leaf)
        self._retried.add(leaf)
        self._policy.freed(leaf, now)
        self.wake_parked()

    def priority(self, leaf: int) -> int:
        """0-10, on the wire."""
        pieces = self.board.map
        return priority_of(
            leaf,
            leaf_count=pieces.leaf_count,
            held_count=pieces.held_count,
            retried=leaf in self._retried,
            urgent=self.urgent,
            rescued=self.rescued,
        )[0]

    def affordable(self, source: Source, now: float) -> bool:
        """True while every budget that holds for a source has something left."""
        for bucket in self._budgets:
            if bucket.level(now) <= 0:
                return False
        return all(bucket.level(now) > 0 for bucket in self._peer_budgets(source.peer))

    # ---- private

    def _note_idle(self, trace: TraceSink, source: Source, now: float) -> None:
        """Why a source gets nothing is a decision, told once until it gets something or the reason changes."""
        because = self._policy.why_idle(source, now)
        if because.value != source.idle_because and because not in _NO_DECISION:
            trace.note(now, TraceAction.DECISION, source.peer, code=because.value)
        source.idle_because = because.value

    def _park(self, source: Source) -> None:
        self._parked[source] = None
        if source.flight and source.state is DownloaderState.REQUESTING and not self.board.free_count:
            source.on(_E.NOTHING_LEFT)

    def _refuse(self) -> bool:
        self._statistics.refused_orders += 1
        return False

    def _carry_out(self, source: Source, order: Order, now: float, actions: list[Action]) -> bool:
        board, leaf = self.board, order.leaf
        if source.tainted and board.rarity(leaf):
            self._violations[QUARANTINE] += 1
            return self._refuse()
        if order.claim is Claim.FREE:
            if not all(board.is_free(one) and source.has(one) for one in range(leaf, leaf + order.leaves)):
                return self._refuse()
        else:
            carriers = board.carriers(leaf)
            if not carriers or source in carriers or not source.has(leaf) or order.leaves != 1:
                return self._refuse()
            if order.claim is Claim.MOVE:
                loser = order.loser if order.loser is not None else carriers[0]
                if loser not in carriers or (order.loser is None and len(carriers) > 1):
                    return self._refuse()
                held = [one for one in loser.flight.values() if one.covers(leaf)]
                actions += self.take_back(loser, held, CancelReason.SWARM_REBALANCED, now, moved=leaf)
                self.awake.pop(loser, None)  # it is the one that is too slow: not asked again for the same
                self._parked[loser] = None
                self._statistics.moves += 1
            elif len(carriers) > 1:
                return self._refuse()
            else:
                self._statistics.races += 1
            self._retried.add(leaf)
            if self._trace is not None:
                self._trace.note(
                    now,
                    TraceAction.DECISION,
                    source.peer,
                    leaf,
                    board.map.offset(leaf),
                    board.map.length(leaf),
                    code=order.reason.value,
                )
        self._ask(source, order, now, actions)
        return True

    def _ask(self, source: Source, order: Order, now: float, actions: list[Action]) -> None:
        board, first = self.board, order.leaf
        pieces = board.map
        last = first + order.leaves - 1
        start, end = pieces.offset(first), pieces.offset(last) + pieces.length(last)
        budgets = self._budgets
        if peer_budgets := self._peer_budgets(source.peer):
            budgets = (*budgets, *peer_budgets)
        if order.leaves > 1 and (
            end - start > MAX_CHUNK_BYTES or any(one.level(now) < end - start for one in budgets)
        ):  # a debt is at most one leaf
            last, end = first, start + pieces.length(first)
        for bucket in budgets:
            if bucket.level(now) <= 0:
                self._violations[BUDGET] += 1
            bucket.take_debt(now, end - start)
        for leaf in range(first, last + 1):
            board.asked(leaf, source)
            if board.carrier_count(leaf) > 2:
                self._violations[TWO_CULPRITS] += 1
        self._statistics.decisions += 1
        source.asked_last_at = now
        if self._parked:
            self._parked.pop(source, None)
        priority = self.priority(first)
        offset, upto, size = start, end, MAX_CHUNK_BYTES
        if order.part_bytes or order.first_bytes or end - start > MAX_CHUNK_BYTES:
            upto, size = self._pieces_of(order, start, end, room=source.cap - len(source.flight))
        leaves = last - first + 1
        while offset < end:
            upto = min(upto, end)
            length = upto - offset
            deadline_ms = source.deadline_ms(length)
            request = Request(now, length, first, offset, 2 * deadline_ms / 1000, leaves)
            source.flight[offset] = request
            source.flight_bytes += length
            source.pace.asked(request)
            actions.append(AskChunk(source.peer, offset, length, priority, deadline_ms))
            if self._trace is not None:
                self._trace.note(
                    now, TraceAction.CHUNK_REQUESTED, source.peer, first, offset, length, code=order.reason.value
                )
            offset, upto = upto, upto + size
        if source.state is not DownloaderState.REQUESTING:
            source.on(_E.CHUNK_REQUESTED)
        if len(source.flight) > source.cap + (end - start - 1) // MAX_CHUNK_BYTES:
            self._violations[TOO_MANY] += 1

    @staticmethod
    def _pieces_of(order: Order, start: int, end: int, *, room: int) -> tuple[int, int]:
        """Where the first request ends, and how long the others are: as small as ordered, as few as there is room for."""
        size = min(order.part_bytes or MAX_CHUNK_BYTES, MAX_CHUNK_BYTES)
        first = order.first_bytes if room > 1 else 0
        others = max(1, room - 1 if first else room)
        least = -(-(end - start - first) // others)
        size = min(max(size, least, MIN_PART_BYTES), MAX_CHUNK_BYTES)
        return min(start + (first or size), end), size
