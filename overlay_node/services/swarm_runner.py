"""Drives one `SwarmSession`: its actions become messages on links and bytes on disk, messages and time become its events.

A runner owns a transfer's partial file. It ends by itself when the file is whole (`assembled`) or when the disk won't take it (`blocked`); the
reconciler stops it for every other reason. It never decides what to fetch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from apps.domain.audio.payload import PayloadFacts, PayloadFormat
from apps.domain.contracts.node_work import ProgressReport, TransferWork
from apps.domain.errors import DomainError
from apps.domain.mesh.claims import UNDELIVERED_CODES
from apps.domain.swarm.trace import TraceAction, TraceSink
from overlay_node.net.errors import RequestFailed
from overlay_node.ports import Store
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.limits import NEGOTIATING_TIMEOUT_S
from overlay_node.protocol.messages import (
    CancelReason,
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    PayloadManifest,
    PayloadRequest,
    split_leaf_hashes,
)
from overlay_node.services.background import Background
from overlay_node.services.blobs import PartialBlobs
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.runner_ports import ChunkDesk, MeetStreams, NewSession, RunnerState
from overlay_node.services.source_reports import STREAM_PREFIX, givers_of, source_report
from overlay_node.store.piece_store import PieceStore, PieceStoreError, extension_of
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
from overlay_node.swarm.allowance import Allowance
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.session import SwarmSession

log = logging.getLogger(__name__)

NEVER_AGAIN: Final = frozenset({"corrupt", "bad_manifest", "preamble_refused"})
"""Codes of peers that get no second chance in this run."""
RETRY_PEER_S: Final = 10.0  # before a peer that timed out or refused is asked again; doubles, at most 5 min
MAX_RETRY_PEER_S: Final = 300.0
SPEED_WINDOW_S: Final = 3.0


@dataclass(slots=True)
class _Retry:
    at: float
    pause: float


class SwarmRunner:
    """One transfer on its way. All methods are for the loop's thread."""

    def __init__(
        self,
        work: TransferWork,
        *,
        folder: Path,
        store: Store,
        desk: ChunkDesk,
        partials: PartialBlobs,
        deliveries: Deliveries,
        background: Background,
        new_session: NewSession,
        refused_preambles: frozenset[str],
        clock: Callable[[], float],
        ended: Callable[[SwarmRunner], None],
        charged: Callable[[str, Charge], None],
        meet_streams: MeetStreams,
        allowance: Allowance,
        trace: TraceSink | None = None,
    ) -> None:
        self.allowance: Final = allowance
        """what may still be asked of peers"""
        self.stream_bps = 0
        """of the stream that runs beside, to be reported"""
        self.work: Final = work
        self.key: Final = PayloadKey(work.payload_format, work.payload_root)
        self.state = RunnerState.RUNNING
        self.code = ""
        """why it is blocked"""
        self.waiting_since: float | None = None
        self.dirty = True
        """something changed since the last report"""
        self._folder: Final = folder
        self._store: Final = store
        self._desk: Final = desk
        self._partials: Final = partials
        self._deliveries: Final = deliveries
        self._background: Final = background
        self._new_session: Final = new_session
        self._refused_preambles: Final = refused_preambles
        self._clock: Final = clock
        self._ended: Final = ended
        self._charged: Final = charged
        self._meet_streams: Final = meet_streams
        self._trace: Final = trace
        self._session: SwarmSession | None = None
        self._pieces: PieceStore | None = None
        self._peers: set[str] = set()
        self._never: set[str] = set()
        self._undelivered: set[str] = set()
        """charged with not having what they advertised, and not dropped for it yet"""
        self._retries: dict[str, _Retry] = {}
        self._arrivals: deque[tuple[float, int]] = deque()
        self.told_violations = 0
        """how many violations of invariants were logged already"""

    # ---- life

    async def start(self) -> None:
        """Find what an earlier run left, then begin."""
        try:
            opened = await asyncio.to_thread(PieceStore.open, self._folder, root=self.key.payload_root)
        except PieceStoreError as error:
            self._block(error)
            return
        givers = await givers_of(self._store, self.work.id) if opened is not None else {}
        if self.state is not RunnerState.RUNNING:
            if opened is not None:
                opened.store.close()
            return
        if opened is not None and _preamble_hash(opened.store.manifest) in self._refused_preambles:
            await asyncio.to_thread(opened.store.discard)
            opened = None
        if opened is None:
            self._session = self._new_session(None, ())
        else:
            self._pieces = opened.store
            self._partials.add(self.key, opened.store)
            self._session = self._new_session(opened.store.manifest, opened.held)
            self._session.listen_first()
            self._session.recall(givers)
            log.info("transfer_resumed transfer=%s leaves=%d", self.work.id, len(opened.held))
        if self._trace is not None:
            self._trace.note(
                self._clock(),
                TraceAction.TRANSFER_STARTED,
                offset=self._session.verified_bytes,
                length=self.work.payload_bytes,
            )
        if opened is not None:
            # Again: the process may have ended between the leaf list and its row, which then still holds what a peer claimed.
            if not await self._tell_manifest(opened.store.manifest):
                return
            await self._ready(self._session)
        for peer in sorted(self._peers):
            self._add(peer)

    def stop(self, reason: CancelReason) -> None:
        """End without deleting anything: what is on disk is found again."""
        if self.state is RunnerState.RUNNING:
            self._end(RunnerState.STOPPED, reason)

    def close_files(self) -> None:
        """Nobody is served from here any more."""
        if self._pieces is not None:
            self._partials.remove(self.key, self._pieces)
            self._pieces.save_hint()
            self._pieces.close()
            self._pieces = None

    # ---- events

    def peer_available(self, peer: str) -> None:
        """A linked peer claims this payload."""
        self._peers.add(peer)
        if self._session is not None and self.state is RunnerState.RUNNING and peer not in self._retries:
            self._add(peer)

    def peer_gone(self, peer: str) -> None:
        """The link ended."""
        self._peers.discard(peer)
        self._retries.pop(peer, None)
        if self._session is not None and self.state is RunnerState.RUNNING:
            self._do(self._session.peer_gone(peer, self._clock()))

    def share(self, peer: str, cap: int) -> None:
        """At most `cap` chunks of this transfer in flight with a peer."""
        if self._session is not None:
            self._session.share(peer, cap)

    def chunk(self, peer: str, message: ChunkResponse, data: Attachment) -> None:
        """An answer to a chunk request."""
        if self._session is None or self.state is not RunnerState.RUNNING:
            return
        now = self._clock()
        if message.error_code is None:
            self._arrivals.append((now, message.length))
            self._do(self._session.chunk_received(peer, message.offset, data, now))
        else:
            self.chunk_refused(peer, message.offset, message.error_code.value, message.retry_after_s)

    def chunk_refused(self, peer: str, offset: int, code: str, retry_after_s: int | None) -> None:
        """A chunk was refused, by its answer or by an error."""
        if self._session is not None and self.state is RunnerState.RUNNING:
            self._do(self._session.chunk_refused(peer, offset, code, now=self._clock(), retry_after_s=retry_after_s))

    def have(self, peer: str, ranges: tuple[tuple[int, int], ...]) -> None:
        """A partial seeder has more."""
        if self._session is not None and self.state is RunnerState.RUNNING:
            self._do(self._session.have_received(peer, ranges, self._clock()))

    # ---- a stream of another network beside

    @property
    def leaf_hashes(self) -> tuple[bytes, ...] | None:
        """What the payload's leaves hash to; None until peers told, or when nothing is written any more."""
        session = self._session
        if session is None or session.manifest is None or not session.storage or self.state is not RunnerState.RUNNING:
            return None
        return session.manifest.leaves.hashes

    @property
    def held_bytes(self) -> int:
        """Verified, from whomever."""
        return self._session.verified_bytes if self._session is not None else 0

    @property
    def whole(self) -> bool:
        """Every byte is here, and waits for its verdict."""
        return self.state is RunnerState.ASSEMBLED

    @property
    def asked_bytes(self) -> int:
        """What peers were asked for and did not bring yet."""
        return sum(one.flight_bytes for one in self._session.sources.values()) if self._session is not None else 0

    @property
    def stream_bytes(self) -> int:
        """Of those, from streams beside."""
        return self._session.beside_bytes if self._session is not None else 0

    def held(self) -> tuple[tuple[int, int], ...]:
        """Leaves that are here, as half-open ranges."""
        return self._session.map.held() if self._session is not None and self._session.map is not None else ()

    def sent_by(self, leaf: int) -> str:
        """Who gave a leaf in this run; "" when an earlier one left it."""
        return self._session.sender(leaf) if self._session is not None else ""

    def offer(self, user: str, leaf: int, data: bytes) -> bool:
        """A leaf of a Soulseek user's stream. False: it is not this payload's. To be called while there are `leaf_hashes`."""
        assert self._session is not None
        actions = self._session.leaf_offered(STREAM_PREFIX + user, leaf, data, self._clock())
        if actions is None:
            return False
        self.dirty = True
        self._do(actions)
        return True

    def from_far_end(self) -> None:
        """Peers are asked from the payload's end on."""
        if self._session is not None:
            self._session.from_far_end()

    def rescues(self, *, active: bool) -> None:
        """Its requests go before those of other transfers, while a rescue is active."""
        if self._session is not None:
            self._session.rescues(active=active)

    def note_rescue(self, *, begun: bool, code: str) -> None:
        """For its trace."""
        if self._trace is not None:
            action = TraceAction.RESCUE_INVOKED if begun else TraceAction.RESCUE_ENDED
            self._trace.note(self._clock(), action, code=code)

    # ---- time

    def tick(self) -> None:
        """Time passed."""
        if self._session is None or self.state is not RunnerState.RUNNING:
            return
        now = self._clock()
        for peer, retry in list(self._retries.items()):
            if peer in self._peers and retry.at <= now:
                self._add(peer)
        for peer, source in self._session.sources.items():
            if source.flight and (link := self._desk.link_of(peer)) is not None:
                self._session.progress(peer, link.bytes_received, now)
        self._do(self._session.tick(now))

    def save_hint(self) -> None:
        """Coalesced: once a second is enough for a hint."""
        if self._pieces is not None:
            self._pieces.save_hint()

    # ---- facts

    @property
    def session(self) -> SwarmSession | None:
        """For statistics and explanations; None until the folder was looked at."""
        return self._session

    @property
    def waiting(self) -> str:
        """Why nothing flows; "" while it does."""
        return self._session.waiting if self._session is not None else ""

    @property
    def peers(self) -> frozenset[str]:
        """Linked peers that claim this payload."""
        return frozenset(self._peers)

    @property
    def serves(self) -> bool:
        """True once there are leaves to give."""
        return self._pieces is not None and bool(self._pieces.written())

    def beginning(self) -> tuple[Path, int, int] | None:
        """The file, how much of the payload is verified from its start on without a gap, and how many bytes come before it; None before it exists."""
        session, pieces = self._session, self._pieces
        if session is None or session.map is None or pieces is None:
            return None
        first = next(iter(session.map.held()), (0, 0))
        payload = sum(session.map.length(leaf) for leaf in range(*first)) if first[0] == 0 else 0
        return pieces.path, payload, len(pieces.manifest.preamble)

    def report(self) -> ProgressReport:
        """How far it is."""
        session = self._session
        if session is None:
            return ProgressReport(transfer_id=self.work.id, verified_bytes=0, refetched_bytes=0, speed_bps=0)
        return ProgressReport(
            transfer_id=self.work.id,
            verified_bytes=session.verified_bytes,
            refetched_bytes=session.refetched_bytes,
            speed_bps=self._speed(),
            sources=tuple(source_report(source, stream_bps=self.stream_bps) for source in session.all_sources()),
        )

    @property
    def reports(self) -> bool:
        """True once there is something to report that an earlier run did not know better."""
        return self._session is not None and self._session.manifest is not None

    # ---- private: actions

    def _do(self, actions: list[Action]) -> None:
        if actions:
            self.dirty = True
        written = 0
        for at, action in enumerate(actions):
            if self.state is not RunnerState.RUNNING:
                return
            match action:
                case AskManifest(peer):
                    self._background.spawn(self._ask_manifest(peer), "manifest")
                case AskChunk():
                    self._desk.ask_chunk(
                        action.peer,
                        ChunkRequest(
                            transfer_id=str(self.work.id),
                            payload_root=self.key.payload_root,
                            offset=action.offset,
                            length=action.length,
                            priority=action.priority,
                            deadline_ms=action.deadline_ms,
                        ),
                    )
                case CancelChunks(peer=peer, ranges=ranges, reason=reason):
                    self._cancel(peer, ranges, reason)
                case KeepManifest(manifest):
                    self._background.spawn(self._keep(manifest), "keep_manifest")
                case StoreLeaf():
                    if at >= written:
                        written = self._write(actions, at)
                case ChargePeer(peer=peer, charge=charge):
                    log.info("peer_charged transfer=%s peer=%s charge=%s", self.work.id, peer[:8], charge.value)
                    self._charged(peer, charge)
                    if charge is Charge.NOT_DELIVERED:
                        self._deliveries.failed(peer, self.key)
                        self._undelivered.add(peer)
                case DropPeer(peer=peer, code=code, retry_after_s=retry_after_s):
                    self._drop(peer, code, retry_after_s)
                case Waiting(code):
                    self.waiting_since = self._clock() if code else None
                case Completed():
                    if self._trace is not None:
                        length = self._session.verified_bytes if self._session is not None else 0
                        self._trace.note(self._clock(), TraceAction.TRANSFER_COMPLETED, length=length)
                    self._background.spawn(self._finish(), "assemble")

    async def _ask_manifest(self, peer: str) -> None:
        link, session = self._desk.link_of(peer), self._session
        if session is None:
            return
        code, retry_after_s = "link_closed", None
        if link is not None:
            request = PayloadRequest(
                transfer_id=str(self.work.id),
                payload_format=self.key.payload_format,
                payload_root=self.key.payload_root,
            )
            try:
                loop = asyncio.get_running_loop()
                reply = await link.request(request, NEGOTIATING_TIMEOUT_S).asFuture(loop)
            except RequestFailed as error:
                code, retry_after_s = error.code, error.retry_after_s
            except LocalProtocolError as error:
                code = error.code
            else:
                if isinstance(reply.message, PayloadManifest):
                    self._manifest(peer, reply.message, reply.attachment)
                    return
                code = "unexpected_answer"
        if self.state is RunnerState.RUNNING:
            self._do(session.manifest_refused(peer, code, now=self._clock(), retry_after_s=retry_after_s))

    def _manifest(self, peer: str, message: PayloadManifest, attachment: Attachment) -> None:
        if self._session is None or self.state is not RunnerState.RUNNING:
            return
        now = self._clock()
        try:
            hashes = split_leaf_hashes(message, bytes(attachment))
            facts = PayloadFacts(
                PayloadFormat(message.payload_format),
                message.payload_bytes,
                message.sample_rate_hz,
                message.channels,
                message.bits_per_sample,
            )
        except (RemoteProtocolError, ValueError):
            self._charged(peer, Charge.BAD_MANIFEST)
            self._do(self._session.manifest_refused(peer, Charge.BAD_MANIFEST.value, now=now))
            return
        self._do(
            self._session.manifest_received(
                peer,
                facts,
                hashes,
                leaf_bytes=message.leaf_bytes,
                preamble=message.preamble,
                have=message.have,
                now=now,
            )
        )

    async def _keep(self, manifest: Manifest) -> None:
        """Leaf list first, then room for the data, then the row, then the first chunk."""
        extension = extension_of(self.key.payload_format, self.work.profile)
        try:
            pieces = await asyncio.to_thread(PieceStore.create, self._folder, manifest, extension=extension)
        except PieceStoreError as error:
            self._block(error)
            return
        if self.state is not RunnerState.RUNNING or self._session is None:
            pieces.close()
            return
        self._pieces = pieces
        self._partials.add(self.key, pieces)
        if await self._tell_manifest(manifest):
            await self._ready(self._session)

    async def _ready(self, session: SwarmSession) -> None:
        """What streams beside have comes first, however fast the mesh is; then peers are asked."""
        session.listen_first()
        await self._meet_streams(self)
        if self.state is RunnerState.RUNNING:
            self._do(session.storage_ready(self._clock()))

    async def _tell_manifest(self, manifest: Manifest) -> bool:
        """Write the proven sizes to the row. True: go on."""
        try:
            await self._store.transfer_manifest(
                self.work.id,
                payload_bytes=manifest.facts.payload_bytes,
                leaf_bytes=manifest.leaves.leaf_bytes,
                preamble_bytes=len(manifest.preamble),
                preamble=_preamble_hash(manifest) if manifest.preamble else "",
                preamble_from=manifest.preamble_from,
            )
        except DomainError as error:
            self._block(error)
        return self.state is RunnerState.RUNNING

    def _write(self, actions: list[Action], at: int) -> int:
        """Write the leaf of `actions[at]` and those right behind it that follow on: one write for what came in one chunk. Returns where it ended."""
        assert self._pieces is not None
        assert self._session is not None
        leaves: list[StoreLeaf] = []
        for action in actions[at:]:
            if not isinstance(action, StoreLeaf) or (leaves and action.leaf != leaves[-1].leaf + 1):
                break
            leaves.append(action)
        try:
            self._pieces.write_leaves(leaves[0].leaf, leaves[0].offset, [one.data for one in leaves])
        except PieceStoreError as error:
            for one in leaves:
                self._session.leaf_lost(one.leaf, self._clock())
            self._block(error)
        else:
            for one in leaves:
                if not one.peer.startswith(STREAM_PREFIX):
                    self._deliveries.delivered(one.peer, self.key)
        return at + len(leaves)

    async def _finish(self) -> None:
        assert self._pieces is not None
        assert self._session is not None
        try:
            path = await asyncio.to_thread(self._pieces.finish)
            if self.state is not RunnerState.RUNNING:
                return
            self._session.finished()
            await self._store.transfer_assembled(self.report(), path=str(path))
        except DomainError as error:
            self._block(error)
            return
        except Exception as error:  # without an end of any kind nobody would ever try again
            log.exception("transfer_not_finished transfer=%s", self.work.id)
            self._block(DomainError(f"The transfer could not be finished: {type(error).__name__}.", code="unexpected"))
            return
        log.info("transfer_assembled transfer=%s bytes=%d", self.work.id, self._session.verified_bytes)
        if self.state is RunnerState.RUNNING:
            self._end(RunnerState.ASSEMBLED, CancelReason.COMPLETE)

    def _cancel(self, peer: str, ranges: tuple[tuple[int, int], ...], reason: CancelReason) -> None:
        self._desk.cancel_chunks(peer, ChunkCancel(transfer_id=str(self.work.id), ranges=ranges, reason_code=reason))

    # ---- private: peers and ends

    def _add(self, peer: str) -> None:
        assert self._session is not None
        if self._desk.link_of(peer) is not None and peer not in self._never:
            self._do(self._session.peer_added(peer, self._clock()))
            # a second look only after a longer pause: forgotten when the peer brings something
            if peer in self._retries:
                self._retries[peer].at = float("inf")

    def _drop(self, peer: str, code: str, retry_after_s: float | None) -> None:
        log.info("source_dropped transfer=%s peer=%s code=%s", self.work.id, peer[:8], code)
        if code in NEVER_AGAIN:
            self._never.add(peer)
            return
        last = self._retries.get(peer)
        pause = min(last.pause * 2, MAX_RETRY_PEER_S) if last is not None else RETRY_PEER_S
        if peer in self._undelivered:  # it does not have what it claims: that counts beyond this transfer
            self._undelivered.discard(peer)
            pause = max(pause, self._deliveries.left_s(peer, self.key))
        elif code in UNDELIVERED_CODES:
            pause = max(pause, self._deliveries.failed(peer, self.key))
        self._retries[peer] = _Retry(self._clock() + (retry_after_s or pause), pause)

    def _block(self, error: DomainError) -> None:
        log.warning("transfer_blocked transfer=%s code=%s", self.work.id, error.code)
        if self.state is RunnerState.RUNNING:
            self.code = error.code
            self._end(RunnerState.BLOCKED, CancelReason.ERROR)

    def _end(self, state: RunnerState, reason: CancelReason) -> None:
        if self._session is not None:
            for action in self._session.close(reason, self._clock()):
                if isinstance(action, CancelChunks):
                    self._cancel(action.peer, action.ranges, action.reason)
        self.state = state
        if self._trace is not None and state is not RunnerState.ASSEMBLED:
            self._trace.note(self._clock(), TraceAction.TRANSFER_ABORTED, code=self.code or reason.value)
        if state is not RunnerState.ASSEMBLED:
            self.close_files()
        self._ended(self)

    def _speed(self) -> int:
        now = self._clock()
        while self._arrivals and now - self._arrivals[0][0] > SPEED_WINDOW_S:
            self._arrivals.popleft()
        if not self._arrivals:
            return 0
        span = max(now - self._arrivals[0][0], 0.5)
        return int(sum(length for _, length in self._arrivals) / span)


def _preamble_hash(manifest: Manifest) -> str:
    return blake3(manifest.preamble).hexdigest()
