"""Listening to neighbours' adverts: who says to hold which variants of which recordings, written down before anybody needs it.

Every peer that tells (features `adverts/1` and `serve/1`) is asked once per link, with what the rows hold of it already, and again each hour, so that
what is believed is renewed. Parts go to the rows in their order; nothing of an advert is kept here but its place. What is wanted right now also
becomes claims at once (`heard`); the rest when it is wanted. Adverts are claims: false ones are charged as claims are.
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.contracts.node_work import AdvertisedVariant, AdvertReport, ClaimReport
from apps.domain.errors import DomainError
from apps.domain.mesh.policy import FEATURE_SERVE
from overlay_node.net.link import Link
from overlay_node.ports import Store
from overlay_node.protocol.advert_flow import AdvertIntake, AdvertMark, Heard
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.registry import FEATURE_ADVERTS
from overlay_node.protocol.sharing import FingerprintBundleAdvert, FingerprintBundleRequest
from overlay_node.services.background import Background
from overlay_node.services.claims import claim_of_advert, is_storable

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 3600.0  # a third of the time and less that a renewal is good for
ASK_AGAIN_S: Final = 60.0  # after a gap: a peer that always leaves one must not be asked all the time
EXPIRE_S: Final = 600.0
MAX_QUEUED_PER_LINK: Final = 160  # parts that wait for the database: one snapshot
MAX_QUEUED: Final = 320  # over all links: some 40 MB


@dataclass(slots=True)
class _Teller:
    """A linked peer that tells."""

    intake: AdvertIntake = field(default_factory=AdvertIntake)
    queue: deque[FingerprintBundleAdvert] = field(default_factory=deque)
    writing: bool = False
    ask_at: float = 0.0


class Availability:
    """`heard` takes claims of a link; what is not wanted it leaves. `written` is told whose advert the rows hold whole, or again for longer.

    All methods for the loop's thread.
    """

    def __init__(
        self,
        *,
        store: Store,
        background: Background,
        clock: Callable[[], float],
        heard: Callable[[Link, Sequence[ClaimReport]], Awaitable[None]],
        written: Callable[[str], None] = lambda _peer: None,
    ) -> None:
        self._store: Final = store
        self._background: Final = background
        self._clock: Final = clock
        self._heard: Final = heard
        self._written: Final = written
        self._tellers: Final[dict[Link, _Teller]] = {}
        self._queued = 0
        self._next_expiry = 0.0
        self.counts: Final[Counter[str]] = Counter()
        """parts: kept, ignored, dropped, gaps; renewals"""

    def link_ready(self, link: Link) -> None:
        """Ask a new peer, if it tells."""
        if (
            FEATURE_ADVERTS in link.features
            and link.hello is not None
            and FEATURE_SERVE in {name.rstrip("!") for name in link.hello.features}
        ):
            self._tellers[link] = _Teller(ask_at=float("inf"))
            self._background.spawn(self._begin(link), "adverts_asked")

    def link_closed(self, link: Link) -> None:
        """What it told stays; what waits to be written is dropped."""
        teller = self._tellers.pop(link, None)
        if teller is not None:
            self._drop_queue(teller)

    def advert(self, link: Link, message: FingerprintBundleAdvert) -> None:
        """One part."""
        teller = self._tellers.get(link)
        if teller is None:
            self.counts["ignored"] += 1
            return
        match teller.intake.take(message):
            case Heard.IGNORE:
                self.counts["ignored"] += 1
            case Heard.ASK_AGAIN:
                self.counts["gaps"] += 1
                self._lost(teller)
            case Heard.RENEW:
                self.counts["renewals"] += 1
                self._enqueue(link, teller, message)
            case Heard.KEEP:
                self._enqueue(link, teller, message)

    async def tick(self) -> None:
        """Ask those who are due, forget what nobody renewed. To be called every few seconds."""
        now = self._clock()
        for link, teller in list(self._tellers.items()):
            if teller.ask_at <= now and not teller.writing:
                self._ask(link, teller)
        if now >= self._next_expiry:
            self._next_expiry = now + EXPIRE_S
            await self._store.adverts_expire()

    # ---- private

    async def _begin(self, link: Link) -> None:
        teller = self._tellers.get(link)
        if teller is None:
            return
        try:
            held = await self._store.advert_held(link.peer_id)
        except DomainError as error:
            log.info("adverts_not_asked code=%s", error.code)
            teller.ask_at = self._clock() + ASK_AGAIN_S
            return
        if held is not None:
            teller.intake.held = AdvertMark(str(held.bundle_id), held.sequence)
        self._ask(link, teller)

    def _ask(self, link: Link, teller: _Teller) -> None:
        teller.ask_at = self._clock() + ASK_EVERY_S
        held = teller.intake.held
        request = FingerprintBundleRequest(
            bundle_id=held.bundle_id if held is not None else None, sequence=held.sequence if held is not None else 0
        )
        try:
            link.send(request)
        except LocalProtocolError as error:  # the link is closing, or too much waits for it
            log.debug("adverts_not_asked code=%s", error.code)
            teller.ask_at = self._clock() + ASK_AGAIN_S
            return
        teller.intake.asked()

    def _enqueue(self, link: Link, teller: _Teller, message: FingerprintBundleAdvert) -> None:
        if len(teller.queue) >= MAX_QUEUED_PER_LINK or self._queued >= MAX_QUEUED:
            self.counts["dropped"] += 1
            self._lost(teller)
            return
        teller.queue.append(message)
        self._queued += 1
        if not teller.writing:
            teller.writing = True
            self._background.spawn(self._write(link, teller), "advert_kept")

    def _lost(self, teller: _Teller) -> None:
        """What is held of this peer is not whole: it will be asked for everything, not too soon."""
        self._drop_queue(teller)
        teller.intake.lost()
        teller.ask_at = self._clock() + ASK_AGAIN_S

    def _drop_queue(self, teller: _Teller) -> None:
        self._queued -= len(teller.queue)
        teller.queue.clear()

    async def _write(self, link: Link, teller: _Teller) -> None:
        """Bring the parts of one peer to the rows, in their order."""
        try:
            while teller.queue:
                message = teller.queue.popleft()
                self._queued -= 1
                if not await self._keep(link, message):
                    self._lost(teller)
        finally:
            teller.writing = False

    async def _keep(self, link: Link, message: FingerprintBundleAdvert) -> bool:
        try:
            if message.is_renewal:
                # False: it expired or had to make room for others' meanwhile; a peer that stays linked would never tell it again.
                renewed = await self._store.advert_renew(link.peer_id, ttl_s=message.ttl_s)
                if renewed:
                    self._written(link.peer_id)
                return renewed
            report = _report(link, message)
            if not await self._store.advert_record(report):
                return False
        except DomainError as error:
            log.warning("advert_not_kept code=%s", error.code)
            return False
        self.counts["kept"] += 1
        if report.last:
            self._written(link.peer_id)
        if link.is_open and report.variants:
            await self._heard(link, [claim_of_advert(report, one) for one in report.variants])
        return True


def _report(link: Link, message: FingerprintBundleAdvert) -> AdvertReport:
    return AdvertReport(
        peer=link.peer_id,
        group=link.group,
        bundle_id=uuid.UUID(message.bundle_id),
        sequence=message.sequence,
        full=message.full_snapshot,
        first=message.part == 1,
        last=message.part == message.parts,
        more=message.more,
        ttl_s=message.ttl_s,
        variants=tuple(
            AdvertisedVariant(
                variant_id=one.variant_id,
                recording_mbid=uuid.UUID(recording.recording),
                payload_format=one.payload_format,
                payload_root=one.payload_root,
                profile=one.profile,
                payload_bytes=one.size,
                duration_ms=one.duration_ms,
                quality_score=one.quality_score,
                transcode_suspect=one.transcode_suspect,
            )
            for recording in message.recordings
            for one in recording.variants
            if is_storable(one.payload_format, one.size)
        ),
        withdrawn=message.withdrawn,
    )
