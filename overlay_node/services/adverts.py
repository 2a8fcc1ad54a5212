"""Telling neighbours what is announced and seeded here: a snapshot to who asks, then every change, for as long as the link lives.

Only whole payloads of announced and seeded releases, never the inventory; a passive node tells nobody. What is told and in which order is decided by
`protocol.advert_flow`; this service reads the rows, watches for changes, and writes no faster than a reader has to accept and does read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from apps.domain.contracts.node_work import HeldVariant
from apps.domain.errors import DomainError
from apps.domain.mesh.policy import MeshPolicy
from overlay_node.net.link import Link
from overlay_node.protocol import limits
from overlay_node.protocol.advert_flow import AdvertMark, AdvertPart, AdvertSeries, Told
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.messages import ErrorReply
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.sharing import BundleVariant, FingerprintBundleRequest
from overlay_node.protocol.states import ADVERT_SENDER, AdvertSenderEvent, AdvertSenderState, advance
from overlay_node.services.background import Background
from overlay_node.services.offers import Offers

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""How often it is looked whether what we hold changed, while somebody reads. A completed track is told at once."""
FRESH_S: Final = 2.0  # who asks is told what the rows said at most so long ago: askers come in bursts
SEND_PER_S: Final = limits.ADVERT_PER_S * 0.8  # we stay below what readers accept
SEND_BURST: Final = limits.ADVERT_BURST * 0.8


@dataclass(slots=True)
class _Reader:
    """Somebody who asked on a link."""

    bucket: TokenBucket
    state: AdvertSenderState = AdvertSenderState.UNASKED
    held: AdvertMark | None = None
    """what it holds when everything sent so far has arrived"""
    asks: int = 0
    """counts requests: each starts the telling anew"""
    telling: bool = False


class Adverts:
    """`variant_key` makes the private names of payloads; random, of this run. All methods for the loop's thread."""

    def __init__(
        self,
        policy: MeshPolicy,
        *,
        offers: Offers,
        background: Background,
        clock: Callable[[], float],
        variant_key: bytes,
    ) -> None:
        self._policy: Final = policy
        self._offers: Final = offers
        self._background: Final = background
        self._clock: Final = clock
        self._key: Final = variant_key
        self._series: Final = AdvertSeries(str(uuid.UUID(bytes=self._digest(b"series")[:16])))
        self._readers: Final[dict[Link, _Reader]] = {}
        self._read_at: float | None = None
        self._reading: Final = asyncio.Lock()
        self._bell: Final = asyncio.Event()

    @property
    def readers(self) -> int:
        """Links on which somebody asked."""
        return len(self._readers)

    async def run(self) -> None:
        """Until cancelled."""
        if not self._policy.may_announce:
            return
        while True:
            self._bell.clear()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._bell.wait()
            except TimeoutError:
                pass
            try:
                await self.look()
            except DomainError as error:
                log.warning("adverts_not_read code=%s", error.code)
            except Exception:  # telling goes on
                log.exception("adverts_failed")

    def wake(self) -> None:
        """What is held changed."""
        self._bell.set()

    async def look(self) -> None:
        """Tell the readers what changed since they were told."""
        if not self._readers:
            return
        await self._refresh(older_than_s=0.0)
        for link, reader in list(self._readers.items()):
            if reader.held != self._series.mark and not reader.telling:
                self._tell(link, reader, AdvertSenderEvent.CHANGED)

    def requested(self, link: Link, message: FingerprintBundleRequest) -> None:
        """A peer asks for what we announce and seed."""
        if not self._policy.may_announce:
            if link.is_open:
                link.send(ErrorReply(in_reply_to=message.message_id, code="policy"))
            return
        bucket = TokenBucket(rate=SEND_PER_S, burst=SEND_BURST, now=self._clock())
        reader = self._readers.setdefault(link, _Reader(bucket))
        reader.held = AdvertMark(message.bundle_id, message.sequence) if message.bundle_id is not None else None
        reader.asks += 1
        if not reader.telling:
            self._tell(link, reader, AdvertSenderEvent.REQUESTED)

    def link_closed(self, link: Link) -> None:
        """Nobody reads there any more."""
        self._readers.pop(link, None)

    # ---- private

    def _tell(self, link: Link, reader: _Reader, why: AdvertSenderEvent) -> None:
        reader.state = advance(ADVERT_SENDER, reader.state, why)
        if reader.state is AdvertSenderState.SENDING:
            reader.telling = True
            self._background.spawn(self._bring_up(link, reader), "advert")

    async def _bring_up(self, link: Link, reader: _Reader) -> None:
        """Send until the reader has everything; begin anew whenever it asks again."""
        try:
            answered = 0
            await self._refresh(older_than_s=FRESH_S)
            while link.is_open and (answered != reader.asks or reader.held != self._series.mark):
                answered = reader.asks
                async with self._reading:  # in a thread: four thousand variants take 100 ms to write down
                    parts = await asyncio.to_thread(self._series.parts_for, reader.held)
                if await self._send(link, reader, parts):
                    reader.held = AdvertMark(self._series.bundle_id, parts[-1].advert.sequence)
            reader.state = advance(ADVERT_SENDER, reader.state, AdvertSenderEvent.TOLD)
        except DomainError as error:
            log.warning("advert_not_told code=%s", error.code)
        except LocalProtocolError as error:
            log.debug("advert_not_sent code=%s", error.code)
        finally:
            reader.telling = False

    async def _send(self, link: Link, reader: _Reader, parts: list[AdvertPart]) -> bool:
        """False when the link closed or the reader asked again between."""
        asks = reader.asks
        for part in parts:
            if (wait_s := reader.bucket.wait_s(self._clock())) > 0:
                await asyncio.sleep(wait_s)
            reader.bucket.take_debt(self._clock(), 1.0)
            await link.drained().asFuture(asyncio.get_running_loop())
            if not link.is_open or reader.asks != asks:
                return False
            link.send(part.advert, part.attachment)
        return True

    async def _refresh(self, *, older_than_s: float) -> None:
        """Read what is held, unless that was done lately."""
        async with self._reading:
            now = self._clock()
            if self._read_at is not None and now - self._read_at < older_than_s:
                return
            held = await self._offers.advertised(limit=limits.MAX_VARIANTS_PER_ADVERT + 1)
            if await asyncio.to_thread(lambda: self._series.update([self._told(one) for one in held])):
                log.info("advert_changed sequence=%d variants=%d", self._series.sequence, len(held))
            self._read_at = now

    def _told(self, held: HeldVariant) -> Told:
        name = self._digest(held.recording_mbid.bytes + held.payload_format.encode() + b":" + held.payload_root)
        return Told(
            str(held.recording_mbid),
            BundleVariant(
                variant_id=name.hex()[:32],
                profile=held.profile,
                payload_format=held.payload_format,
                payload_root=held.payload_root,
                size=held.payload_bytes,
                container=held.container or None,
                duration_ms=held.duration_ms or None,
                bitrate_kbps=held.bitrate_kbps or None,
                pcm_md5=held.pcm_md5,
                transcode_suspect=held.transcode_suspect,
                quality_score=held.quality_score,
                verified=held.verified,
            ),
        )

    def _digest(self, data: bytes) -> bytes:
        return hmac.new(self._key, data, hashlib.sha256).digest()
