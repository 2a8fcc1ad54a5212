"""Values that the node and the control plane exchange about searches. Frozen; what they mean stands at the rows (apps.soulseek.models.searches). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.errors import Param
from apps.domain.soulseek.budget import SearchScope, Urgency
from apps.domain.soulseek.results import SharedFile
from apps.domain.soulseek.states import SearchState
from apps.domain.soulseek.user_rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWork:
    """A search that is not over. `whose`: whose turn it takes (a person, a hunt, an integration)."""

    id: uuid.UUID
    query: str
    scope: SearchScope
    whom: str
    urgency: Urgency
    anew: bool
    whose: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchKept:
    """A search whose answers are young enough to be given again."""

    id: uuid.UUID
    query: str
    scope: SearchScope
    whom: str
    ended_at: datetime
    users: int
    files: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSearches:
    """What the node reads at each look."""

    searches: tuple[SearchWork, ...]
    rules: tuple[Rule, ...] = ()
    """who is neither heard nor answered"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchesBefore:
    """What a restart must know: when searches were started inside the budget's window, and answers that may be given again."""

    starts: tuple[datetime, ...] = ()
    kept: tuple[SearchKept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """How a search stands. `answers_in`: the search under which its answers are kept. Times are aware UTC."""

    search_id: uuid.UUID
    state: SearchState
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    answers_in: uuid.UUID | None = None
    ahead: int = 0
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    users: int = 0
    files: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReport:
    """All that one user answered to a search so far; replaces what was written of them before. `locked`: files they keep for others."""

    search_id: uuid.UUID
    user: str
    files: tuple[SharedFile, ...]
    received_at: datetime
    locked: int = 0
    free_slot: bool = False
    queue: int = 0
    speed_bps: int = 0
