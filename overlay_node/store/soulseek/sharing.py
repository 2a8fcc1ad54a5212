"""Rows of sharing over Django."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from apps.domain.contracts.soulseek_sharing import (
    FileToSend,
    ShareBatch,
    ShareChanges,
    SharePlan,
    UploadKept,
    UploadReport,
    UserBytes,
    UserRulesRead,
)
from apps.domain.soulseek.virtual_paths import Audience
from apps.soulseek import selectors_node_sharing as selectors
from apps.soulseek import services_node_sharing as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoSharingRows:
    """See `overlay_node.soulseek.sharing_rows.SharingRows`."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database: Final = database

    async def plan(self) -> SharePlan:
        """Roots and rules."""
        return await self._database.read(selectors.share_plan)

    async def batch(self, plan: SharePlan, *, after_id: int, limit: int) -> ShareBatch:
        """The next files."""
        return await self._database.read(functools.partial(selectors.share_batch, plan, after_id=after_id, limit=limit))

    async def files(self, plan: SharePlan, file_ids: Collection[int]) -> ShareBatch:
        """These files."""
        return await self._database.read(functools.partial(selectors.share_files, plan, file_ids))

    async def changes(self) -> ShareChanges:
        """What changed."""
        return await self._database.read(selectors.share_changes)

    async def changes_taken(self, marks: Collection[int]) -> None:
        """The index has them."""
        await self._database.run(functools.partial(services.changes_taken, marks))

    async def changes_forget(self) -> int:
        """Everything is read anew."""
        return await self._database.run(services.changes_forget)

    async def file_to_send(self, file_id: int) -> tuple[FileToSend, Audience] | None:
        """As its row is now."""
        return await self._database.read(functools.partial(selectors.file_to_send, file_id))

    async def user_rules(self) -> UserRulesRead:
        """Buddies, the ignored, the banned."""
        return await self._database.read(selectors.rules_read)

    async def uploads_kept(self) -> tuple[UploadKept, ...]:
        """Live ones of the boot before."""
        return await self._database.read(selectors.uploads_kept)

    async def uploads_write(self, reports: Sequence[UploadReport]) -> None:
        """How they stand."""
        await self._database.run(functools.partial(services.uploads_write, reports))

    async def user_bytes(self, user: str, *, day: datetime, week: datetime) -> UserBytes:
        """What a user got."""
        return await self._database.read(functools.partial(selectors.user_bytes, user, day=day, week=week))

    async def average_speed(self) -> int:
        """Of the last uploads."""
        return await self._database.read(selectors.average_speed)
