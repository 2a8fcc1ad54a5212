"""What the node's sharing part reads and writes: shared files in batches, rules, uploads. Values between rows and the plane. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.errors import Param
from apps.domain.soulseek.share_index import SharedEntry
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.user_rules import Rule
from apps.domain.soulseek.virtual_paths import ShareRules


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRoot:
    """A library root that can be read now. `name` begins the virtual paths."""

    id: int
    path: bytes
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePlan:
    """What decides about everything shared: small, read often. Two equal ones mean that nothing of it changed."""

    roots: tuple[SharedRoot, ...] = ()
    rules: ShareRules = field(default_factory=ShareRules)

    def root(self, root_id: int) -> SharedRoot | None:
        """By id; None: not there, or can't be read now."""
        return next((one for one in self.roots if one.id == root_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareBatch:
    """Some files of the library by rising id. `last_id` None: there are no more. `unshared`: ids that are looked at and are not (or no longer) shared."""

    entries: tuple[SharedEntry, ...]
    unshared: tuple[int, ...] = ()
    last_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareChanges:
    """Library files that changed since they were last taken. `marks`: to be handed back once the index has them."""

    file_ids: tuple[int, ...] = ()
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToSend:
    """A shared file as its row tells it: where it is, and what it must be to be given away."""

    file_id: int
    root: bytes
    relative_path: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBytes:
    """What a user was given: since local midnight, and since Monday."""

    day: int = 0
    week: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReport:
    """How an upload stands. The row is made with the first one."""

    id: uuid.UUID
    user: str
    remote_path: str
    file_id: int | None
    size: int
    state: UploadState
    group: str
    asked_at: datetime
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    offset: int = 0
    sent_bytes: int = 0
    speed_bps: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadKept:
    """An upload that was live when an earlier boot ended: it keeps its place."""

    id: uuid.UUID
    user: str
    remote_path: str
    file_id: int | None
    size: int
    asked_at: datetime
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRulesRead:
    """All rules of users. `stamp`: equal ones mean that nothing changed."""

    rules: tuple[Rule, ...]
    stamp: str
