"""The session with the Soulseek server as rows carry it between the node and the control plane. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.errors import Param
from apps.domain.soulseek.session import Health, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentWork:
    """What people want of the session. `generation` rises with each "connect again"."""

    online: bool = True
    away: bool = False
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKept:
    """What a restart must know of the session before it: searches inside the budget's window (wall-clock seconds), the last ticket given."""

    search_starts: tuple[float, ...] = ()
    last_ticket: int = 0
    wishlist_interval_s: int = 720
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """How the session stands: the one row `SoulseekSession`."""

    phase: Phase
    health: Health
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    username: str = ""
    server: str = ""
    address: str = ""
    """ours, as the server sees it"""
    listening_port: int = 0
    away: bool = False
    since: datetime | None = None
    """online since"""
    retry_at: datetime | None = None
    wishlist_interval_s: int = 720
    privileged_s: int = 0
    excluded: tuple[str, ...] = ()
    search_starts: tuple[float, ...] = ()
    searches_waiting: int = 0
    searches_running: int = 0
    next_search_at: datetime | None = None
    shared_files: int = 0
    shared_folders: int = 0
    uploads_running: int = 0
    uploads_waiting: int = 0
    last_ticket: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHappening:
    """Something that happened to the session: `kind` is connected, refused, kicked, lost, unreachable, disconnected, away, back, server_said, stopped."""

    kind: str
    at: datetime
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
