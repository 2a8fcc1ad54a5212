"""Drives a seeding core by hand: virtual time, peers as numbers of links, a record of every answer."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from overlay_node.protocol.limits import KIB
from overlay_node.protocol.messages import CancelReason, ChunkCancel, ChunkRequest, PayloadRequest
from overlay_node.swarm.rate_limits import Direction, RateLimits, Scope
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

LEAF: int = 256 * KIB
ROOT = b"r" * 32


def new_id() -> str:
    return str(uuid.UUID(int=next(_ids)))


_ids = itertools.count(1)


@dataclass
class Answer:
    """What became of a request: code "" = the bytes were sent."""

    at: float
    code: str = ""
    retry_after_s: int | None = None
    bytes: int = 0
    eof: bool = False


@dataclass
class SeedingWorld:
    """`auto`: uploads are sent as soon as they are handed out; otherwise they pile up in `out`."""

    slots: int = 8
    limits: Mapping[tuple[Scope, Direction], int] = field(default_factory=dict)
    leaf_count: int = 64
    auto: bool = True

    def __post_init__(self) -> None:
        self.now = 0.0
        self.rates = RateLimits(now=0.0, defaults=self.limits)
        self.core: Seeding[str] = Seeding(limits=self.rates, slots=self.slots, now=0.0)
        self.peers: dict[int, str] = {}
        self.answers: dict[str, Answer] = {}
        self.open_requests: dict[str, int] = {}
        """message id -> link"""
        self.sent: Counter[str] = Counter()
        """bytes by peer"""
        self.log: list[tuple[float, str, int]] = []
        self.haves: list[SendHave] = []
        self.closed: dict[int, str] = {}
        self.out: list[Upload[str]] = []
        self.have: tuple[tuple[int, int], ...] = ((0, self.leaf_count),)
        self.found = True
        self._links = itertools.count(1)

    # ---- what peers do

    def link(self, peer: str) -> int:
        link = next(self._links)
        self.peers[link] = peer
        self.core.link_opened(link, peer, self.now)
        return link

    def close(self, link: int) -> None:
        self.open_requests = {name: one for name, one in self.open_requests.items() if one != link}
        self.carry_out(self.core.link_closed(link, self.now))
        del self.peers[link]

    def manifest(self, link: int, transfer: str, *, root: bytes = ROOT) -> str:
        request = PayloadRequest(message_id=new_id(), transfer_id=transfer, payload_format="flac", payload_root=root)
        self.open_requests[request.message_id] = link
        self.carry_out(self.core.manifest_requested(link, request, self.now))
        return request.message_id

    def offered(self, link: int) -> str:
        """A transfer whose manifest was sent."""
        transfer = new_id()
        assert self.answers[self.manifest(link, transfer)].code == ""
        return transfer

    def chunk(
        self,
        link: int,
        transfer: str,
        *,
        offset: int = 0,
        length: int = LEAF,
        priority: int = 5,
        deadline_ms: int = 5000,
    ) -> str:
        request = ChunkRequest(
            message_id=new_id(),
            transfer_id=transfer,
            payload_root=ROOT,
            offset=offset,
            length=length,
            priority=priority,
            deadline_ms=deadline_ms,
        )
        self.open_requests[request.message_id] = link
        self.carry_out(self.core.chunk_requested(link, request, self.now))
        return request.message_id

    def cancel(self, link: int, transfer: str, *ranges: tuple[int, int]) -> None:
        """Everything of the transfer that is open counts as settled."""
        cancel = ChunkCancel(transfer_id=transfer, ranges=ranges, reason_code=CancelReason.USER_CANCELLED)
        self.carry_out(self.core.cancelled(link, cancel, self.now))

    # ---- time

    def pass_time(self, seconds: float) -> None:
        """Ticks every second and whenever the core asks for it."""
        until = self.now + seconds
        while self.now < until:
            wake = self.core.wake_at
            pulse = min(until, self.now + 1.0)
            self.now = pulse if wake is None else min(pulse, max(wake, self.now) + 1e-6)
            self.carry_out(self.core.tick(self.now))

    # ---- what the shell does

    def done(self, upload: Upload[str], *, blocked: bool = False) -> None:
        self.out.remove(upload)
        self._account(upload)
        self.carry_out(self.core.upload_done(upload, self.now, blocked=blocked))

    def drop(self, upload: Upload[str]) -> None:
        self.out.remove(upload)
        self.open_requests.pop(upload.request.message_id, None)
        self.carry_out(self.core.upload_dropped(upload, self.now))

    def fail(self, upload: Upload[str], code: str) -> None:
        self.out.remove(upload)
        self.carry_out(self.core.upload_failed(upload, code, self.now))

    def carry_out(self, actions: list[SeedingAction[str]]) -> None:
        todo = list(actions)
        while todo:
            match todo.pop(0):
                case FindPayload(link=link, request=request):
                    if self.found:
                        todo += self.core.payload_found(link, request, self.offer(), self.now)
                    else:
                        todo += self.core.payload_missing(link, request, "not_found", self.now)
                case SendChunk(upload=upload):
                    todo += self._handed_out(upload)
                case SendManifest(upload=upload):
                    todo += self._handed_out(upload)
                case RefuseChunk(request=request, code=code, retry_after_s=retry_after_s):
                    self._answered(request.message_id, Answer(self.now, code.value, retry_after_s))
                case RefuseManifest(request=asked, code=why, retry_after_s=retry_after_s):
                    self._answered(asked.message_id, Answer(self.now, why, retry_after_s))
                case SendHave() as have:
                    self.haves.append(have)
                case CloseLink(link=link, code=reason):
                    self.closed[link] = reason

    def offer(self) -> Offer[str]:
        return Offer(
            blob="blob",
            payload_bytes=self.leaf_count * LEAF,
            leaf_bytes=LEAF,
            leaf_count=self.leaf_count,
            manifest_bytes=self.leaf_count * 32,
            have=lambda: self.have,
        )

    def _handed_out(self, upload: Upload[str]) -> list[SeedingAction[str]]:
        if not self.auto:
            self.out.append(upload)
            return []
        self._account(upload)
        return self.core.upload_done(upload, self.now)

    def _account(self, upload: Upload[str]) -> None:
        request = upload.request
        size = request.length if isinstance(request, ChunkRequest) else self.leaf_count * 32
        if upload.cancelled or upload.link not in self.peers:
            return
        eof = isinstance(request, ChunkRequest) and request.offset + request.length == self.leaf_count * LEAF
        self._answered(request.message_id, Answer(self.now, bytes=size, eof=eof))
        self.sent[self.peers[upload.link]] += size
        self.log.append((self.now, self.peers[upload.link], size))

    def _answered(self, message_id: str, answer: Answer) -> None:
        assert message_id not in self.answers, "answered twice"
        self.answers[message_id] = answer
        self.open_requests.pop(message_id, None)
