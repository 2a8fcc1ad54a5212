"""One payload, many peers: what to believe, who takes part, what went wrong, when it is whole.

Theory. A session starts with nothing but a root. The first peer whose manifest hashes to that root tells the leaf hashes; from then on every
leaf is believed alone, whoever sends it. A missing leaf belongs to at most one peer, or to two that race with a whole copy each; whichever copy
arrives first counts, the other is cancelled. Which leaf is asked of whom is the policy's choice (`policy`), within the limits that `asking` keeps.
A bad leaf is charged to its sender and goes back. Its sender is from then on asked only for what no untainted peer holds, a bounded number of
times, and is parted from exactly the leaves it sent: each is fetched again as soon as an untainted peer holds it. (Their hashes are right; this
costs bytes and makes "nothing in this file is from a corrupt peer" a fact wherever there is a choice.) A peer whose reputation is too low is
asked likewise only for what nobody else holds, and keeps what it brought.

Events are methods that take `now` (monotonic seconds) and return the actions to carry out, in order. The session does no I/O, never raises
because of a peer, and either completes or says why it waits (`waiting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from blake3 import blake3

from apps.domain.audio.payload import PayloadFacts
from apps.domain.swarm.estimate import Pace
from apps.domain.swarm.ranges import UrgentRange, end_of_file
from apps.domain.swarm.trace import TraceAction, TraceSink
from overlay_node.protocol.limits import CHUNK_DEADLINE_MS, NEGOTIATING_TIMEOUT_S, TRANSFER_IDLE_S
from overlay_node.protocol.messages import CancelReason, ChunkError
from overlay_node.protocol.states import DownloaderEvent, DownloaderState
from overlay_node.swarm.actions import (
    Action,
    AskManifest,
    CancelChunks,
    Charge,
    ChargePeer,
    Completed,
    DropPeer,
    KeepManifest,
    Manifest,
    Waiting,
)
from overlay_node.swarm.asking import Asking, Budget, Statistics, no_peer_budgets
from overlay_node.swarm.belief import believed_leaves, same_manifest
from overlay_node.swarm.board import Board
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.invariants import UNVERIFIED, Violations
from overlay_node.swarm.judging import Judging
from overlay_node.swarm.peer_book import MemoryPeerBook, PeerBook
from overlay_node.swarm.piece_map import PieceMap
from overlay_node.swarm.policy import Policy, Reason
from overlay_node.swarm.policy_cost import CostPolicy
from overlay_node.swarm.source import MAX_STRIKES, MAX_UNHELD, Data, Source
from overlay_node.swarm.waiting import waits_for

TICK_S: Final = 0.1
"""How often the runner should call `tick` while a session runs: bounds how late a timeout or an end-game take-over is."""
RATE_LIMITED_S: Final = 1.0  # pause after rate_limited without retry_after_s; doubles, at most 30 s
MAX_PAUSE_S: Final = 30.0

REVIEW_S: Final = 10.0
"""How often reputations are looked at while a session runs; they move by weeks of good and single acts of bad behaviour."""
SOONEST_TIMEOUT_S: Final = 2 * CHUNK_DEADLINE_MS / 1000
"""no request is overdue sooner after a byte came"""
MAX_FIRST_DELAY_S: Final = 1.0
"""A manifest that took longer was read from a slow disk or waited in a queue: that is not the line's delay."""

_E = DownloaderEvent
_T = TraceAction


class SwarmSession:
    """The download of one payload. `held` are leaves already verified on disk (only with `manifest`).

    `paces` holds the pace of every link, by peer: sessions that share links share it. `trace` None = off.
    """

    def __init__(
        self,
        key: PayloadKey,
        *,
        manifest: Manifest | None = None,
        held: Iterable[int] = (),
        refused_preambles: frozenset[str] = frozenset(),
        budgets: Sequence[Budget] = (),
        peer_budgets: Callable[[str], Sequence[Budget]] = no_peer_budgets,
        policy: Policy | None = None,
        book: PeerBook | None = None,
        paces: dict[str, Pace] | None = None,
        trace: TraceSink | None = None,
        now: float = 0.0,
    ) -> None:
        self.key: Final = key
        self.manifest = manifest
        self.sources: Final[dict[str, Source]] = {}
        self.map: PieceMap | None = None
        self.board: Board | None = None
        self.waiting = ""
        self.completed = False
        self.storage = manifest is not None
        """True once leaves can be written"""
        self._asks = True
        """False: a stream beside gives what it has first"""
        self.policy: Final = policy if policy is not None else CostPolicy()
        self.budgets: Final = tuple(budgets)
        """bytes a second; shared with other sessions"""
        self.statistics: Final = Statistics()
        self.violations: Final = Violations()
        self._refused_preambles: Final = refused_preambles
        """BLAKE3 (hex) of preambles that did not fit this payload"""
        self._peer_budgets: Final = peer_budgets
        self._book: Final[PeerBook] = book if book is not None else MemoryPeerBook()
        self._paces: Final = paces if paces is not None else {}
        self._trace: Final = trace
        self._told_rebalances = 0
        self._asking: Asking | None = None
        self._judging: Judging | None = None
        self._gone: Final[dict[str, Source]] = {}
        self._earlier: Final[dict[str, int]] = {}
        """peer → bytes that it gave in an earlier run"""
        self._beside: Final[dict[str, Source]] = {}
        """who gives leaves and is asked for nothing: streams of another network"""
        self._backwards = False
        self._rescued = False
        self._resumed = 0
        """leaves that an earlier run left, verified"""
        self._reviewed_at = now
        if manifest is not None:
            self._open_map(manifest, held, now)

    def recall(self, givers: Mapping[str, int]) -> None:
        """Who gave how much of what an earlier run left, as it was last written; told before peers are added. Never more than is here."""
        left = self.verified_bytes
        for peer, count in givers.items():
            self._earlier[peer] = min(count, left)
            left -= self._earlier[peer]

    # ---- events: peers

    def peer_added(self, peer: str, now: float) -> list[Action]:
        """A linked peer claims this payload: ask it for the manifest. Nothing happens when it takes part already."""
        if peer in self.sources or self.completed:
            return []
        metrics = self._book.metrics_of(peer)
        pace = self._paces.get(peer)
        if pace is None:
            pace = self._paces[peer] = Pace(rate_bps=metrics.throughput_bps, delay_s=metrics.rtt_s)
        source = Source(peer=peer, since=now, pace=pace, metrics=metrics)
        past = self._gone.pop(peer, None)
        if past is not None:
            source.remember(past)
        source.verified_bytes += self._earlier.pop(peer, 0)
        source.reputation = self._book.reputation_of(peer, now)
        source.shunned, source.barred = self.policy.shuns(source.reputation), self.policy.bars(source.reputation)
        self.sources[peer] = source
        source.on(_E.MANIFEST_REQUESTED)
        if self._trace is not None:
            self._trace.note(now, _T.PEER_ADDED, peer)
        return [AskManifest(peer), *self._follow_up(now)]

    def peer_gone(self, peer: str, now: float) -> list[Action]:
        """The link to a peer ended."""
        source = self.sources.get(peer)
        if source is None:
            return []
        self._paces.pop(peer, None)
        if source.ended:  # after the completion there is nothing to abort
            self._gone[peer] = self.sources.pop(peer)
        else:
            if source.flight:
                source.metrics.cancelled(now)
            self._end(source, _E.DISCONNECTED, "disconnected", now)
        return self._follow_up(now)

    def manifest_received(
        self,
        peer: str,
        facts: PayloadFacts,
        hashes: tuple[bytes, ...],
        *,
        leaf_bytes: int,
        preamble: bytes,
        have: Sequence[tuple[int, int]],
        now: float,
    ) -> list[Action]:
        """A peer's manifest: believed when it hashes to the root that was asked for (or equals one that did), charged otherwise."""
        source = self.sources.get(peer)
        if source is None or source.state is not DownloaderState.NEGOTIATING:
            return []
        actions: list[Action] = []
        if self.manifest is None:
            leaves = believed_leaves(self.key, facts, hashes, leaf_bytes=leaf_bytes, preamble=preamble)
            believed = leaves is not None
        else:
            leaves = self.manifest.leaves
            believed = same_manifest(self.manifest, facts, hashes, leaf_bytes=leaf_bytes, preamble=preamble)
        if leaves is None or not believed:
            actions += [ChargePeer(peer, Charge.BAD_MANIFEST), DropPeer(peer, Charge.BAD_MANIFEST.value)]
            source.metrics.refused(now, Charge.BAD_MANIFEST.value)
            self._note(now, _T.PEER_CHARGED, peer, Charge.BAD_MANIFEST.value)
            self._note(now, _T.MANIFEST_REFUSED, peer, Charge.BAD_MANIFEST.value)
            self._end(source, _E.MANIFEST_REFUSED, Charge.BAD_MANIFEST.value, now)
            return actions + self._follow_up(now)
        if self.manifest is None and blake3(preamble).hexdigest() in self._refused_preambles:
            self._note(now, _T.MANIFEST_REFUSED, peer, "preamble_refused")
            self._end(source, _E.MANIFEST_REFUSED, "preamble_refused", now)
            return [DropPeer(peer, "preamble_refused"), *self._follow_up(now)]
        if self.manifest is None:
            self.manifest = Manifest(facts=facts, leaves=leaves, preamble=preamble, preamble_from=peer)
            self._open_map(self.manifest, (), now)
            actions.append(KeepManifest(self.manifest))
        if self._trace is not None:
            self._trace.note(now, _T.MANIFEST_ACCEPTED, peer, len(hashes), leaf_bytes, facts.payload_bytes)
        source.on(_E.MANIFEST_ACCEPTED)
        if not source.pace.known and source.metrics.rtt_s is None:
            source.pace.delay_s = min(max(now - source.since, 0.0), MAX_FIRST_DELAY_S)  # the first thing seen of it
        self._add_have(source, have, now)
        return actions + self._follow_up(now)

    def manifest_refused(self, peer: str, code: str, *, now: float, retry_after_s: float | None = None) -> list[Action]:
        """A peer answered the request for its manifest with an error."""
        source = self.sources.get(peer)
        if source is None or source.state is not DownloaderState.NEGOTIATING:
            return []
        source.metrics.refused(now, code)
        self._note(now, _T.MANIFEST_REFUSED, peer, code)
        self._end(source, _E.MANIFEST_REFUSED, code, now)
        return [DropPeer(peer, code, retry_after_s), *self._follow_up(now)]

    def have_received(self, peer: str, ranges: Sequence[tuple[int, int]], now: float) -> list[Action]:
        """A partial seeder holds more leaves."""
        source = self.sources.get(peer)
        if source is None or not source.active:
            return []
        self._add_have(source, ranges, now)
        return self._follow_up(now)

    # ---- events: chunks

    def chunk_received(self, peer: str, offset: int, data: Data, now: float) -> list[Action]:
        """Bytes of the payload. Kept when they complete a leaf that hashes right; the sender is charged when it doesn't."""
        source = self.sources.get(peer)
        if source is None:
            return []
        length = len(data)
        request = source.flight.pop(offset, None)
        asking, judging = self._asking, self._judging
        if asking is None or judging is None:
            source.wasted_bytes += length
            self.statistics.duplicate_bytes += length
            return []
        if request is None or request.length != length:
            actions = []
            if request is not None:  # it answered with another length than was asked for
                actions = asking.failed(source, request, now)
            return [*actions, *judging.uninvited(source, offset, data, now), *self._follow_up(now)]
        source.answered(request, now)
        if not source.flight:
            source.on(_E.FLIGHT_EMPTY)
        if self._trace is not None:
            waited = now - request.asked_at
            self._trace.note(now, _T.CHUNK_RECEIVED, peer, request.leaf, offset, length, waited)
        actions = judging.take_in(source, request, data, now)
        asking.wake(source)
        self.policy.arrived(source, request, now)
        return actions + self._follow_up(now)

    def chunk_refused(
        self, peer: str, offset: int, code: str, *, now: float, retry_after_s: float | None = None
    ) -> list[Action]:
        """A peer would not or could not serve a range (`code` of ChunkError, or of an error reply)."""
        source = self.sources.get(peer)
        request = source.flight.pop(offset, None) if source is not None else None
        asking, board = self._asking, self.board
        if source is None or request is None or asking is None or board is None:
            return []
        source.metrics.refused(now, code)
        if self._trace is not None:
            waited = now - request.asked_at
            self._trace.note(now, _T.CHUNK_ERROR, peer, request.leaf, offset, request.length, waited, code)
        actions = asking.failed(source, request, now)
        match code:
            case ChunkError.RATE_LIMITED:
                source.refusals += 1
                if retry_after_s is not None and retry_after_s > MAX_PAUSE_S:
                    # It takes no part for so long: kept, it would make a transfer that nobody feeds look as if it moved.
                    actions += self._drop(source, _E.TIMED_OUT, code, now, retry_after_s)
                    return actions + self._follow_up(now)
                pause = min(RATE_LIMITED_S * 2 ** min(source.refusals - 1, 5), MAX_PAUSE_S)
                source.retry_at = now + (retry_after_s if retry_after_s is not None else pause)
                if self._trace is not None:
                    self._trace.note(now, _T.PEER_PAUSED, peer, duration_s=source.retry_at - now, code=code)
            case ChunkError.NOT_FOUND | ChunkError.POLICY_VIOLATION:
                if code == ChunkError.NOT_FOUND:
                    actions += self._not_delivered(source, now)
                actions += self._drop(source, _E.CANCELLED, code, now)
            case ChunkError.INVALID_RANGE:
                for leaf in range(request.leaf, request.leaf + request.leaves):
                    board.holds_not(source, leaf)
                actions += self._not_delivered(source, now)
                source.unheld += 1
                if source.unheld >= MAX_UNHELD:
                    actions += self._drop(source, _E.TIMED_OUT, code, now)
            case ChunkError.IO_ERROR:
                actions += self._not_delivered(source, now)
                actions += self._strike(source, code, now)
            case _:
                actions += self._strike(source, code, now)
        if not source.ended:
            asking.wake(source)
        return actions + self._follow_up(now)

    def leaf_offered(self, giver: str, leaf: int, data: Data, now: float) -> list[Action] | None:
        """A whole leaf of a stream that runs beside: verified like any other. None: it is not this payload's. To be told once leaves can be written."""
        if self._judging is None or not self.storage:
            raise ValueError("leaves can't be written yet")
        if self.completed:
            return []
        source = self._beside.get(giver)
        if source is None:
            source = Source(peer=giver, since=now)
        actions = self._judging.offered(source, leaf, data, now)
        if actions is None:
            return None
        if giver not in self._beside:
            source.on(_E.MANIFEST_REQUESTED)
            source.on(_E.MANIFEST_ACCEPTED)
            self._beside[giver] = source
            self._note(now, _T.PEER_ADDED, giver, "stream")
        return actions + self._follow_up(now)

    def from_far_end(self) -> None:
        """A stream brings the payload from its beginning: peers are asked from its end on."""
        self._backwards = True
        if self.board is not None:
            self.board.turned()

    def rescues(self, *, active: bool) -> None:
        """What is asked for from now on is as urgent as a rescue, or no more so. Which leaf comes next stays as it is: from the far end."""
        self._rescued = active
        if self._asking is not None:
            self._asking.rescued = active

    @property
    def beside_bytes(self) -> int:
        """Verified bytes that streams beside gave."""
        return sum(source.verified_bytes for source in self._beside.values())

    def progress(self, peer: str, received: int, now: float) -> None:
        """All bytes that ever came from a peer (its link's counter), told at the tick: shows a peer's pace before its chunk is whole."""
        source = self.sources.get(peer)
        if source is None or not source.flight:
            return
        new = source.pace.progressed(received, now)
        if new > 0:
            source.last_byte_at = now
            source.metrics.progressed(now, length=int(new), busy_s=source.pace.busy_s)

    # ---- events: storage and time

    def listen_first(self) -> None:
        """The manifest is persisted and there is room for the data: leaves of streams beside are taken; nobody is asked for any until `storage_ready`."""
        self.storage, self._asks = True, False

    def storage_ready(self, now: float) -> list[Action]:
        """As before, and chunks may be asked for."""
        self.storage = self._asks = True
        return self._follow_up(now)

    def leaf_lost(self, leaf: int, now: float) -> list[Action]:
        """A leaf could not be written: it is missing again."""
        judging = self._judging
        if self.board is not None and self._asking is not None and judging is not None and self.board.map.holds(leaf):
            if self._trace is not None:
                where = self.board.map.offset(leaf), self.board.map.length(leaf)
                self._trace.note(now, _T.LEAF_LOST, judging.senders.get(leaf, ""), leaf, *where, code="write_failed")
            self._asking.put_back(leaf, now)
            judging.senders.pop(leaf, None)
            if self.completed:
                self.completed = False
                for source in (*self.sources.values(), *self._beside.values()):
                    if source.state is DownloaderState.VERIFYING:
                        source.on(_E.WORK_RETURNED)
                        self._asking.wake(source)
        return self._follow_up(now)

    def tick(self, now: float) -> list[Action]:
        """Time passed: timeouts, pauses that end, the end game. To be called about every TICK_S."""
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.state is DownloaderState.NEGOTIATING:
                if now - source.since >= NEGOTIATING_TIMEOUT_S:
                    source.metrics.timed_out(now)
                    actions += self._drop(source, _E.TIMED_OUT, "manifest_timeout", now)
                continue
            if source.retry_at and now >= source.retry_at and self._asking is not None:
                source.retry_at = 0.0
                self._asking.wake(source)
            if not source.flight or now - source.last_byte_at < SOONEST_TIMEOUT_S:
                continue
            if source.silent_s(now) >= TRANSFER_IDLE_S:
                source.metrics.timed_out(now)
                actions += self._drop(source, _E.TIMED_OUT, "timed_out", now)
                continue
            late = [one for one in source.flight.values() if source.overdue(one, now) >= 0]
            if late and self._asking is not None:
                source.metrics.timed_out(now)
                actions += self._asking.take_back(source, late, CancelReason.TIMEOUT, now)
                actions += self._strike(source, "timed_out", now)
        if now - self._reviewed_at >= REVIEW_S:
            self._review(now)
        if self._asking is not None and self.storage and not self.completed:
            for source in self.policy.tick(now):
                self._asking.wake(source)
            self._asking.tick()
        if self._trace is not None and self.policy.rebalances != self._told_rebalances:
            self._told_rebalances = self.policy.rebalances
            self._trace.note(now, _T.DECISION, "", code=Reason.REBALANCED.value)
        return actions + self._follow_up(now)

    def share(self, peer: str, cap: int) -> None:
        """At most `cap` chunks of this session in flight with a peer."""
        source = self.sources.get(peer)
        if source is not None:
            source.cap = max(1, cap)
            if self._asking is not None:
                self._asking.wake(source)

    def urgent(self, ranges: Iterable[UrgentRange]) -> None:
        """These leaves are waited for; replaces what was told before. To be told once the map is open."""
        if self._asking is not None:
            self._asking.urgent = tuple(ranges)
            self.policy.urgent(self._asking.urgent)

    def close(self, reason: CancelReason, now: float) -> list[Action]:
        """End the session: everything in flight is cancelled."""
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.flight or source.active:
                actions.append(CancelChunks(source.peer, (), reason))
            if not source.ended:
                self._end(source, _E.CANCELLED, reason.value, now)
        return actions

    def finished(self) -> None:
        """The file is on disk: the sources' state machines come to their end."""
        for source in (*self.sources.values(), *self._beside.values()):
            if source.state is DownloaderState.VERIFYING:
                source.on(_E.VERIFIED)

    # ---- facts

    @property
    def verified_bytes(self) -> int:
        """Bytes of all leaves held."""
        return self.map.held_bytes if self.map is not None else 0

    @property
    def refetched_bytes(self) -> int:
        """Bytes that were received more than once or in vain."""
        counted = self.statistics
        return counted.duplicate_bytes + counted.bad_bytes + counted.parted_bytes

    def affordable(self, source: Source, now: float) -> bool:
        """False while a rate limit keeps a source from being asked."""
        return self._asking is None or self._asking.affordable(source, now)

    def all_sources(self) -> tuple[Source, ...]:
        """Everybody who took part, those that left included."""
        return (*self.sources.values(), *self._gone.values(), *self._beside.values())

    @property
    def unverified_leaves(self) -> int:
        """Leaves that are held although neither an earlier run left them nor somebody's bytes verified: 0, or something is very wrong."""
        if self.map is None or self._judging is None:
            return 0
        return max(0, self.map.held_count - self._resumed - len(self._judging.senders))

    def sender(self, leaf: int) -> str:
        """Who sent a leaf that was verified in this session; "" for any other."""
        return self._judging.senders.get(leaf, "") if self._judging is not None else ""

    # ---- private: sources

    def _open_map(self, manifest: Manifest, held: Iterable[int], now: float) -> None:
        self.map = PieceMap(
            payload_bytes=manifest.facts.payload_bytes, leaf_bytes=manifest.leaves.leaf_bytes, held=held
        )
        self.board = Board(self.map, self.sources)
        self._asking = Asking(
            self.board,
            self.policy,
            budgets=self.budgets,
            peer_budgets=self._peer_budgets,
            statistics=self.statistics,
            violations=self.violations,
            trace=self._trace,
        )
        self._judging = Judging(
            self.board,
            self._asking,
            manifest,
            statistics=self.statistics,
            trace=self._trace,
            all_sources=self.all_sources,
            drop=lambda source, code, at: self._drop(source, _E.CANCELLED, code, at),
        )
        self._asking.rescued = self._rescued
        self._resumed = self.map.held_count
        if self._backwards:
            self.board.turned()
        self.policy.begin(self.board, now)
        self.urgent((end_of_file(self.map.leaf_count),))

    def _add_have(self, source: Source, ranges: Sequence[tuple[int, int]], now: float) -> None:
        assert self.board is not None
        assert self._asking is not None
        self.board.holds_more(source, ranges)
        if self._trace is not None:
            size = self.board.map.leaf_bytes
            for first, end in ranges:
                self._trace.note(now, _T.PEER_HAVE, source.peer, offset=first * size, length=(end - first) * size)
        if self._judging is not None:
            self._judging.part_from_corrupt(now)
        self.policy.joined(source, now)
        self._asking.wake(source)

    def _not_delivered(self, source: Source, now: float) -> list[Action]:
        """It advertised what it does not have: charged once."""
        if source.undelivered:
            return []
        source.undelivered = True
        self._note(now, _T.PEER_CHARGED, source.peer, Charge.NOT_DELIVERED.value)
        return [ChargePeer(source.peer, Charge.NOT_DELIVERED)]

    def _strike(self, source: Source, code: str, now: float) -> list[Action]:
        source.strikes += 1
        if source.strikes < MAX_STRIKES or source.ended:
            return []
        return self._drop(source, _E.TIMED_OUT, code, now)

    def _drop(
        self, source: Source, event: DownloaderEvent, code: str, now: float, retry_after_s: float | None = None
    ) -> list[Action]:
        if source.ended:
            return []
        cancel: list[Action] = [CancelChunks(source.peer, (), CancelReason.ERROR)] if source.flight else []
        self._end(source, event, code, now)
        return [*cancel, DropPeer(source.peer, code, retry_after_s)]

    def _end(self, source: Source, event: DownloaderEvent, code: str, now: float) -> None:
        source.on(event)
        source.code = code
        requests = list(source.flight.values())
        source.flight.clear()
        for request in requests:
            source.recall(request, now)
        source.recalled.clear()
        if self.board is not None and self._asking is not None:
            self.board.gone(source)
            self._asking.retired(source)
            for request in requests:
                for leaf in range(request.leaf, request.leaf + request.leaves):
                    self._asking.give_back(source, leaf, now)
            self.policy.left(source, now)
        source.parts.clear()
        self._gone[source.peer] = self.sources.pop(source.peer)
        self._note(now, _T.PEER_GONE, source.peer, code)

    def _review(self, now: float) -> None:
        """Reputations change while a transfer runs: whom the policy shuns is asked anew now and then."""
        self._reviewed_at = now
        for source in self.sources.values():
            source.reputation = self._book.reputation_of(source.peer, now)
            before = source.tainted
            source.shunned, source.barred = self.policy.shuns(source.reputation), self.policy.bars(source.reputation)
            if source.tainted != before and self.board is not None and self._asking is not None:
                self.board.tainted(source, before=before)
                self._asking.wake(source)

    # ---- private: what follows

    def _follow_up(self, now: float) -> list[Action]:
        """After any event: complete, ask, or say why nothing can be asked."""
        board, asking = self.board, self._asking
        if board is None or asking is None or not self.storage or self.completed:
            return self._note_waiting("" if self.completed else self._reason(now), now)
        if board.map.complete:
            return self._complete(now)
        actions = asking.fill(now) if asking.awake and self._asks else []
        if board.flying:
            return actions + self._note_waiting("", now) if self.waiting else actions
        return actions + self._note_waiting(self._reason(now), now)

    def _complete(self, now: float) -> list[Action]:
        self.completed = True
        if self.unverified_leaves:
            self.violations[UNVERIFIED] += 1
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.state is DownloaderState.NEGOTIATING:
                self._end(source, _E.CANCELLED, CancelReason.COMPLETE.value, now)
                actions.append(CancelChunks(source.peer, (), CancelReason.COMPLETE))
                continue
            requests = list(source.flight.values())
            source.flight.clear()
            for request in requests:
                source.recall(request, now)
            source.parts.clear()
            source.on(_E.PAYLOAD_WHOLE)
            actions.append(CancelChunks(source.peer, (), CancelReason.COMPLETE))
        for source in self._beside.values():
            source.on(_E.PAYLOAD_WHOLE)
        return [*self._note_waiting("", now), *actions, Completed()]

    def _note_waiting(self, code: str, now: float) -> list[Action]:
        if code == self.waiting:
            return []
        self.waiting = code
        self._note(now, _T.WAITING, "", code)
        return [Waiting(code)]

    def _reason(self, now: float) -> str:
        """Why nothing moves; "" while something does or will by itself."""
        if self.completed:
            return ""
        return waits_for(
            self.sources.values(), self._gone.values(), board=self.board if self.storage else None, now=now
        )

    # ---- private: trace

    def _note(self, now: float, action: TraceAction, peer: str, code: str) -> None:
        if self._trace is not None:
            self._trace.note(now, action, peer, code=code)
