"""How the session with the Soulseek server stands, as people see it: the node's row, people's intent, and whether the node lives at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from apps.domain.soulseek.session import Health, Phase
from apps.nodelink.selectors_status import NodeGlance, NodePresence, node_glance
from apps.soulseek.models import SessionEvent, SoulseekIntent, SoulseekSession


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetGlance:
    """Searches of late: `used` of `most` within `window_s` seconds."""

    used: int = 0
    most: int = 0
    window_s: int = 0
    waiting: int = 0
    running: int = 0
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGlance:
    """The session. `wanted`, `away_wanted`: what people want; `away`: what the server was told."""

    phase: str
    health: str
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    mode: str = ""
    acting: str = ""
    """what the mode comes to: hybrid without an account acts as mesh"""
    wanted: bool = True
    away_wanted: bool = False
    away: bool = False
    username: str = ""
    server: str = ""
    address: str = ""
    listening_port: int = 0
    since: datetime | None = None
    retry_at: datetime | None = None
    wishlist_interval_s: int = 0
    privileged_s: int = 0
    excluded: tuple[str, ...] = ()
    budget: BudgetGlance = field(default_factory=BudgetGlance)
    shared_files: int = 0
    shared_folders: int = 0
    uploads_running: int = 0
    uploads_waiting: int = 0
    updated_at: datetime | None = None

    @property
    def online(self) -> bool:
        """Logged in."""
        return self.phase == Phase.ONLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEventRow:
    """Something that happened to the session."""

    id: int
    kind: str
    code: str
    params: Mapping[str, object]
    at: datetime


def session_glance(node: NodeGlance | None = None) -> SessionGlance:
    """Three queries; two where the node's heartbeat is at hand."""
    row = SoulseekSession.objects.first() or SoulseekSession()
    intent = SoulseekIntent.objects.first() or SoulseekIntent()
    node, chosen = node or node_glance(), settings.CONFIG
    search, now = chosen.soulseek.search, timezone.now()
    phase, health, code, params = row.phase, row.health, row.code, row.params
    if node.presence is not NodePresence.ALIVE:  # its row tells how it was when it was last seen
        phase, params = Phase.IDLE.value, {}
        off = health == Health.OFF and code != "soulseek_node_stopped"
        health, code = (health, code) if off and code else (Health.UNAVAILABLE.value, "soulseek_node_away")
        params = row.params if off else {}
    known = phase == Phase.ONLINE
    window_from = now.timestamp() - search.window_s
    return SessionGlance(
        phase=phase,
        health=health,
        code=code,
        params=params,
        mode=chosen.mode,
        acting=str(node.report.get("acting") or chosen.mode),
        wanted=intent.online,
        away_wanted=intent.away,
        away=row.away and known,
        username=row.username or chosen.soulseek.username,
        server=row.server or f"{chosen.soulseek.server.host}:{chosen.soulseek.server.port}",
        address=row.address if known else "",
        listening_port=row.listening_port if known else 0,
        since=row.since if known else None,
        retry_at=row.retry_at if phase == Phase.WAITING else None,
        wishlist_interval_s=row.wishlist_interval_s,
        privileged_s=row.privileged_s if known else 0,
        excluded=tuple(str(one) for one in row.excluded),
        budget=BudgetGlance(
            used=sum(1 for at in row.search_starts if isinstance(at, int | float) and at > window_from),
            most=search.searches,
            window_s=search.window_s,
            waiting=row.searches_waiting,
            running=row.searches_running,
            next_at=row.next_search_at,
        ),
        shared_files=row.shared_files,
        shared_folders=row.shared_folders,
        uploads_running=row.uploads_running,
        uploads_waiting=row.uploads_waiting,
        updated_at=row.updated_at,
    )


def session_events(*, limit: int = 50) -> list[SessionEventRow]:
    """What happened, the newest first; one query."""
    return [
        SessionEventRow(id=row.id, kind=row.kind, code=row.code, params=row.params, at=row.at)
        for row in SessionEvent.objects.order_by("-at", "-id")[:limit]
    ]
