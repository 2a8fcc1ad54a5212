"""What neighbours tell each other unasked for any one recording, joined: adverts told and heard, cache jobs asked and answered.

Hears of links, and keeps the slow clocks of its parts. Nothing here decides anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Final

from apps.domain.contracts.node_work import WantWork
from overlay_node.config import NodeConfig
from overlay_node.net.link import Link
from overlay_node.ports import Store
from overlay_node.services.adverts import Adverts
from overlay_node.services.availability import Availability
from overlay_node.services.background import Background
from overlay_node.services.cache_jobs import CacheJobs
from overlay_node.services.discovery import Discovery
from overlay_node.services.label_news import LabelNews
from overlay_node.services.offers import Offers

TICK_S: Final = 2.0


class Sharing:
    """`secret`: 32 random bytes of this run, from which pseudonyms are made. `short` as in `CacheJobs`."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        store: Store,
        offers: Offers,
        discovery: Discovery,
        background: Background,
        clock: Callable[[], float],
        links: Callable[[], Iterable[Link]],
        wants: Callable[[], Iterable[WantWork]],
        short: Callable[[uuid.UUID], bool],
        secret: bytes,
    ) -> None:
        self.adverts: Final = Adverts(
            config.policy, offers=offers, background=background, clock=clock, variant_key=b"variant" + secret
        )
        self.labels: Final = LabelNews(store=store, clock=clock)
        self.availability: Final = Availability(
            store=store,
            background=background,
            clock=clock,
            heard=discovery.heard_claims,
            written=self.labels.advertised,
        )
        self.cache_jobs: Final = CacheJobs(
            config.policy,
            offers=offers,
            background=background,
            clock=clock,
            links=links,
            wants=wants,
            short=short,
            heard=discovery.heard_claims,
            pseudonym_key=b"cache job" + secret,
        )

    def link_ready(self, link: Link) -> None:
        """Ask a new neighbour for adverts and for what jobs lack."""
        self.availability.link_ready(link)
        self.cache_jobs.link_ready(link)

    def link_closed(self, link: Link) -> None:
        """Forget what was under way on the link."""
        self.adverts.link_closed(link)
        self.availability.link_closed(link)
        self.cache_jobs.link_closed(link)

    async def tick(self) -> None:
        """Every TICK_S."""
        self.cache_jobs.tick()
        await self.availability.tick()
        await self.labels.tick()

    def report(self) -> dict[str, int]:
        """Counters, for metrics."""
        return {
            "advert_readers": self.adverts.readers,
            **{f"adverts_{name}": count for name, count in self.availability.counts.items()},
            **{f"labels_{name}": count for name, count in self.labels.counts.items()},
            **{f"cache_jobs_{name}": count for name, count in self.cache_jobs.counts.items()},
        }
