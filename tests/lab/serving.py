"""A node that gives: drives the real seeding core as `overlay_node.services.seeder` does; reading a payload is taking a view of it.

A peer's `Manners` may keep a message from the core (it refuses everything), or change what leaves it (it lies, it boasts).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
)
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import leaves_of
from overlay_node.swarm.rate_limits import RateLimits
from overlay_node.swarm.seeding import Seeding
from overlay_node.swarm.seeding_actions import (
    CloseLink,
    FindPayload,
    Offer,
    RefuseChunk,
    RefuseManifest,
    SeedingAction,
    SendChunk,
    SendHave,
    SendManifest,
    Upload,
)
from tests.lab.events import EventQueue, Timer
from tests.lab.payloads import LabPayload
from tests.lab.personality import Manners, Ranges
from tests.lab.wire import Clock, LabLink

TICK_S = 1.0
UPLOAD_SLOTS = 8


@dataclass(frozen=True, slots=True)
class Shelf:
    """A payload that is served, whole or in part."""

    payload: LabPayload
    have: Callable[[], Ranges]


class Serving:
    """One node's seeding core and what pumps it."""

    def __init__(
        self,
        *,
        queue: EventQueue,
        clock: Clock,
        shelves: Mapping[PayloadKey, Shelf],
        manners: Manners,
        slots: int = UPLOAD_SLOTS,
    ) -> None:
        now = clock.now()
        self.core: Seeding[Shelf] = Seeding(limits=RateLimits(now=now), slots=slots, now=now)
        self.sent_bytes = 0
        self.closed: list[str] = []
        """codes of links that the core closed"""
        self._queue = queue
        self._clock = clock
        self._shelves = shelves
        self._manners = manners
        self._links: dict[int, LabLink] = {}
        self._numbers: dict[LabLink, int] = {}
        self._last_number = 0
        self._wake: Timer | None = None
        queue.after(TICK_S, self._tick)

    # ---- links

    def link_opened(self, link: LabLink) -> None:
        """A link that may ask."""
        self._last_number += 1
        self._links[self._last_number] = link
        self._numbers[link] = self._last_number
        self.core.link_opened(self._last_number, link.peer, self._clock.now())

    def link_ended(self, link: LabLink) -> None:
        """Everything of it ends."""
        number = self._numbers.pop(link, None)
        if number is not None:
            del self._links[number]
            self._do(self.core.link_closed(number, self._clock.now()))

    def link_drained(self, link: LabLink) -> None:
        """Its socket takes more."""
        number = self._numbers.get(link)
        if number is not None and link.drained:
            self._do(self.core.link_writable(number, self._clock.now()))

    # ---- messages

    def received(self, link: LabLink, message: Message) -> bool:
        """A message of the bulk class from a downloader; False when it is none."""
        number = self._numbers.get(link)
        if number is None:
            return False
        now = self._clock.now()
        match message:
            case PayloadRequest():
                self._do(self.core.manifest_requested(number, message, now))
            case ChunkRequest():
                if (refusal := self._manners.refusal(self._queue.now)) is not None:
                    self._refuse(link, message, *refusal)
                else:
                    self._do(self.core.chunk_requested(number, message, now))
            case ChunkCancel():
                self._do(self.core.cancelled(number, message, now))
            case _:
                return False
        return True

    # ---- private

    def _tick(self) -> None:
        self._do(self.core.tick(self._clock.now()))
        self._queue.after(TICK_S, self._tick)

    def _woken(self) -> None:
        self._wake = None
        self._do(self.core.tick(self._clock.now()))

    def _do(self, actions: list[SeedingAction[Shelf]]) -> None:
        """Carry out, in order; what the core wants next follows."""
        todo = deque(actions)
        while todo:
            todo.extend(self._carry_out(todo.popleft()))
        at = self.core.wake_at
        if at is not None and (self._wake is None or self._wake.at > self._clock.virtual(at)):
            if self._wake is not None:
                self._wake.cancel()
            self._wake = self._queue.at(self._clock.virtual(at) + 1e-6, self._woken)

    def _carry_out(self, action: SeedingAction[Shelf]) -> list[SeedingAction[Shelf]]:
        now = self._clock.now()
        match action:
            case FindPayload(link=number, request=request):
                shelf = self._shelves.get(PayloadKey(request.payload_format, request.payload_root))
                if shelf is None:
                    return self.core.payload_missing(number, request, "not_found", now)
                return self.core.payload_found(number, request, self._offer(shelf), now)
            case SendManifest(upload=upload, have=have):
                return self._handed(upload, self._send_manifest(upload, have))
            case SendChunk(upload=upload, request=request, eof=eof):
                return self._handed(upload, self._send_chunk(upload, request, eof=eof))
            case RefuseChunk(link=number, request=request, code=code, retry_after_s=retry_after_s):
                if number in self._links:
                    self._refuse(self._links[number], request, code, retry_after_s)
            case RefuseManifest(link=number, request=request, code=code, retry_after_s=retry_after_s):
                if number in self._links:
                    refusal = ErrorReply(in_reply_to=request.message_id, code=code, retry_after_s=retry_after_s)
                    self._send(self._links[number], refusal)
            case SendHave(link=number, payload_root=root, ranges=ranges):
                if number in self._links:
                    self._send(self._links[number], PayloadHave(payload_root=root, ranges=ranges))
            case CloseLink(link=number, code=code):
                if number in self._links:
                    self.closed.append(code)
                    self._links[number].close(code)
        return []

    def _offer(self, shelf: Shelf) -> Offer[Shelf]:
        payload = shelf.payload
        return Offer(
            blob=shelf,
            payload_bytes=payload.size,
            leaf_bytes=payload.leaves.leaf_bytes,
            leaf_count=payload.leaf_count,
            manifest_bytes=len(payload.packed),
            have=lambda: self._manners.promised(shelf.have(), payload.leaf_count),
        )

    def _send_manifest(self, upload: Upload[Shelf], have: Ranges) -> bool:
        request, payload = upload.request, upload.served.offer.blob.payload
        assert isinstance(request, PayloadRequest)
        manifest = PayloadManifest(
            in_reply_to=request.message_id,
            transfer_id=request.transfer_id,
            payload_format=request.payload_format,
            payload_root=request.payload_root,
            payload_bytes=payload.size,
            leaf_bytes=payload.leaves.leaf_bytes,
            have=have,
        )
        return self._send(self._links[upload.link], manifest, memoryview(payload.packed))

    def _send_chunk(self, upload: Upload[Shelf], request: ChunkRequest, *, eof: bool) -> bool:
        if upload.cancelled:
            return False
        shelf, link = upload.served.offer.blob, self._links[upload.link]
        payload = shelf.payload
        if not _holds(shelf, request):
            self._refuse(link, request, ChunkError.INVALID_RANGE, None)
            return False
        response = ChunkResponse(
            in_reply_to=request.message_id,
            transfer_id=request.transfer_id,
            offset=request.offset,
            length=request.length,
            eof=eof,
        )
        self.sent_bytes += request.length
        return self._send(link, response, self._manners.spoken(payload, request.offset, request.length))

    def _handed(self, upload: Upload[Shelf], sent: bool) -> list[SeedingAction[Shelf]]:
        now = self._clock.now()
        if not sent:
            return self.core.upload_dropped(upload, now)
        link = self._links.get(upload.link)
        return self.core.upload_done(upload, now, blocked=link is not None and not link.drained)

    def _refuse(self, link: LabLink, request: ChunkRequest, code: ChunkError, retry_after_s: int | None) -> None:
        message = ChunkResponse(
            in_reply_to=request.message_id,
            transfer_id=request.transfer_id,
            offset=request.offset,
            error_code=code,
            retry_after_s=retry_after_s,
        )
        self._send(link, message)

    @staticmethod
    def _send(link: LabLink, message: Message, data: memoryview | bytes = b"") -> bool:
        """False when it could not be sent: taken back, or the link is closing."""
        try:
            link.send(message, data)
        except LocalProtocolError:
            return False
        return True


def _holds(shelf: Shelf, request: ChunkRequest) -> bool:
    have, count = shelf.have(), shelf.payload.leaf_count
    if have == ((0, count),):
        return True
    size = shelf.payload.leaves.leaf_bytes
    asked = range(request.offset // size, -(-(request.offset + request.length) // size))
    return leaves_of(have, leaf_count=count).issuperset(asked)
