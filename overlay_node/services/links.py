"""Hears of every link and every message, and hands each to the service it is for."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Final

from apps.domain.errors import DomainError
from overlay_node.net.link import Link
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.protocol.messages import (
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    MbidQuery,
    MbidSwarmDescriptor,
    Message,
    PayloadHave,
    PayloadRequest,
)
from overlay_node.protocol.sharing import FingerprintBundleAdvert, FingerprintBundleRequest, MeshCacheJob
from overlay_node.services.background import Background
from overlay_node.services.discovery import Discovery
from overlay_node.services.offers import Offers
from overlay_node.services.publisher import Publisher
from overlay_node.services.seeder import Seeder
from overlay_node.services.sharing import Sharing
from overlay_node.services.swarms import Swarms

log = logging.getLogger(__name__)

MAX_WORK_PER_LINK: Final = (
    16  # an honest node asks a dozen things at once: its looks, and manifests for eight transfers
)
MAX_WORK: Final = 64  # over all links: every one of them needs the database thread that our own transfers need too
BUSY_S: Final = 5


class LinkHub:
    """The one `LinkListener` of the node. `attach` before the overlay opens a socket."""

    def __init__(self, *, background: Background) -> None:
        self.since: Final[dict[Link, float]] = {}
        """open links, and when they were opened (seconds since 1970, for people)"""
        self._taken_up: Final[Counter[Link]] = Counter()
        self._at_work = 0
        self._background: Final = background
        self._discovery: Discovery | None = None
        self._swarms: Swarms | None = None
        self._seeder: Seeder | None = None
        self._offers: Offers | None = None
        self._publisher: Publisher | None = None
        self._sharing: Sharing | None = None
        self._wake: Callable[[], None] = lambda: None
        self._met: Callable[[str], None] = lambda _peer: None

    def attach(
        self,
        *,
        discovery: Discovery,
        swarms: Swarms,
        seeder: Seeder,
        offers: Offers,
        publisher: Publisher,
        sharing: Sharing,
        wake: Callable[[], None],
        met: Callable[[str], None] = lambda _peer: None,
    ) -> None:
        """Whom to tell. `met`: a peer proved its key on a new link."""
        self._met = met
        self._discovery, self._swarms, self._seeder = discovery, swarms, seeder
        self._offers, self._publisher, self._wake = offers, publisher, wake
        self._sharing = sharing

    def link_ready(self, link: Link) -> None:
        """A new link: its peer is asked for what is wanted."""
        assert self._discovery is not None
        assert self._sharing is not None
        log.info("link_ready peer=%s dialled=%s group=%s", link.peer_id[:8], link.dialled_by_me, link.group)
        self.since[link] = time.time()
        self._met(link.peer_id)
        self._discovery.link_ready(link)
        self._sharing.link_ready(link)

    def link_message(self, link: Link, message: Message, attachment: Attachment) -> None:
        """A message that no request waits for."""
        assert self._discovery is not None
        assert self._swarms is not None
        assert self._seeder is not None
        assert self._sharing is not None
        match message:
            case ChunkResponse():
                self._swarms.chunk(link, message, attachment)
            case ChunkRequest():
                self._seeder.chunk_requested(link, message)
            case ChunkCancel():
                self._seeder.cancelled(link, message)
            case PayloadRequest():
                seeder, asked = self._seeder, message
                self._take_up(link, message, lambda: seeder.payload_requested(link, asked))
            case PayloadHave():
                self._swarms.have(link, message)
            case MbidQuery():
                query = message
                self._take_up(link, message, lambda: self._answer(link, query))
            case MbidSwarmDescriptor():
                discovery, told = self._discovery, message
                self._sharing.labels.descriptor(link, told)
                self._take_up(link, message, lambda: discovery.descriptor(link, told))
            case FingerprintBundleRequest():
                self._sharing.adverts.requested(link, message)
            case FingerprintBundleAdvert():
                self._sharing.availability.advert(link, message)
            case MeshCacheJob():
                jobs, job = self._sharing.cache_jobs, message
                self._take_up(link, message, lambda: jobs.requested(link, job))
            case ErrorReply():
                self._swarms.refused(link, message)
            case _:  # late answers nobody waits for any more
                log.debug("message_unused type=%s", message.TYPE)

    def link_closed(self, link: Link, reason_code: str) -> None:
        """A link is gone. When another link to the same peer lives, transfers go on over that one after a new look."""
        assert self._swarms is not None
        assert self._seeder is not None
        assert self._publisher is not None
        assert self._sharing is not None
        log.info("link_closed peer=%s code=%s", link.peer_id[:8], reason_code)
        self.since.pop(link, None)
        self._seeder.link_closed(link)
        self._publisher.link_closed(link)
        self._sharing.link_closed(link)
        if not any(other.peer_id == link.peer_id for other in self.since):
            self._swarms.link_closed(link.peer_id)
        self._wake()

    def _take_up(self, link: Link, message: Message, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Do in the background what a message asks for. When too much waits already a question is refused, a hint dropped."""
        if self._taken_up[link] >= MAX_WORK_PER_LINK:
            self._refuse(link, message)
            return
        self._taken_up[link] += 1
        self._background.spawn(self._carry_out(link, message, work), message.TYPE)

    async def _carry_out(
        self, link: Link, message: Message, work: Callable[[], Coroutine[object, object, None]]
    ) -> None:
        try:
            # Who does not read gets nothing more to read, and waits for it in nobody else's place.
            await link.drained().asFuture(asyncio.get_running_loop())
            if self._at_work >= MAX_WORK:
                self._refuse(link, message)
                return
            self._at_work += 1
            try:
                await work()
            finally:
                self._at_work -= 1
        finally:
            self._taken_up[link] -= 1
            if not self._taken_up[link]:
                del self._taken_up[link]

    def _refuse(self, link: Link, message: Message) -> None:
        if link.is_open and not isinstance(message, MbidSwarmDescriptor):
            link.send(ErrorReply(in_reply_to=message.message_id, code="rate_limited", retry_after_s=BUSY_S))

    async def _answer(self, link: Link, query: MbidQuery) -> None:
        assert self._offers is not None
        assert self._publisher is not None
        try:
            answer = await self._offers.answer(query)
            if link.is_open:
                link.send(answer)
            await self._publisher.asked(link, [uuid.UUID(text) for text in query.releases])
        except (DomainError, LocalProtocolError) as error:
            log.info("query_not_answered peer=%s code=%s", link.peer_id[:8], error.code)
