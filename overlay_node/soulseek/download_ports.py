"""What the downloads part needs of rows, as a typed protocol. Over Django: `store.soulseek.downloads`; in memory: `store.soulseek.memory_downloads`."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import Protocol

from apps.domain.contracts.soulseek_downloads import (
    Adoption,
    DownloadReport,
    DownloadWork,
    SharerPast,
    WholeStream,
)


class DownloadRows(Protocol):
    """Rows of downloads. Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def work(self, among: Collection[uuid.UUID], *, limit: int) -> tuple[DownloadWork, ...]:
        """Live downloads that have not ended: the first `limit` of the queue, and those of `among` (what runs) wherever they stand."""

    async def record(self, reports: Sequence[DownloadReport]) -> None:
        """Write how downloads stand; what has ended already stays as it is."""

    async def adopt(self, whole: WholeStream) -> Adoption:
        """Make a transfer of a stream that is whole, once; what became of it."""

    async def adoptable(self, download_id: uuid.UUID, *, payload_format: str, payload_root: bytes) -> Adoption:
        """What `adopt` would say now, without doing it."""

    async def pasts(self, users: Collection[str]) -> tuple[tuple[SharerPast, ...], tuple[SharerPast, ...]]:
        """What is remembered of these users; and of a sample of all others."""

    async def keeping(self, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
        """Which of these downloads still need what is on disk: those that are live and have not ended."""
