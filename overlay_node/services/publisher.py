"""Telling others: DHT announcements of releases, and swarm descriptors to linked peers.

Announced are the releases being worked on, then the seeded ones, at most 100, each every 15 minutes, spread over that time by their sticky
slots. A passive node announces nothing and sends no descriptor. A descriptor goes to a peer when it asks for a release, every 15 minutes for
seeded releases, and when a release gained a track here.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from apps.domain.contracts.node_work import AnnouncedRelease
from apps.domain.errors import DomainError
from apps.domain.mesh.keys import mb_key
from overlay_node.config import NodeConfig
from overlay_node.net.link import Link
from overlay_node.ports import Rendezvous, Store
from overlay_node.protocol.errors import LocalProtocolError
from overlay_node.services.offers import Offers

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""How often it is looked whether something is due."""
RETRY_S: Final = 15.0  # after an announcement that nobody stored; doubles, at most the announcing interval
MAX_AT_ONCE: Final = 4


class Publisher:
    """`port` is our overlay's TCP port; `links` the open links; `gained` is told that a track was added to what we hold."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        offers: Offers,
        rendezvous: Rendezvous,
        port: Callable[[], int],
        links: Callable[[], Iterable[Link]],
        clock: Callable[[], float],
        rng: random.Random,
        gained: Callable[[], None] = lambda: None,
    ) -> None:
        self._config: Final = config
        self._store: Final = store
        self._offers: Final = offers
        self._rendezvous: Final = rendezvous
        self._port: Final = port
        self._links: Final = links
        self._clock: Final = clock
        self._rng: Final = rng
        self._gained: Final = gained
        self._releases: tuple[uuid.UUID, ...] | None = None
        self._rows: list[AnnouncedRelease] = []
        self._due: dict[uuid.UUID, float] = {}
        self._pauses: dict[uuid.UUID, float] = {}
        self._told: Final[dict[Link, dict[uuid.UUID, float]]] = {}
        """when an open link was told of a release, within the announcing interval"""
        self._next_descriptors = 0.0
        self.announced = 0
        """releases that some DHT node stores for us now"""

    async def run(self) -> None:
        """Until cancelled."""
        if not self._config.policy.may_announce:
            return
        while True:
            try:
                await self._announce_due()
                await self._tell_due()
            except DomainError as error:
                log.warning("publish_failed code=%s", error.code)
            except Exception:  # announcing goes on
                log.exception("publish_failed")
            await asyncio.sleep(LOOK_S)

    async def asked(self, link: Link, releases: Sequence[uuid.UUID]) -> None:
        """A peer asked for releases: it gets their descriptors, if not lately."""
        for release in releases:
            await self._tell([link], release, forced=False)

    async def completed(self, releases: Sequence[uuid.UUID]) -> None:
        """A track of these releases arrived and was accepted."""
        self._gained()
        for release in releases:
            await self._tell(list(self._links()), release, forced=True)

    def link_closed(self, link: Link) -> None:
        """Forget what it was told."""
        self._told.pop(link, None)

    # ---- private

    async def _announce_due(self) -> None:
        releases = await self._offers.releases()
        if releases != self._releases:
            self._rows = await self._store.announcements_sync(releases)
            self._releases = releases
        rows, now = self._rows, self._clock()
        wanted = {row.release_mbid for row in rows}
        self._due = {mbid: at for mbid, at in self._due.items() if mbid in wanted}
        due = [row for row in rows if self._due.get(row.release_mbid, now) <= now][:MAX_AT_ONCE]
        await asyncio.gather(*(self._announce(row) for row in due))

    async def _announce(self, row: AnnouncedRelease) -> None:
        every = self._config.announce_every_s
        try:
            stored_at = await self._rendezvous.announce(mb_key(row.release_mbid), self._port())
        except DomainError as error:
            log.info("announce_failed code=%s", error.code)
            stored_at = 0
        if stored_at:
            self._pauses.pop(row.release_mbid, None)
            # the first repetition comes somewhere within the interval, so that a hundred keys spread out
            first = row.release_mbid not in self._due
            pause = every * (self._rng.uniform(0.5, 1.0) if first else self._rng.uniform(0.95, 1.0))
            log.info("announced release=%s stored_at=%d", row.release_mbid, stored_at)
        else:
            pause = min(self._pauses.get(row.release_mbid, RETRY_S / 2) * 2, every)
            self._pauses[row.release_mbid] = pause
        self._due[row.release_mbid] = self._clock() + pause
        await self._store.announcement_done(row.release_mbid, stored_at=stored_at)
        self.announced = sum(1 for mbid in self._due if mbid not in self._pauses)

    async def _tell_due(self) -> None:
        if self._clock() < self._next_descriptors:
            return
        self._next_descriptors = self._clock() + self._config.announce_every_s
        self._forget_old()
        for release in await self._offers.seeded():
            await self._tell(list(self._links()), release, forced=False)

    async def _tell(self, links: Sequence[Link], release: uuid.UUID, *, forced: bool) -> None:
        """Send the release's descriptor to those who were not told lately (`forced`: to all). It is read from the rows once."""
        since = self._clock() - self._config.announce_every_s
        due = [link for link in links if forced or self._told.get(link, {}).get(release, since) <= since]
        if not due or not self._config.policy.may_announce:
            return
        descriptor = await self._offers.descriptor(release)
        if descriptor is None:
            return
        for link in due:
            if not link.is_open:
                continue
            try:
                link.send(descriptor)
            except LocalProtocolError as error:
                log.debug("descriptor_not_sent code=%s", error.code)
                continue
            self._told.setdefault(link, {})[release] = self._clock()

    def _forget_old(self) -> None:
        """What was told an interval ago decides nothing any more: links live long, and releases come and go."""
        since = self._clock() - self._config.announce_every_s
        for link, told in list(self._told.items()):
            for release in [release for release, at in told.items() if at <= since]:
                del told[release]
            if not told or not link.is_open:
                del self._told[link]
