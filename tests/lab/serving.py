"""A serving node's bulk side: asks its manners what to do with each request, reads views of payloads, answers in order when the link has room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import MAX_HAVE_RANGES
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    PayloadManifest,
    PayloadRequest,
)
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import largest_ranges, leaves_of
from tests.lab.payloads import LabPayload
from tests.lab.personality import Manners, Ranges
from tests.lab.wire import LabLink


@dataclass(slots=True)
class Shelf:
    """A payload that is served, whole or in part."""

    payload: LabPayload
    have: Callable[[], Ranges]


@dataclass(slots=True)
class _Desk:
    transfers: dict[str, PayloadKey] = field(default_factory=dict)
    queue: deque[ChunkRequest] = field(default_factory=deque)
    working: bool = False


class Serving:
    """`now` is virtual time."""

    def __init__(self, shelves: Mapping[PayloadKey, Shelf], manners: Manners, now: Callable[[], float]) -> None:
        self.sent_bytes = 0
        self._shelves = shelves
        self._manners = manners
        self._now = now
        self._desks: dict[LabLink, _Desk] = {}

    def payload_requested(self, link: LabLink, request: PayloadRequest) -> None:
        """Answer with the manifest."""
        if self._manners.silent(self._now()):
            return
        key = PayloadKey(request.payload_format, request.payload_root)
        shelf = self._shelves.get(key)
        if shelf is None:
            link.send(ErrorReply(in_reply_to=request.message_id, code="not_found"))
            return
        self._desks.setdefault(link, _Desk()).transfers[request.transfer_id] = key
        payload = shelf.payload
        have = self._manners.promised(shelf.have(), payload.leaf_count)
        link.send(
            PayloadManifest(
                in_reply_to=request.message_id,
                transfer_id=request.transfer_id,
                payload_format=request.payload_format,
                payload_root=request.payload_root,
                payload_bytes=payload.size,
                leaf_bytes=payload.leaves.leaf_bytes,
                have=largest_ranges(have, limit=MAX_HAVE_RANGES),
            ),
            payload.leaves.pack(),
        )

    def chunk_requested(self, link: LabLink, request: ChunkRequest) -> None:
        """Queue it."""
        if self._manners.silent(self._now()):
            return
        refusal = self._manners.refusal(self._now())
        if refusal is not None:
            self._refuse(link, request, refusal)
            return
        self._desks.setdefault(link, _Desk()).queue.append(request)
        self.serve(link)

    def cancelled(self, link: LabLink, cancel: ChunkCancel) -> None:
        """The peer takes requests back."""
        desk = self._desks.get(link)
        if desk is not None:
            desk.queue = deque(one for one in desk.queue if not _covers(cancel, one))

    def serve(self, link: LabLink) -> None:
        """Answer while the link has room."""
        desk = self._desks.get(link)
        if desk is None or desk.working:
            return
        desk.working = True
        while desk.queue and link.is_open and link.drained:
            self._answer(link, desk, desk.queue.popleft())
        desk.working = False

    def link_ended(self, link: LabLink) -> None:
        """Everything of this link ends."""
        self._desks.pop(link, None)

    def _answer(self, link: LabLink, desk: _Desk, request: ChunkRequest) -> None:
        key = desk.transfers.get(request.transfer_id)
        shelf = self._shelves.get(key) if key is not None else None
        if shelf is None:
            self._refuse(link, request, ChunkError.NOT_FOUND)
            return
        payload = shelf.payload
        end = min(request.offset + request.length, payload.size)
        size = payload.leaves.leaf_bytes
        have = leaves_of(shelf.have(), leaf_count=payload.leaf_count)
        if request.offset >= end or not have.issuperset(range(request.offset // size, -(-end // size))):
            self._refuse(link, request, ChunkError.INVALID_RANGE)
            return
        data = self._manners.spoken(payload.data[request.offset : end], request.offset // size)
        message = ChunkResponse(
            in_reply_to=request.message_id,
            transfer_id=request.transfer_id,
            offset=request.offset,
            length=len(data),
            eof=end == payload.size,
        )
        self._send(link, message, data)
        self.sent_bytes += len(data)

    def _refuse(self, link: LabLink, request: ChunkRequest, code: ChunkError) -> None:
        message = ChunkResponse(
            in_reply_to=request.message_id, transfer_id=request.transfer_id, offset=request.offset, error_code=code
        )
        self._send(link, message, memoryview(b""))

    @staticmethod
    def _send(link: LabLink, message: ChunkResponse, data: memoryview) -> None:
        try:
            link.send(message, data)
        except LocalProtocolError:  # taken back, or the link closed
            return


def _covers(cancel: ChunkCancel, request: ChunkRequest) -> bool:
    if cancel.transfer_id != request.transfer_id:
        return False
    end = request.offset + request.length
    return not cancel.ranges or any(start < end and request.offset < stop for start, stop in cancel.ranges)
