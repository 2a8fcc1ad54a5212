"""One payload, many peers: what to ask of whom, what to believe, when it is whole.

Theory. A session starts with nothing but a root. The first peer whose manifest hashes to that root tells the leaf hashes; from then on every
leaf is believed alone, whoever sends it. A missing leaf belongs to at most one peer; the rarest leaves are asked first, the fastest peers
choose first. When no leaf is free any more, an idle peer takes over a leaf whose owner would need much longer than itself (end game); whichever
copy arrives first counts, the other is cancelled. A bad leaf is charged to its sender and goes back. Its sender is from then on asked only for
what no untainted peer holds, a bounded number of times, and is parted from exactly the leaves it sent: each is fetched again as soon as an
untainted peer holds it. (Their hashes are right; this costs bytes and makes "nothing in this file is from a corrupt peer" a fact wherever
there is a choice.)

Events are methods that take `now` (monotonic seconds) and return the actions to carry out, in order. The session does no I/O, never raises
because of a peer, and either completes or says why it waits (`waiting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from blake3 import blake3

from apps.domain.audio.payload import PayloadFacts, verify_leaf
from overlay_node.protocol.limits import (
    MAX_CANCEL_RANGES,
    MAX_CHUNK_BYTES,
    MAX_PRIORITY,
    NEGOTIATING_TIMEOUT_S,
    TRANSFER_IDLE_S,
)
from overlay_node.protocol.messages import CancelReason, ChunkError
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.states import DownloaderEvent, DownloaderState
from overlay_node.swarm.actions import (
    Action,
    AskChunk,
    AskManifest,
    CancelChunks,
    Charge,
    ChargePeer,
    Completed,
    DropPeer,
    KeepManifest,
    Manifest,
    StoreLeaf,
    Waiting,
)
from overlay_node.swarm.belief import believed_leaves
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.flight import Request
from overlay_node.swarm.piece_map import PieceMap, leaves_of
from overlay_node.swarm.source import MAX_BAD_TRIES, MAX_STRIKES, Data, Source

TICK_S: Final = 0.25
"""How often the runner should call `tick` while a session runs: bounds how late a timeout or an end-game take-over is."""
STEAL_FACTOR: Final = 2.0  # a leaf is taken over when its owner needs this many times as long as the taker
STEAL_FLOOR_S: Final = 0.1  # and at least so much longer: below, a duplicate costs more than it saves
RATE_LIMITED_S: Final = 1.0  # pause after rate_limited without retry_after_s; doubles, at most 30 s
MAX_PAUSE_S: Final = 30.0
NORMAL_PRIORITY: Final = (
    5  # PROTOCOL-FACTS: normal 5, retry 6, +3 first and last chunk, +2 when > 90 % is done, at most 10
)

WAIT_NO_SOURCE: Final = "no_source"
WAIT_INCOMPLETE: Final = "sources_incomplete"
WAIT_ONLY_BAD: Final = "only_bad_sources"

_E = DownloaderEvent


class SwarmSession:
    """The download of one payload. `held` are leaves already verified on disk (only with `manifest`)."""

    def __init__(
        self,
        key: PayloadKey,
        *,
        manifest: Manifest | None = None,
        held: Iterable[int] = (),
        refused_preambles: frozenset[str] = frozenset(),
        budgets: Sequence[TokenBucket] = (),
    ) -> None:
        self.key: Final = key
        self.manifest = manifest
        self.sources: Final[dict[str, Source]] = {}
        self.map: PieceMap | None = None
        self.waiting = ""
        self.completed = False
        self.refetched_bytes = 0
        """bytes that were received more than once or in vain"""
        self._refused_preambles: Final = refused_preambles
        """BLAKE3 (hex) of preambles that did not fit this payload"""
        self._budgets: Final = tuple(budgets)
        """bytes a second; shared with other sessions"""
        self._storage = manifest is not None
        self._availability: list[int] = []
        self._order: list[int] = []
        self._order_stale = True
        self._retried: set[int] = set()
        self._senders: Final[dict[int, str]] = {}
        """who sent each leaf that was verified in this session"""
        self._gone: Final[dict[str, Source]] = {}
        if manifest is not None:
            self._open_map(manifest, held)

    # ---- events: peers

    def peer_added(self, peer: str, now: float) -> list[Action]:
        """A linked peer claims this payload: ask it for the manifest. Nothing happens when it takes part already."""
        if peer in self.sources or self.completed:
            return []
        past = self._gone.pop(peer, None)
        source = Source(peer=peer, since=now)
        if past is not None:  # its past counts: leaving and coming back washes nothing clean
            source.bad_leaves, source.bad_tries, source.bad_retry_at = (
                past.bad_leaves,
                past.bad_tries,
                past.bad_retry_at,
            )
            source.verified_leaves, source.verified_bytes = past.verified_leaves, past.verified_bytes
            source.wasted_bytes, source.speed_bps = past.wasted_bytes, past.speed_bps
        self.sources[peer] = source
        source.on(_E.MANIFEST_REQUESTED)
        return [AskManifest(peer), *self._follow_up(now)]

    def peer_gone(self, peer: str, now: float) -> list[Action]:
        """The link to a peer ended."""
        source = self.sources.get(peer)
        if source is None:
            return []
        if source.ended:  # after the completion there is nothing to abort
            self._gone[peer] = self.sources.pop(peer)
        else:
            self._end(source, _E.DISCONNECTED, "disconnected")
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
        """A peer's manifest: believed when it hashes to the root that was asked for, charged otherwise."""
        source = self.sources.get(peer)
        if source is None or source.state is not DownloaderState.NEGOTIATING:
            return []
        actions: list[Action] = []
        leaves = believed_leaves(self.key, facts, hashes, leaf_bytes=leaf_bytes, preamble=preamble)
        if leaves is None:
            actions += [ChargePeer(peer, Charge.BAD_MANIFEST), DropPeer(peer, Charge.BAD_MANIFEST.value)]
            self._end(source, _E.MANIFEST_REFUSED, Charge.BAD_MANIFEST.value)
            return actions + self._follow_up(now)
        if self.manifest is None and blake3(preamble).hexdigest() in self._refused_preambles:
            self._end(source, _E.MANIFEST_REFUSED, "preamble_refused")
            return [DropPeer(peer, "preamble_refused"), *self._follow_up(now)]
        if self.manifest is None:
            self.manifest = Manifest(facts=facts, leaves=leaves, preamble=preamble, preamble_from=peer)
            self._open_map(self.manifest, ())
            actions.append(KeepManifest(self.manifest))
        source.on(_E.MANIFEST_ACCEPTED)
        self._add_have(source, have)
        return actions + self._follow_up(now)

    def manifest_refused(self, peer: str, code: str, *, now: float, retry_after_s: float | None = None) -> list[Action]:
        """A peer answered the request for its manifest with an error."""
        source = self.sources.get(peer)
        if source is None or source.state is not DownloaderState.NEGOTIATING:
            return []
        self._end(source, _E.MANIFEST_REFUSED, code)
        return [DropPeer(peer, code, retry_after_s), *self._follow_up(now)]

    def have_received(self, peer: str, ranges: Sequence[tuple[int, int]], now: float) -> list[Action]:
        """A partial seeder holds more leaves."""
        source = self.sources.get(peer)
        if source is None or not source.active:
            return []
        self._add_have(source, ranges)
        return self._follow_up(now)

    # ---- events: chunks

    def chunk_received(self, peer: str, offset: int, data: Data, now: float) -> list[Action]:
        """Bytes of the payload. Kept when they complete a leaf that hashes right; the sender is charged when it doesn't."""
        source = self.sources.get(peer)
        if source is None:
            return []
        request = source.flight.pop(offset, None)
        if request is None or self.map is None or request.length != len(data):
            source.wasted_bytes += len(data)
            self.refetched_bytes += len(data)
            return []
        source.arrived(request, now)
        source.on(_E.CHUNK_RECEIVED if source.flight else _E.FLIGHT_EMPTY)
        leaf = request.leaf
        if self.map.holds(leaf):
            source.wasted_bytes += len(data)
            self.refetched_bytes += len(data)
            source.parts.pop(leaf, None)
            return self._follow_up(now)
        whole = source.leaf_of(request, data, leaf_length=self.map.length(leaf))
        if whole is None:
            return self._follow_up(now)
        return self._judge(source, leaf, whole, now) + self._follow_up(now)

    def chunk_refused(
        self, peer: str, offset: int, code: str, *, now: float, retry_after_s: float | None = None
    ) -> list[Action]:
        """A peer would not or could not serve a range (`code` of ChunkError, or of an error reply)."""
        source = self.sources.get(peer)
        request = source.flight.pop(offset, None) if source is not None else None
        if source is None or request is None or self.map is None:
            return []
        source.on(_E.CHUNK_RECEIVED if source.flight else _E.FLIGHT_EMPTY)
        self._give_back(source, request.leaf)
        actions: list[Action] = []
        match code:
            case ChunkError.RATE_LIMITED:
                source.refusals += 1
                if retry_after_s is not None and retry_after_s > MAX_PAUSE_S:
                    # It takes no part for so long: kept, it would make a transfer that nobody feeds look as if it moved.
                    actions += self._drop(source, _E.TIMED_OUT, code, retry_after_s)
                    return actions + self._follow_up(now)
                pause = min(RATE_LIMITED_S * 2 ** min(source.refusals - 1, 5), MAX_PAUSE_S)
                source.retry_at = now + (retry_after_s if retry_after_s is not None else pause)
            case ChunkError.NOT_FOUND | ChunkError.POLICY_VIOLATION:
                actions += self._drop(source, _E.CANCELLED, code)
            case ChunkError.INVALID_RANGE:
                self._remove_have(source, request.leaf)
                actions += self._strike(source, code)
            case _:
                actions += self._strike(source, code)
        return actions + self._follow_up(now)

    # ---- events: storage and time

    def storage_ready(self, now: float) -> list[Action]:
        """The manifest is persisted and there is room for the data: chunks may be asked for."""
        self._storage = True
        return self._follow_up(now)

    def leaf_lost(self, leaf: int, now: float) -> list[Action]:
        """A leaf could not be written: it is missing again."""
        if self.map is not None and self.map.holds(leaf):
            self.map.lose(leaf)
            self._senders.pop(leaf, None)
            self._order_stale = True
            if self.completed:
                self.completed = False
                for source in self.sources.values():
                    if source.state is DownloaderState.VERIFYING:
                        source.on(_E.WORK_RETURNED)
        return self._follow_up(now)

    def tick(self, now: float) -> list[Action]:
        """Time passed: timeouts, pauses that end, the end game. To be called about every TICK_S."""
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.state is DownloaderState.NEGOTIATING and now - source.since >= NEGOTIATING_TIMEOUT_S:
                actions += self._drop(source, _E.TIMED_OUT, "manifest_timeout")
                continue
            if source.flight and source.silent_s(now) >= TRANSFER_IDLE_S:
                actions += self._drop(source, _E.TIMED_OUT, "timed_out")
                continue
            late = [one for one in source.flight.values() if source.overdue(one, now) >= 0]
            shared = [one for one in late if self._others_with(one.leaf, source)]
            if shared:  # nobody else has the rest: waiting for it costs nothing
                actions += self._take_back(source, shared, CancelReason.TIMEOUT)
                actions += self._strike(source, "timed_out")
        return actions + self._follow_up(now)

    def share(self, peer: str, cap: int) -> None:
        """At most `cap` chunks of this session in flight with a peer."""
        if peer in self.sources:
            self.sources[peer].cap = max(1, cap)

    def close(self, reason: CancelReason) -> list[Action]:
        """End the session: everything in flight is cancelled."""
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.flight or source.active:
                actions.append(CancelChunks(source.peer, (), reason))
            if not source.ended:
                self._end(source, _E.CANCELLED, reason.value)
        return actions

    def finished(self) -> None:
        """The file is on disk: the sources' state machines come to their end."""
        for source in self.sources.values():
            if source.state is DownloaderState.VERIFYING:
                source.on(_E.VERIFIED)

    # ---- facts

    @property
    def verified_bytes(self) -> int:
        """Bytes of all leaves held."""
        return self.map.held_bytes if self.map is not None else 0

    def all_sources(self) -> tuple[Source, ...]:
        """Everybody who took part, those that left included."""
        return (*self.sources.values(), *self._gone.values())

    # ---- private: belief

    def _judge(self, source: Source, leaf: int, data: Data, now: float) -> list[Action]:
        """A whole leaf of one sender: hold it or charge it."""
        assert self.map is not None
        assert self.manifest is not None
        if not verify_leaf(memoryview(data), self.manifest.leaves.hashes[leaf]):
            source.note_bad(leaf, len(data), now)
            self.refetched_bytes += len(data)
            self._give_back(source, leaf)
            self._part_from_corrupt()
            actions: list[Action] = [ChargePeer(source.peer, Charge.BAD_LEAF)]
            if source.hopeless:
                actions += self._drop(source, _E.CANCELLED, "corrupt")
            return actions
        if source.quarantined and self._others_with(leaf, source):  # asked for before it proved corrupt
            source.wasted_bytes += len(data)
            self.refetched_bytes += len(data)
            self._give_back(source, leaf)
            return []
        self.map.hold(leaf)
        self._senders[leaf] = source.peer
        source.verified_leaves += 1
        source.verified_bytes += len(data)
        actions = [StoreLeaf(source.peer, leaf, self.map.offset(leaf), data)]
        for other in self.sources.values():
            doubles = [one for one in other.flight.values() if one.leaf == leaf]
            if doubles and other is not source:
                actions += self._take_back(other, doubles, CancelReason.SWARM_REBALANCED)
        return actions

    # ---- private: sources

    def _open_map(self, manifest: Manifest, held: Iterable[int]) -> None:
        self.map = PieceMap(
            payload_bytes=manifest.facts.payload_bytes, leaf_bytes=manifest.leaves.leaf_bytes, held=held
        )
        self._availability = [0] * self.map.leaf_count
        self._order_stale = True

    def _add_have(self, source: Source, ranges: Sequence[tuple[int, int]]) -> None:
        assert self.map is not None
        for leaf in leaves_of(ranges, leaf_count=self.map.leaf_count) - source.have:
            source.have.add(leaf)
            self._availability[leaf] += 1
        self._order_stale = True
        self._part_from_corrupt()

    def _part_from_corrupt(self) -> None:
        """Leaves of peers that proved corrupt are missing again where an untainted peer holds them."""
        assert self.map is not None
        corrupt = {source.peer: source for source in self.all_sources() if source.quarantined}
        if not corrupt or self.completed:
            return
        for leaf, sender in list(self._senders.items()):
            if sender in corrupt and any(other.clean_for(leaf) for other in self.sources.values()):
                length = self.map.length(leaf)
                self.map.lose(leaf)
                del self._senders[leaf]
                corrupt[sender].parted_from(length)
                self.refetched_bytes += length
                self._order_stale = True

    def _remove_have(self, source: Source, leaf: int) -> None:
        if leaf in source.have:
            source.have.discard(leaf)
            self._availability[leaf] -= 1
            self._order_stale = True

    def _others_with(self, leaf: int, source: Source) -> bool:
        return any(other is not source and other.clean_for(leaf) for other in self.sources.values())

    def _give_back(self, source: Source, leaf: int) -> None:
        """The leaf is nobody's again, and what this sender brought of it is dropped."""
        assert self.map is not None
        source.parts.pop(leaf, None)
        self._retried.add(leaf)
        if self.map.owner(leaf) != source.peer:
            return
        self.map.release(leaf)
        self._order_stale = True
        for other in self.sources.values():
            if other is not source and any(one.leaf == leaf for one in other.flight.values()):
                self.map.assign(leaf, other.peer)  # it was taken over from this one, whose answer may still come
                return

    def _take_back(self, source: Source, requests: list[Request], reason: CancelReason) -> list[Action]:
        """Cancel some requests of a source (and the other chunks of their leaves)."""
        leaves = {request.leaf for request in requests}
        taken = [one for one in source.flight.values() if one.leaf in leaves]
        for request in taken:
            del source.flight[request.offset]
        for leaf in leaves:
            self._give_back(source, leaf)
        if not source.flight and source.state is DownloaderState.REQUESTING:
            source.on(_E.FLIGHT_EMPTY)
        ranges = tuple((one.offset, one.offset + one.length) for one in taken)
        return [
            CancelChunks(source.peer, ranges[at : at + MAX_CANCEL_RANGES], reason)
            for at in range(0, len(ranges), MAX_CANCEL_RANGES)
        ]

    def _strike(self, source: Source, code: str) -> list[Action]:
        source.strikes += 1
        if source.strikes < MAX_STRIKES or source.ended:
            return []
        return self._drop(source, _E.TIMED_OUT, code)

    def _drop(
        self, source: Source, event: DownloaderEvent, code: str, retry_after_s: float | None = None
    ) -> list[Action]:
        cancel: list[Action] = [CancelChunks(source.peer, (), CancelReason.ERROR)] if source.flight else []
        self._end(source, event, code)
        return [*cancel, DropPeer(source.peer, code, retry_after_s)]

    def _end(self, source: Source, event: DownloaderEvent, code: str) -> None:
        source.on(event)
        source.code = code
        for request in list(source.flight.values()):
            self._give_back(source, request.leaf)
        source.flight.clear()
        source.parts.clear()
        for leaf in source.have:
            self._availability[leaf] -= 1
        source.have.clear()
        self._order_stale = True
        self._gone[source.peer] = self.sources.pop(source.peer)

    # ---- private: what to ask

    def _follow_up(self, now: float) -> list[Action]:
        """After any event: complete, ask, or say why nothing can be asked."""
        if self.map is None or not self._storage or self.completed:
            return self._note_waiting("" if self.completed else self._reason(now))
        if self.map.complete:
            return self._complete()
        actions = self._ask(now)
        return actions + self._note_waiting(self._reason(now))

    def _complete(self) -> list[Action]:
        self.completed = True
        actions: list[Action] = []
        for source in list(self.sources.values()):
            if source.state is DownloaderState.NEGOTIATING:
                self._end(source, _E.CANCELLED, CancelReason.COMPLETE.value)
                actions.append(CancelChunks(source.peer, (), CancelReason.COMPLETE))
                continue
            source.flight.clear()
            source.parts.clear()
            source.on(_E.PAYLOAD_WHOLE)
            actions.append(CancelChunks(source.peer, (), CancelReason.COMPLETE))
        return [*self._note_waiting(""), *actions, Completed()]

    def _note_waiting(self, code: str) -> list[Action]:
        if code == self.waiting:
            return []
        self.waiting = code
        return [Waiting(code)]

    def _reason(self, now: float) -> str:
        """Why nothing moves; "" while something does or will by itself."""
        if self.completed:
            return ""
        if not self.sources:
            return WAIT_ONLY_BAD if any(source.quarantined for source in self._gone.values()) else WAIT_NO_SOURCE
        if self.map is None or not self._storage:
            return ""
        for source in self.sources.values():
            if source.flight or source.state is DownloaderState.NEGOTIATING or source.retry_at > now:
                return ""
        held_by_somebody = False
        for leaf in self.map.missing():
            for source in self.sources.values():
                if leaf not in source.have:
                    continue
                if source.clean_for(leaf) or source.bad_tries.get(leaf, 0) < MAX_BAD_TRIES:
                    return ""
                held_by_somebody = True
        return WAIT_ONLY_BAD if held_by_somebody else WAIT_INCOMPLETE

    def _ask(self, now: float) -> list[Action]:
        """Fill the windows, fastest peers first, one chunk each in turn; then the end game."""
        assert self.map is not None
        self._refresh_order()
        actions: list[Action] = []
        chunk = min(self.map.leaf_bytes, MAX_CHUNK_BYTES)
        ready = [source for source in self.sources.values() if source.active and now >= source.retry_at]
        ready.sort(key=lambda source: (source.quarantined, -(source.speed_bps or 0.0), source.peer))
        turn = ready
        while turn:
            again = []
            for source in turn:
                if len(source.flight) >= source.window(chunk):
                    continue
                leaf = self._next_leaf(source, now)
                if leaf is None:
                    continue
                asked = self._ask_leaf(source, leaf, now)
                if not asked:
                    return actions  # the budget of bytes is spent
                actions += asked
                again.append(source)
            turn = again
        for source in ready:
            if not source.flight and source.speed_bps is not None:
                actions += self._take_over(source, now)
        if self.map.free_count == 0:
            for source in ready:
                if source.state is DownloaderState.REQUESTING:
                    source.on(_E.NOTHING_LEFT)
        return actions

    def _refresh_order(self) -> None:
        assert self.map is not None
        if self._order_stale:
            self._order = sorted(self.map.free(), key=lambda leaf: (self._availability[leaf], leaf))
            self._order_stale = False

    def _next_leaf(self, source: Source, now: float) -> int | None:
        """The rarest free leaf that this source may be asked for."""
        assert self.map is not None
        taken = 0
        for at, leaf in enumerate(self._order):
            if self.map.holds(leaf) or self.map.owner(leaf) is not None:
                taken += 1
                continue
            if source.clean_for(leaf) or (source.may_retry(leaf, now) and not self._others_with(leaf, source)):
                # Entries that are taken are not skipped again and again. One that is given back makes the order stale.
                if taken == at:
                    del self._order[:at]
                elif taken > 64:
                    self._order_stale = True
                    self._refresh_order()
                return leaf
        return None

    def _ask_leaf(self, source: Source, leaf: int, now: float) -> list[Action]:
        """Ask for all chunks of a leaf; nothing when the budget of bytes is spent."""
        assert self.map is not None
        length = self.map.length(leaf)
        if any(bucket.level(now) <= 0 for bucket in self._budgets):
            return []
        for bucket in self._budgets:
            bucket.take_debt(now, length)
        if self.map.owner(leaf) is None:
            self.map.assign(leaf, source.peer)
        actions: list[Action] = []
        start, end = self.map.offset(leaf), self.map.offset(leaf) + length
        priority = self._priority(leaf)
        for offset in range(start, end, MAX_CHUNK_BYTES):
            size = min(MAX_CHUNK_BYTES, end - offset)
            deadline_ms = source.deadline_ms(size)
            source.flight[offset] = Request(leaf, offset, size, asked_at=now, timeout_s=2 * deadline_ms / 1000)
            actions.append(AskChunk(source.peer, offset, size, priority, deadline_ms))
        source.on(_E.CHUNK_REQUESTED)
        return actions

    def _priority(self, leaf: int) -> int:
        assert self.map is not None
        value = NORMAL_PRIORITY + (1 if leaf in self._retried else 0)
        if leaf in {0, self.map.leaf_count - 1}:
            value += 3
        if self.map.held_count * 10 > self.map.leaf_count * 9:
            value += 2
        return min(value, MAX_PRIORITY)

    def _take_over(self, taker: Source, now: float) -> list[Action]:
        """End game: an idle source asks for the leaf that its owner would bring last, when that pays."""
        assert self.map is not None
        assert taker.speed_bps is not None
        best: tuple[float, int, Source] | None = None
        for owner in self.sources.values():
            if owner is taker:
                continue
            for request in owner.flight.values():
                if not taker.clean_for(request.leaf) or self.map.owner(request.leaf) != owner.peer:
                    continue
                if (
                    sum(request.leaf in {one.leaf for one in other.flight.values()} for other in self.sources.values())
                    > 1
                ):
                    continue
                late = owner.remaining_s(request, now)
                own = self.map.length(request.leaf) / max(taker.speed_bps, 1.0)
                if late > STEAL_FACTOR * own + STEAL_FLOOR_S and (best is None or late > best[0]):
                    best = (late, request.leaf, owner)
        if best is None:
            return []
        leaf = best[1]
        self.map.release(leaf)
        self._retried.add(leaf)
        asked = self._ask_leaf(taker, leaf, now)
        if not asked:
            self.map.assign(leaf, best[2].peer)
        return asked
