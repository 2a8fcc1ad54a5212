"""A downloading node: drives real swarm sessions as `overlay_node.services.{swarms,swarm_runner}` do, with the lab's links and clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from apps.domain.swarm.trace import TraceAction, TraceSink
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
    split_leaf_hashes,
)
from overlay_node.services.swarm_runner import MAX_RETRY_PEER_S, NEVER_AGAIN, RETRY_PEER_S
from overlay_node.services.swarms import MAX_RUNNING, link_share
from overlay_node.swarm.actions import (
    Action,
    AskChunk,
    AskManifest,
    CancelChunks,
    ChargePeer,
    Completed,
    DropPeer,
    KeepManifest,
    Manifest,
    StoreLeaf,
    Waiting,
)
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import ranges_of
from overlay_node.swarm.session import TICK_S, SwarmSession
from tests.lab.events import EventQueue
from tests.lab.monitors import Monitors
from tests.lab.payloads import LabPayload
from tests.lab.personality import Ranges
from tests.lab.plan import Wanted
from tests.lab.policies import Scheduling
from tests.lab.recording import Recording
from tests.lab.wire import Clock, LabLink

STORAGE_S = 0.002
"""to write a leaf list and make room for the data"""


@dataclass(slots=True, eq=False)
class Run:
    """One payload on its way."""

    transfer_id: str
    payload: LabPayload
    session: SwarmSession
    trace: TraceSink | None = None
    peers: dict[str, None] = field(default_factory=dict)
    never: set[str] = field(default_factory=set)
    retries: dict[str, tuple[float, float]] = field(default_factory=dict)
    """peer → (when again, pause)"""
    stored: dict[int, str] = field(default_factory=dict)
    """leaf → whose bytes lie there"""
    manifest_asked: dict[str, str] = field(default_factory=dict)
    """message id → peer"""
    done_at: float | None = None


class Downloader:
    """All transfers of one node. `finished` is called once, when every payload is whole."""

    def __init__(
        self,
        *,
        name: str,
        queue: EventQueue,
        clock: Clock,
        wanted: Sequence[tuple[LabPayload, Wanted]],
        scheduling: Scheduling,
        new_id: Callable[[], str],
        monitors: Monitors,
        finished: Callable[[], None],
        recording: Recording | None = None,
    ) -> None:
        self.name = name
        self.runs: dict[str, Run] = {}
        self.done: dict[str, Run] = {}
        self.received: Counter[str] = Counter()
        """payload bytes that arrived, by peer"""
        self.parted_bytes = 0
        """of leaves that verified and were fetched again because their sender proved corrupt"""
        self.done_at: float | None = None
        self.storage_errors = 0
        """so many of the next writes fail"""
        self.began_to_hold: Callable[[PayloadKey], None] = lambda _key: None
        """called with the first leaf of a payload"""
        self._queue = queue
        self._clock = clock
        self._wanted = wanted
        self._waiting: deque[tuple[LabPayload, Wanted]] = deque()
        self._recording = recording
        self._scheduling = scheduling
        self._new_id = new_id
        self._monitors = monitors
        self._finished = finished
        self._links: dict[str, LabLink] = {}
        self._claims: dict[str, dict[PayloadKey, None]] = {}
        self._stopped = False
        self._queues: dict[str, deque[ChunkRequest]] = {}
        self._asked: dict[str, dict[str, ChunkRequest]] = {}

    def start(self) -> None:
        """Begin; peers may be linked already."""
        for payload, wanted in self._wanted:
            if wanted.at <= self._queue.now:
                self._waiting.append((payload, wanted))
            else:
                self._queue.at(wanted.at, partial(self._want, payload, wanted))
        self._start_waiting()
        self._queue.after(TICK_S, self._tick)

    def all_runs(self) -> list[Run]:
        """Those that are done, and those under way."""
        return [*self.done.values(), *self.runs.values()]

    def held(self, key: PayloadKey) -> Ranges:
        """Leaves of a payload that lie here."""
        for run in self.all_runs():
            if run.payload.key == key:
                return ranges_of(run.stored)
        return ()

    def restart(self, pause_s: float) -> None:
        """The process ends and starts again: what was verified lies on the disk, all else is forgotten. Links are cut by the caller."""
        self._stopped = True
        self._scheduling.paces.clear()
        self._queues.clear()
        self._asked.clear()
        old, self.runs = self.runs, {}
        self._queue.after(pause_s, lambda: self._resume(old))

    # ---- links

    def link_opened(self, link: LabLink, claims: Iterable[PayloadKey]) -> None:
        """A peer is linked, and claims these payloads."""
        self._links[link.peer] = link
        self._claims[link.peer] = {}
        self.claims_heard(link.peer, claims)

    def claims_heard(self, peer: str, claims: Iterable[PayloadKey]) -> None:
        """A linked peer claims these payloads."""
        if peer not in self._links:
            return
        self._claims[peer].update(dict.fromkeys(claims))
        for run in list(self.runs.values()):
            if run.payload.key in self._claims[peer]:
                run.peers[peer] = None
                if peer not in run.retries:
                    self._add(run, peer)
        self._share()

    def link_ended(self, link: LabLink) -> None:
        """The link is gone."""
        if self._links.get(link.peer) is not link:
            return
        del self._links[link.peer]
        del self._claims[link.peer]
        self._queues.pop(link.peer, None)
        self._asked.pop(link.peer, None)
        for run in list(self.runs.values()):
            run.peers.pop(link.peer, None)
            run.retries.pop(link.peer, None)
            for message_id, peer in list(run.manifest_asked.items()):
                if peer == link.peer:
                    del run.manifest_asked[message_id]
            self._do(run, run.session.peer_gone(link.peer, self._clock.now()))
        self._share()

    def received_message(self, link: LabLink, message: Message, data: Attachment) -> None:
        """What a peer answered or told."""
        match message:
            case ChunkResponse():
                self._chunk(link, message, data)
            case PayloadManifest():
                self._manifest(link, message, data)
            case ErrorReply():
                self._refused(link, message)
            case PayloadHave():
                for run in list(self.runs.values()):
                    if run.payload.key.payload_root == message.payload_root:
                        self._do(run, run.session.have_received(link.peer, message.ranges, self._clock.now()))
            case _:
                pass

    # ---- private: events

    def _chunk(self, link: LabLink, message: ChunkResponse, data: Attachment) -> None:
        self._asked.get(link.peer, {}).pop(message.in_reply_to or "", None)
        self.received[link.peer] += message.length
        run = self.runs.get(message.transfer_id)
        if run is not None:
            now = self._clock.now()
            if message.error_code is None:
                self._do(run, run.session.chunk_received(link.peer, message.offset, data, now))
            else:
                self._do(
                    run,
                    run.session.chunk_refused(
                        link.peer,
                        message.offset,
                        message.error_code.value,
                        now=now,
                        retry_after_s=message.retry_after_s,
                    ),
                )
        self._send_waiting(link.peer)

    def _manifest(self, link: LabLink, message: PayloadManifest, data: Attachment) -> None:
        run = self.runs.get(message.transfer_id)
        if run is None or run.manifest_asked.pop(message.in_reply_to or "", None) is None:
            return
        actions = run.session.manifest_received(
            link.peer,
            run.payload.facts,
            split_leaf_hashes(message, data),
            leaf_bytes=message.leaf_bytes,
            preamble=message.preamble,
            have=message.have,
            now=self._clock.now(),
        )
        self._do(run, actions)

    def _refused(self, link: LabLink, message: ErrorReply) -> None:
        asked = message.in_reply_to or ""
        now = self._clock.now()
        request = self._asked.get(link.peer, {}).pop(asked, None)
        if request is not None and (run := self.runs.get(request.transfer_id)) is not None:
            actions = run.session.chunk_refused(
                link.peer, request.offset, message.code, now=now, retry_after_s=message.retry_after_s
            )
            self._do(run, actions)
        for run in list(self.runs.values()):
            if run.manifest_asked.pop(asked, None) is not None:
                actions = run.session.manifest_refused(
                    link.peer, message.code, now=now, retry_after_s=message.retry_after_s
                )
                self._do(run, actions)
        self._send_waiting(link.peer)

    def _tick(self) -> None:
        if self._stopped:
            return
        now = self._clock.now()
        for run in list(self.runs.values()):
            for peer, (at, pause) in list(run.retries.items()):
                if peer in run.peers and at <= now:
                    run.retries[peer] = (float("inf"), pause)
                    self._add(run, peer)
            for peer in list(run.session.sources):
                if peer in self._links:
                    run.session.progress(peer, self._links[peer].bytes_received, now)
            self._do(run, run.session.tick(now))
            self._monitors.after_tick(self.name, run.session, now)
        if self.done_at is None:
            self._queue.after(TICK_S, self._tick)

    # ---- private: actions

    def _do(self, run: Run, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case AskManifest(peer):
                    self._ask_manifest(run, peer)
                case AskChunk():
                    self._monitors.asked(self.name, run.session, action, self._clock.now())
                    request = ChunkRequest(
                        transfer_id=run.transfer_id,
                        payload_root=run.payload.key.payload_root,
                        offset=action.offset,
                        length=action.length,
                        priority=action.priority,
                        deadline_ms=action.deadline_ms,
                    )
                    self._queues.setdefault(action.peer, deque()).append(request)
                    self._send_waiting(action.peer)
                case CancelChunks():
                    self._cancel(run, action)
                case KeepManifest():
                    self._queue.after(STORAGE_S, lambda: self._storage_ready(run))
                case StoreLeaf():
                    self._store(run, action)
                case ChargePeer():
                    self._monitors.charged(self.name, action)
                case DropPeer(peer=peer, code=code, retry_after_s=retry_after_s):
                    self._drop(run, peer, code, retry_after_s)
                case Waiting():
                    pass
                case Completed():
                    self._complete(run)

    def _store(self, run: Run, action: StoreLeaf) -> None:
        self._monitors.stored(self.name, run.payload, action)
        if self.storage_errors:
            self.storage_errors -= 1
            run.stored.pop(action.leaf, None)
            self._do(run, run.session.leaf_lost(action.leaf, self._clock.now()))
            return
        first = not run.stored
        if action.leaf in run.stored:
            self.parted_bytes += len(action.data)
        run.stored[action.leaf] = action.peer
        if first:
            self.began_to_hold(run.payload.key)

    def _ask_manifest(self, run: Run, peer: str) -> None:
        link = self._links.get(peer)
        if link is None:
            self._queue.after(0.0, lambda: self._manifest_refused(run, peer, "link_closed"))
            return
        request = PayloadRequest(
            message_id=self._new_id(),
            transfer_id=run.transfer_id,
            payload_format=run.payload.key.payload_format,
            payload_root=run.payload.key.payload_root,
        )
        run.manifest_asked[request.message_id] = peer
        try:
            link.send(request)
        except LocalProtocolError as error:
            code = error.code
            del run.manifest_asked[request.message_id]
            self._queue.after(0.0, lambda: self._manifest_refused(run, peer, code))

    def _manifest_refused(self, run: Run, peer: str, code: str) -> None:
        if run.transfer_id in self.runs:
            self._do(run, run.session.manifest_refused(peer, code, now=self._clock.now()))

    def _storage_ready(self, run: Run) -> None:
        if run.transfer_id in self.runs:
            self._do(run, run.session.storage_ready(self._clock.now()))

    def _cancel(self, run: Run, action: CancelChunks) -> None:
        cancel = ChunkCancel(transfer_id=run.transfer_id, ranges=action.ranges, reason_code=action.reason)
        queue = self._queues.get(action.peer, deque())
        self._queues[action.peer] = deque(one for one in queue if not _covers(cancel, one))
        asked = self._asked.get(action.peer, {})
        for message_id, request in list(asked.items()):
            if _covers(cancel, request):
                del asked[message_id]
        link = self._links.get(action.peer)
        if link is not None and link.is_open:
            link.send(cancel)
        self._send_waiting(action.peer)

    def _send_waiting(self, peer: str) -> None:
        queue, link = self._queues.get(peer), self._links.get(peer)
        while (
            queue and link is not None and link.is_open and link.connection.chunks_in_flight < CHUNKS_IN_FLIGHT_ACCEPTED
        ):
            request = queue.popleft()
            self._asked.setdefault(peer, {})[link.send(request)] = request

    def _drop(self, run: Run, peer: str, code: str, retry_after_s: float | None) -> None:
        if code in NEVER_AGAIN:
            run.never.add(peer)
            return
        last = run.retries.get(peer)
        pause = min(last[1] * 2, MAX_RETRY_PEER_S) if last is not None else RETRY_PEER_S
        run.retries[peer] = (self._clock.now() + (retry_after_s or pause), pause)

    # ---- private: life

    def _add(self, run: Run, peer: str) -> None:
        if peer in self._links and peer not in run.never:
            self._do(run, run.session.peer_added(peer, self._clock.now()))

    def _want(self, payload: LabPayload, wanted: Wanted) -> None:
        self._waiting.append((payload, wanted))
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self.runs) < MAX_RUNNING:
            payload, wanted = self._waiting.popleft()
            transfer_id = self._new_id()
            manifest = Manifest(facts=payload.facts, leaves=payload.leaves, preamble=b"") if wanted.held else None
            run = self._run(transfer_id, payload, manifest, dict.fromkeys(sorted(wanted.held), ""))
            self._begin(run)

    def _run(self, transfer_id: str, payload: LabPayload, manifest: Manifest | None, held: dict[int, str]) -> Run:
        trace = self._recording.sink(transfer_id, payload) if self._recording is not None else None
        session = self._scheduling.session(payload.key, manifest=manifest, held=held, trace=trace)
        run = self.runs[transfer_id] = Run(transfer_id, payload, session, trace, stored=held)
        now = self._clock.now()
        if trace is not None:
            trace.note(now, TraceAction.TRANSFER_STARTED, offset=session.verified_bytes, length=payload.size)
        if manifest is not None:
            self._do(run, session.storage_ready(now))
        return run

    def _begin(self, run: Run) -> None:
        for peer, claims in self._claims.items():
            if run.payload.key in claims:
                run.peers[peer] = None
                self._add(run, peer)
        self._share()

    def _resume(self, old: dict[str, Run]) -> None:
        self._stopped = False
        for transfer_id, before in old.items():
            manifest = before.session.manifest
            self._begin(self._run(transfer_id, before.payload, manifest, before.stored if manifest is not None else {}))
        self._queue.after(TICK_S, self._tick)

    def _share(self) -> None:
        """Divide what a link accepts between the transfers that use it."""
        users = Counter(peer for run in self.runs.values() for peer in run.peers)
        for run in self.runs.values():
            for peer in run.peers:
                run.session.share(peer, link_share(users[peer]))

    def _complete(self, run: Run) -> None:
        if not run.session.completed:  # the last leaf could not be written
            return
        run.session.finished()
        run.done_at = self._queue.now
        if run.trace is not None:
            run.trace.note(self._clock.now(), TraceAction.TRANSFER_COMPLETED, length=run.payload.size)
        self.done[run.transfer_id] = self.runs.pop(run.transfer_id)
        self._share()
        self._start_waiting()
        if len(self.done) == len(self._wanted) and self.done_at is None:
            self.done_at = self._queue.now
            self._finished()


def _covers(cancel: ChunkCancel, request: ChunkRequest) -> bool:
    if cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
