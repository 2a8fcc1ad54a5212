"""The rows that sharing needs: a protocol, implemented over Django and in memory (`overlay_node/store/soulseek/sharing*`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

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


class SharingRows(Protocol):
    """Each method raises DomainError `store_unavailable` when the database can't be reached."""

    async def plan(self) -> SharePlan:
        """Roots that can be read now, and the rules of folders."""

    async def batch(self, plan: SharePlan, *, after_id: int, limit: int) -> ShareBatch:
        """The next files of the plan's roots, by rising id."""

    async def files(self, plan: SharePlan, file_ids: Collection[int]) -> ShareBatch:
        """These files; what is no more or not shared is told as unshared."""

    async def changes(self) -> ShareChanges:
        """Files that changed and were not taken yet, some hundred at a time."""

    async def changes_taken(self, marks: Collection[int]) -> None:
        """The index has them."""

    async def changes_forget(self) -> int:
        """Everything is about to be read anew; how many were noted."""

    async def file_to_send(self, file_id: int) -> tuple[FileToSend, Audience] | None:
        """The file as its row is now, and who may have it; None: nobody."""

    async def user_rules(self) -> UserRulesRead:
        """Rules of users."""

    async def uploads_kept(self) -> tuple[UploadKept, ...]:
        """Live ones of the boot before, as they were asked for."""

    async def uploads_write(self, reports: Sequence[UploadReport]) -> None:
        """How they stand; rows are made where there are none."""

    async def user_bytes(self, user: str, *, day: datetime, week: datetime) -> UserBytes:
        """What a user was sent by uploads that ended since then."""

    async def average_speed(self) -> int:
        """Bytes/s of the last uploads; 0: there were none."""
