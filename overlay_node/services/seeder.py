"""Serving: pumps the seeding core (`overlay_node.swarm.seeding`). Bytes come from blobs, go to links; nothing is decided here.

A chunk whose bytes lie in memory is read and sent at once, in the loop's thread, through one buffer that is used again as soon as the link took
all of it. Others are read in a thread, two of a peer at once, so that the next one is read while the one before it is sent. A link whose socket
is full is left alone until it has drained. After TURN_BYTES the loop gets its turn, however much is queued.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from apps.domain.errors import DomainError
from apps.domain.mesh.policy import MeshPolicy
from overlay_node.net.link import Link
from overlay_node.ports import Blob, BlobSource
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.limits import LEAF_HASH_BYTES, MAX_CHUNK_BYTES, MIB
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
)
from overlay_node.services.background import Background
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
)

log = logging.getLogger(__name__)

TURN_BYTES: Final = 1 * MIB  # read and encrypted in one go: about 1 ms, far below the reactor delay that is allowed

_Action: TypeAlias = SeedingAction[Blob]


class Seeder:
    """`sent` is told how many payload bytes went to whom; `violated` of a peer that has to be charged, before its link is closed."""

    def __init__(
        self,
        *,
        policy: MeshPolicy,
        blobs: BlobSource,
        limits: RateLimits,
        slots: int,
        background: Background,
        clock: Callable[[], float],
        sent: Callable[[str, int], None],
        violated: Callable[[Link, str], None],
    ) -> None:
        self._blobs: Final = blobs
        self._background: Final = background
        self._clock: Final = clock
        self._sent: Final = sent
        self._violated: Final = violated
        self._core: Final[Seeding[Blob]] = Seeding(
            limits=limits, slots=slots, now=clock(), policy_code="" if policy.may_serve else "policy"
        )
        self._numbers: Final = itertools.count(1)
        self._keys: Final[dict[Link, int]] = {}
        self._links: Final[dict[int, Link]] = {}
        self._work: Final[deque[_Action]] = deque()
        self._working = False
        self._turn_bytes = 0
        self._turn_ends = False
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at: float | None = None
        self._buffer = bytearray(MAX_CHUNK_BYTES)
        self._reading = 0

    # ---- messages

    async def payload_requested(self, link: Link, request: PayloadRequest) -> None:
        """Answer with a manifest or refuse."""
        key = self._key(link)
        if key is None:
            return
        find = None
        actions: list[_Action] = []
        for action in self._core.manifest_requested(key, request, self._clock()):
            if isinstance(action, FindPayload):
                find = action
            else:
                actions.append(action)
        self._do(actions)
        if find is not None:
            await self._find(find)

    def chunk_requested(self, link: Link, request: ChunkRequest) -> None:
        """A peer wants a range."""
        if (key := self._key(link)) is not None:
            self._do(self._core.chunk_requested(key, request, self._clock()))

    def cancelled(self, link: Link, cancel: ChunkCancel) -> None:
        """The peer takes requests back; with no ranges, the whole transfer."""
        if (key := self._keys.get(link)) is not None:
            self._do(self._core.cancelled(key, cancel, self._clock()))

    def link_closed(self, link: Link) -> None:
        """Everything of this link ends."""
        key = self._keys.pop(link, None)
        if key is not None:
            del self._links[key]
            self._do(self._core.link_closed(key, self._clock()))

    # ---- time

    def tick(self) -> None:
        """To be called once a second."""
        for link in [link for link in self._keys if not link.is_open]:
            self.link_closed(link)  # one that lost against another of its peer: nobody tells of its end
        self._do(self._core.tick(self._clock()))

    # ---- facts

    def uploads(self) -> list[dict[str, object]]:
        """What is being served, for the heartbeat."""
        return [
            {
                "peer": peer,
                "transfer": served.transfer_id,
                "payload_root": served.key.payload_root.hex(),
                "state": served.state.value,
                "sent_bytes": served.sent_bytes,
                "queued": served.queued,
            }
            for _, peer, served in self._core.served()
        ]

    def report(self) -> dict[str, object]:
        """Slots, queue and rates, for the heartbeat."""
        rates = self._core.rates_bps()
        return {
            **self.counts(),
            "rate_bps": round(sum(rates.values())),
            "rates_bps": {peer: round(rate) for peer, rate in rates.items()},
        }

    def counts(self) -> dict[str, int]:
        """Slots in force, peers that hold one, peers in the line, requests queued."""
        core = self._core
        return {
            "slots": core.slots,
            "served": core.peers_served,
            "waiting": core.peers_waiting,
            "queued": core.queue_length,
        }

    @property
    def reading(self) -> int:
        """Chunks being read in threads."""
        return self._reading

    # ---- private: the pump

    def _key(self, link: Link) -> int | None:
        """The number under which the core knows the link; None when it is closed."""
        key = self._keys.get(link)
        if key is None and link.is_open:
            key = next(self._numbers)
            self._keys[link], self._links[key] = key, link
            self._core.link_opened(key, link.peer_id, self._clock())
        return key

    def _do(self, actions: list[_Action]) -> None:
        self._work.extend(actions)
        if not self._working:
            self._pump()

    def _pump(self) -> None:
        """Carry out what waits, at most TURN_BYTES between two turns of the loop."""
        self._working = True
        try:
            while self._work and self._turn_bytes < TURN_BYTES:
                self._carry_out(self._work.popleft())
        finally:
            self._working = False
        if self._turn_bytes and not self._turn_ends:
            self._turn_ends = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._core.wake_at != self._wake_at:
            self._set_wake()

    def _next_turn(self) -> None:
        self._turn_bytes, self._turn_ends = 0, False
        if self._work:
            self._pump()

    def _set_wake(self) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._wake_at = self._core.wake_at
        if self._wake_at is not None:
            delay = max(0.0, self._wake_at - self._clock())
            self._wake = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        self._wake = self._wake_at = None
        self._do(self._core.tick(self._clock()))

    def _carry_out(self, action: _Action) -> None:
        match action:
            case SendChunk():
                self._send_chunk(action)
            case SendManifest():
                self._send_manifest(action)
            case RefuseChunk(link=key, request=request, code=code, retry_after_s=retry_after_s):
                refusal = ChunkResponse(
                    in_reply_to=request.message_id,
                    transfer_id=request.transfer_id,
                    offset=request.offset,
                    error_code=code,
                    retry_after_s=retry_after_s,
                )
                self._send(key, refusal)
            case RefuseManifest(link=key, request=asked, code=why, retry_after_s=retry_after_s):
                self._send(key, ErrorReply(in_reply_to=asked.message_id, code=why, retry_after_s=retry_after_s))
            case SendHave(link=key, payload_root=root, ranges=ranges):
                self._send(key, PayloadHave(payload_root=root, ranges=ranges))
            case FindPayload():
                self._background.spawn(self._find(action), "find_payload")
            case CloseLink(link=key, code=reason):
                link = self._links.get(key)
                if link is not None and link.is_open:
                    log.info("seeder_closes peer=%s code=%s", link.peer_id[:8], reason)
                    self._violated(link, reason)
                    link.close(reason)
            case _:
                assert_never(action)

    def _send(self, key: int, message: Message, attachment: bytes | memoryview = b"") -> Link | None:
        """None when the link is gone, or takes nothing more."""
        link = self._links.get(key)
        if link is None or not link.is_open:
            return None
        try:
            link.send(message, attachment)
        except LocalProtocolError as error:
            log.debug("not_sent type=%s code=%s", message.TYPE, error.code)
            return None
        return link

    # ---- private: manifests

    async def _find(self, action: FindPayload) -> None:
        key, request = action.link, action.request
        code, blob = "io_error", None
        try:
            blob = await self._blobs.open(payload_format=request.payload_format, payload_root=request.payload_root)
            code = "not_found"
        except DomainError as error:
            log.warning("blob_unavailable code=%s", error.code)
        finally:  # also when nobody thought of the error: the core waits for an answer
            now = self._clock()
            if blob is None:
                self._do(self._core.payload_missing(key, request, code, now))
            else:
                self._do(self._core.payload_found(key, request, _offer(blob), now))

    def _send_manifest(self, action: SendManifest[Blob]) -> None:
        upload = action.upload
        offer = upload.served.offer
        manifest = offer.blob.manifest
        message = PayloadManifest(
            in_reply_to=upload.request.message_id,
            transfer_id=upload.served.transfer_id,
            payload_format=upload.served.key.payload_format,
            payload_root=upload.served.key.payload_root,
            payload_bytes=offer.payload_bytes,
            leaf_bytes=offer.leaf_bytes,
            sample_rate_hz=manifest.facts.rate,
            channels=manifest.facts.channels,
            bits_per_sample=manifest.facts.bits,
            preamble=manifest.preamble,
            have=action.have,
        )
        link = self._send(upload.link, message, manifest.leaf_hashes)
        if link is None:
            self._do(self._core.upload_dropped(upload, self._clock()))
        else:
            self._turn_bytes += offer.manifest_bytes
            self._handed_over(action, link)

    # ---- private: chunks

    def _send_chunk(self, action: SendChunk[Blob]) -> None:
        upload, request = action.upload, action.request
        target = memoryview(self._buffer)[: request.length]
        try:
            read = upload.served.offer.blob.read_cached(request.offset, target)
        except DomainError as error:
            self._do(self._core.upload_failed(upload, error.code, self._clock()))
            return
        except Exception:  # whatever it was, it is this file's: no other peer's link may suffer for it
            log.exception("read_failed")
            self._do(self._core.upload_failed(upload, "io_error", self._clock()))
            return
        if read:
            self._send_bytes(action, target)
        else:
            self._background.spawn(self._read_and_send(action), "read_chunk")

    async def _read_and_send(self, action: SendChunk[Blob]) -> None:
        upload, request = action.upload, action.request
        self._reading += 1
        try:
            data = await asyncio.get_running_loop().run_in_executor(
                None, upload.served.offer.blob.read, request.offset, request.length
            )
        except DomainError as error:
            self._do(self._core.upload_failed(upload, error.code, self._clock()))
        except BaseException:  # cancelled, or nobody thought of it: the core must not wait for ever
            self._do(self._core.upload_failed(upload, "io_error", self._clock()))
            raise
        else:
            self._send_bytes(action, memoryview(data))
        finally:
            self._reading -= 1

    def _send_bytes(self, action: SendChunk[Blob], data: memoryview) -> None:
        upload, request = action.upload, action.request
        link = None
        if not upload.cancelled:
            message = ChunkResponse(
                in_reply_to=request.message_id,
                transfer_id=request.transfer_id,
                offset=request.offset,
                length=len(data),
                eof=action.eof,
            )
            link = self._send(upload.link, message, data)
        if link is None:
            self._do(self._core.upload_dropped(upload, self._clock()))
            return
        if data.obj is self._buffer and link.queued_bytes:
            self._buffer = bytearray(MAX_CHUNK_BYTES)  # the link still holds this one
        self._turn_bytes += len(data)
        self._sent(link.peer_id, len(data))
        self._handed_over(action, link)

    def _handed_over(self, action: SendChunk[Blob] | SendManifest[Blob], link: Link) -> None:
        drained = link.drained()
        self._do(self._core.upload_done(action.upload, self._clock(), blocked=not drained.called))
        if not drained.called:
            _ = drained.addCallback(lambda _none: self._writable(action.upload.link))

    def _writable(self, key: int) -> None:
        self._do(self._core.link_writable(key, self._clock()))


def _offer(blob: Blob) -> Offer[Blob]:
    manifest = blob.manifest
    return Offer(
        blob=blob,
        payload_bytes=manifest.facts.payload_bytes,
        leaf_bytes=manifest.leaf_bytes,
        leaf_count=len(manifest.leaf_hashes) // LEAF_HASH_BYTES,
        manifest_bytes=len(manifest.leaf_hashes),
        have=blob.have,
    )
