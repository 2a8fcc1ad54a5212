"""Rows of downloads over Django."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from apps.domain.contracts.soulseek_downloads import (
    Adoption,
    DownloadReport,
    DownloadWork,
    SharerPast,
    WholeStream,
)
from apps.soulseek import selectors_node_downloads as selectors
from apps.soulseek import services_node_downloads as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoDownloads:
    """See `overlay_node.soulseek.download_ports.DownloadRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def work(self, among: Collection[uuid.UUID], *, limit: int) -> tuple[DownloadWork, ...]:
        """Live downloads that have not ended."""
        return await self._database.read(functools.partial(selectors.downloads_work, tuple(among), limit=limit))

    async def record(self, reports: Sequence[DownloadReport]) -> None:
        """How downloads stand."""
        await self._database.run(functools.partial(services.downloads_record, tuple(reports)))

    async def adopt(self, whole: WholeStream) -> Adoption:
        """A whole stream becomes a transfer."""
        return await self._database.run(functools.partial(services.stream_adopt, whole))

    async def adoptable(self, download_id: uuid.UUID, *, payload_format: str, payload_root: bytes) -> Adoption:
        """What that would come to."""
        return await self._database.read(
            functools.partial(
                services.stream_adoptable, download_id, payload_format=payload_format, payload_root=payload_root
            )
        )

    async def pasts(self, users: Collection[str]) -> tuple[tuple[SharerPast, ...], tuple[SharerPast, ...]]:
        """What is remembered of sharers."""
        return await self._database.read(functools.partial(selectors.sharers_past, tuple(users)))

    async def keeping(self, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Which downloads need what is on disk."""
        return await self._database.read(functools.partial(selectors.downloads_keeping, tuple(ids)))
