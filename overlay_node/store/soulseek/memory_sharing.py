"""Rows of sharing in memory. Passes the same contract tests as `sharing`."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.contracts.soulseek_sharing import (
    FileToSend,
    ShareBatch,
    ShareChanges,
    SharedRoot,
    SharePlan,
    UploadKept,
    UploadReport,
    UserBytes,
    UserRulesRead,
)
from apps.domain.soulseek.share_index import SharedEntry
from apps.domain.soulseek.states import UPLOAD_ENDS
from apps.domain.soulseek.user_rules import Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule, ShareRules, virtual_path


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFile:
    """A library file."""

    root_id: int
    relative_path: bytes
    size: int
    mtime_ns: int
    attributes: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class MemorySharingRows:
    """See `overlay_node.soulseek.sharing_rows.SharingRows`. `roots`, `rules`, `folder_rules` and `put`/`drop` are the control plane's side."""

    roots: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    library: dict[int, MemoryFile] = field(default_factory=dict)
    folder_rules: list[FolderRule] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    uploads: dict[uuid.UUID, UploadReport] = field(default_factory=dict)
    noted: dict[int, int] = field(default_factory=dict)
    mark: int = 0

    def put(self, file_id: int, file: MemoryFile) -> None:
        """A file came or changed."""
        self.library[file_id] = file
        self._note(file_id)

    def drop(self, file_id: int) -> None:
        """A file went."""
        del self.library[file_id]
        self._note(file_id)

    def _note(self, file_id: int) -> None:
        self.mark += 1
        self.noted[self.mark] = file_id

    async def plan(self) -> SharePlan:
        """Roots and rules."""
        return SharePlan(
            roots=tuple(SharedRoot(id=one, path=path, name=name) for one, (path, name) in sorted(self.roots.items())),
            rules=ShareRules.of(self.folder_rules),
        )

    async def batch(self, plan: SharePlan, *, after_id: int, limit: int) -> ShareBatch:
        """The next files."""
        known = {one.id for one in plan.roots}
        ids = [one for one, file in sorted(self.library.items()) if one > after_id and file.root_id in known][:limit]
        found = self._batch(plan, ids)
        return ShareBatch(
            entries=found.entries, unshared=found.unshared, last_id=ids[-1] if len(ids) == limit else None
        )

    async def files(self, plan: SharePlan, file_ids: Collection[int]) -> ShareBatch:
        """These files."""
        return self._batch(plan, sorted(file_ids))

    async def changes(self) -> ShareChanges:
        """What changed."""
        marks = sorted(self.noted)[:500]
        return ShareChanges(file_ids=tuple(dict.fromkeys(self.noted[one] for one in marks)), marks=tuple(marks))

    async def changes_taken(self, marks: Collection[int]) -> None:
        """The index has them."""
        for one in marks:
            self.noted.pop(one, None)

    async def changes_forget(self) -> int:
        """Everything is read anew."""
        count = len(self.noted)
        self.noted.clear()
        return count

    async def file_to_send(self, file_id: int) -> tuple[FileToSend, Audience] | None:
        """As its row is now."""
        file = self.library.get(file_id)
        root = None if file is None else self.roots.get(file.root_id)
        if file is None or root is None:
            return None
        audience = ShareRules.of(self.folder_rules).audience(file.root_id, file.relative_path)
        if audience is Audience.NOBODY:
            return None
        wanted = FileToSend(
            file_id=file_id,
            root=root[0],
            relative_path=file.relative_path,
            size=file.size,
            mtime_ns=file.mtime_ns,
        )
        return wanted, audience

    async def user_rules(self) -> UserRulesRead:
        """Buddies, the ignored, the banned."""
        return UserRulesRead(rules=tuple(self.rules), stamp=repr(self.rules))

    async def uploads_kept(self) -> tuple[UploadKept, ...]:
        """Live ones."""
        return tuple(
            UploadKept(
                id=one.id,
                user=one.user,
                remote_path=one.remote_path,
                file_id=one.file_id,
                size=one.size,
                asked_at=one.asked_at,
                sent_bytes=one.sent_bytes,
            )
            for one in sorted(self.uploads.values(), key=lambda one: (one.asked_at, one.id))
            if one.state not in UPLOAD_ENDS
        )

    async def uploads_write(self, reports: Sequence[UploadReport]) -> None:
        """How they stand."""
        for one in reports:
            known = self.uploads.get(one.id)
            if known is None or known.state not in UPLOAD_ENDS:
                self.uploads[one.id] = one

    async def user_bytes(self, user: str, *, day: datetime, week: datetime) -> UserBytes:
        """What a user got."""
        sums = [0, 0]
        for one in self.uploads.values():
            if one.user == user and one.ended_at is not None:
                sums[0] += one.sent_bytes if one.ended_at >= day else 0
                sums[1] += one.sent_bytes if one.ended_at >= week else 0
        return UserBytes(day=sums[0], week=sums[1])

    async def average_speed(self) -> int:
        """Of the last uploads."""
        speeds = [one.speed_bps for one in self.uploads.values() if one.state.value == "succeeded" and one.speed_bps]
        return sum(speeds) // len(speeds) if speeds else 0

    def _batch(self, plan: SharePlan, ids: Sequence[int]) -> ShareBatch:
        entries: list[SharedEntry] = []
        unshared: list[int] = []
        for one in ids:
            file = self.library.get(one)
            root = None if file is None else plan.root(file.root_id)
            if file is None or root is None:
                unshared.append(one)
                continue
            audience = plan.rules.audience(file.root_id, file.relative_path)
            path = virtual_path(root.name, file.relative_path)
            if path is None or audience is Audience.NOBODY:
                unshared.append(one)
                continue
            entries.append(
                SharedEntry(
                    file_id=one,
                    path=path,
                    size=file.size,
                    attributes=file.attributes,
                    audience=frozenset({"buddies"}) if audience is Audience.BUDDIES else frozenset(),
                )
            )
        return ShareBatch(entries=tuple(entries), unshared=tuple(unshared))
