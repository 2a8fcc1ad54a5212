"""Serving: payload_request, chunk_request, chunk_cancel of other nodes, within the upload budget.

One state machine per peer and transfer (`protocol.states`, SEEDER). Each link has one worker that answers its requests in order: it waits for
the budget and for the socket, reads in a thread, sends. What is queued is bounded by the protocol (8 accepted requests per link).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import DomainError
from apps.domain.mesh.policy import MeshPolicy
from overlay_node.net.link import Link
from overlay_node.net.rates import UploadBudget
from overlay_node.ports import Blob, BlobSource
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import DONE_KEPT_S, MAX_HAVE_RANGES, OFFER_TTL_S
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
)
from overlay_node.protocol.states import SEEDER, SeederEvent, SeederState, advance
from overlay_node.services.background import Background
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import largest_ranges, leaves_of, ranges_of

log = logging.getLogger(__name__)

MAX_SERVED_PER_PEER: Final = 128  # transfers of one peer that we remember: a box set at once
MAX_SERVED_OF_ONE_PAYLOAD: Final = (
    4  # of those: each holds a leaf list, and a peer may make up as many transfer ids as it likes
)
_E = SeederEvent
_ENDED: Final = frozenset({SeederState.DONE, SeederState.REJECTED})


@dataclass(slots=True)
class _Served:
    """One transfer of one peer, as its seeder."""

    key: PayloadKey
    blob: Blob
    leaf_count: int
    told: set[int]
    """leaves the peer knows that we have"""
    since: float
    """of the state"""
    state: SeederState = SeederState.IDLE
    sent_bytes: int = 0

    def on(self, event: SeederEvent, now: float) -> None:
        self.state = advance(SEEDER, self.state, event)
        self.since = now


@dataclass(slots=True)
class _Desk:
    """One link's requests."""

    served: dict[str, _Served] = field(default_factory=dict)
    queue: deque[ChunkRequest] = field(default_factory=deque)
    working: bool = False


class Seeder:
    """`sent` is told how many payload bytes went to whom."""

    def __init__(
        self,
        *,
        policy: MeshPolicy,
        blobs: BlobSource,
        budget: UploadBudget,
        background: Background,
        clock: Callable[[], float],
        sent: Callable[[str, int], None],
    ) -> None:
        self._policy: Final = policy
        self._blobs: Final = blobs
        self._budget: Final = budget
        self._background: Final = background
        self._clock: Final = clock
        self._sent: Final = sent
        self._desks: Final[dict[Link, _Desk]] = {}

    # ---- messages

    async def payload_requested(self, link: Link, request: PayloadRequest) -> None:
        """Answer with a manifest or refuse."""
        blob = None
        code = "policy"
        if self._policy.may_serve:
            code = "not_found"
            try:
                blob = await self._blobs.open(payload_format=request.payload_format, payload_root=request.payload_root)
            except DomainError as error:
                log.warning("blob_unavailable code=%s", error.code)
                code = "io_error"
        if not link.is_open:
            return
        if blob is None:
            link.send(ErrorReply(in_reply_to=request.message_id, code=code))
            return
        desk = self._desks.setdefault(link, _Desk())
        key = PayloadKey(request.payload_format, request.payload_root)
        served = desk.served.get(request.transfer_id)
        if served is None or served.key != key or served.state is SeederState.REJECTED:
            if not self._has_room(desk, key):
                link.send(ErrorReply(in_reply_to=request.message_id, code="rate_limited", retry_after_s=60))
                return
            served = _Served(
                key=key,
                blob=blob,
                leaf_count=len(blob.manifest.leaf_hashes) // 32,
                told=set(),
                since=self._clock(),
            )
            desk.served[request.transfer_id] = served
        served.blob = blob
        manifest = blob.manifest
        have = largest_ranges(blob.have(), limit=MAX_HAVE_RANGES)
        served.told = set(leaves_of(have, leaf_count=served.leaf_count))
        if _E.MANIFEST_SENT in SEEDER[served.state]:
            served.on(_E.MANIFEST_SENT, self._clock())
        link.send(
            PayloadManifest(
                in_reply_to=request.message_id,
                transfer_id=request.transfer_id,
                payload_format=request.payload_format,
                payload_root=request.payload_root,
                payload_bytes=manifest.facts.payload_bytes,
                leaf_bytes=manifest.leaf_bytes,
                sample_rate_hz=manifest.facts.rate,
                channels=manifest.facts.channels,
                bits_per_sample=manifest.facts.bits,
                preamble=manifest.preamble,
                have=have,
            ),
            manifest.leaf_hashes,
        )

    def chunk_requested(self, link: Link, request: ChunkRequest) -> None:
        """Queue it for the link's worker."""
        desk = self._desks.setdefault(link, _Desk())
        desk.queue.append(request)
        served = desk.served.get(request.transfer_id)
        if served is not None and _E.CHUNK_REQUESTED in SEEDER[served.state]:
            served.on(_E.CHUNK_REQUESTED, self._clock())
        if not desk.working:
            desk.working = True
            self._background.spawn(self._serve(link, desk), "serve")

    def cancelled(self, link: Link, cancel: ChunkCancel) -> None:
        """The peer takes requests back; with no ranges, the whole transfer."""
        desk = self._desks.get(link)
        if desk is None:
            return
        desk.queue = deque(request for request in desk.queue if not _covers(cancel, request))
        served = desk.served.get(cancel.transfer_id)
        if served is not None and not cancel.ranges and _E.CANCELLED in SEEDER[served.state]:
            served.on(_E.CANCELLED, self._clock())
            if served.state is SeederState.TEARDOWN:
                served.on(_E.DRAINED, self._clock())

    def link_closed(self, link: Link) -> None:
        """Everything of this link ends."""
        self._desks.pop(link, None)
        self._budget.forget(link.peer_id)

    # ---- time

    def tell_haves(self) -> None:
        """Tell interested peers of new leaves; to be called once a second."""
        for link, desk in list(self._desks.items()):
            for served in desk.served.values():
                if served.state not in {SeederState.PENDING, SeederState.SERVING, SeederState.THROTTLED}:
                    continue
                if len(served.told) == served.leaf_count or not link.is_open:
                    continue
                fresh = leaves_of(served.blob.have(), leaf_count=served.leaf_count) - served.told
                if fresh:
                    ranges = largest_ranges(ranges_of(fresh), limit=MAX_HAVE_RANGES)
                    link.send(PayloadHave(payload_root=served.key.payload_root, ranges=ranges))
                    served.told |= leaves_of(ranges, leaf_count=served.leaf_count)

    def expire(self) -> None:
        """Forget offers nobody took up and transfers that ended long ago."""
        now = self._clock()
        for link, desk in list(self._desks.items()):
            if not link.is_open:  # one that lost against another of its peer: nobody tells of its end
                del self._desks[link]
                continue
            for transfer_id, served in list(desk.served.items()):
                idle = now - served.since
                if served.state in {SeederState.PENDING, SeederState.SERVING} and idle > OFFER_TTL_S:
                    served.on(_E.OFFER_EXPIRED, now)
                    served.on(_E.DRAINED, now)
                elif served.state in {SeederState.DONE, SeederState.REJECTED} and idle > DONE_KEPT_S:
                    del desk.served[transfer_id]

    def uploads(self) -> list[dict[str, object]]:
        """What is being served, for the heartbeat."""
        return [
            {
                "peer": link.peer_id,
                "transfer": transfer_id,
                "payload_root": served.key.payload_root.hex(),
                "state": served.state.value,
                "sent_bytes": served.sent_bytes,
            }
            for link, desk in self._desks.items()
            for transfer_id, served in desk.served.items()
            if served.state in {SeederState.PENDING, SeederState.SERVING, SeederState.THROTTLED}
        ]

    # ---- private

    def _has_room(self, desk: _Desk, key: PayloadKey) -> bool:
        """May one more transfer be remembered? What has ended makes room first."""
        for full in (False, True):
            if full:
                desk.served = {name: one for name, one in desk.served.items() if one.state not in _ENDED}
            same = sum(one.key == key for one in desk.served.values())
            if len(desk.served) < MAX_SERVED_PER_PEER and same < MAX_SERVED_OF_ONE_PAYLOAD:
                return True
        return False

    async def _serve(self, link: Link, desk: _Desk) -> None:
        """Answer a link's requests until none is left."""
        loop = asyncio.get_running_loop()
        try:
            while desk.queue and link.is_open:
                await link.drained().asFuture(loop)
                if not desk.queue:  # cancelled meanwhile
                    break
                served = desk.served.get(desk.queue[0].transfer_id)
                wait = self._budget.wait_s(link.peer_id, self._clock())
                if wait > 0:
                    self._throttle(served, _E.THROTTLE)
                    await asyncio.sleep(min(wait, 1.0))
                    continue
                self._throttle(served, _E.RESUME)
                await self._answer(link, desk, desk.queue.popleft())
        finally:
            desk.working = False

    async def _answer(self, link: Link, desk: _Desk, request: ChunkRequest) -> None:
        served = desk.served.get(request.transfer_id)
        end = request.offset + request.length
        error: ChunkError | None = None
        data = b""
        if served is None or served.key.payload_root != request.payload_root or served.state is SeederState.REJECTED:
            error = ChunkError.NOT_FOUND
        elif request.offset >= served.blob.manifest.facts.payload_bytes:
            error = ChunkError.INVALID_RANGE
        else:
            end = min(end, served.blob.manifest.facts.payload_bytes)
            self._budget.spend(link.peer_id, end - request.offset, self._clock())
            try:
                data = await asyncio.get_running_loop().run_in_executor(
                    None, served.blob.read, request.offset, end - request.offset
                )
            except DomainError as failure:
                error = self._read_failed(served, request, failure)
        if not link.is_open:
            return
        try:
            link.send(
                ChunkResponse(
                    in_reply_to=request.message_id,
                    transfer_id=request.transfer_id,
                    offset=request.offset,
                    length=len(data),
                    eof=served is not None and error is None and end == served.blob.manifest.facts.payload_bytes,
                    error_code=error,
                ),
                data,
            )
        except LocalProtocolError as failure:  # the link closed, or the request was taken back, while we read
            log.debug("chunk_not_sent code=%s", failure.code)
            return
        if served is not None and data:
            served.sent_bytes += len(data)
            self._sent(link.peer_id, len(data))

    def _read_failed(self, served: _Served, request: ChunkRequest, failure: DomainError) -> ChunkError:
        if failure.code != "not_found":
            return ChunkError.IO_ERROR
        leaf_bytes = served.blob.manifest.leaf_bytes
        have = leaves_of(served.blob.have(), leaf_count=served.leaf_count)
        if len(have) < served.leaf_count and request.offset // leaf_bytes not in have:
            return ChunkError.INVALID_RANGE  # a partial seeder that does not have it yet
        if _E.FILE_CHANGED in SEEDER[served.state]:
            served.on(_E.FILE_CHANGED, self._clock())
        return ChunkError.NOT_FOUND

    def _throttle(self, served: _Served | None, event: SeederEvent) -> None:
        if served is not None and event in SEEDER[served.state]:
            served.on(event, self._clock())


def _covers(cancel: ChunkCancel, request: ChunkRequest) -> bool:
    if cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
