"""The Soulseek page: how the session stands and why, what the server says, the search budget, what happened; connect, disconnect, away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import sentence
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.soulseek.session import Health, Phase
from apps.nodelink.web.frame import frame_parts
from apps.soulseek.selectors_session import SessionEventRow, session_events, session_glance
from apps.soulseek.services_session import session_away, session_connect, session_disconnect

EVENTS_SHOWN: Final = 40


HEALTH_LOOKS: Final[Mapping[str, Look]] = {
    Health.HEALTHY: Look(label=lazy("Healthy"), icon="check", tone="ok"),
    Health.DEGRADED: Look(label=lazy("Degraded"), icon="warning", tone="warn"),
    Health.UNAVAILABLE: Look(label=lazy("Unavailable"), icon="cross", tone="bad"),
    Health.OFF: Look(label=lazy("Off"), icon="stop", tone="idle"),
}
PHASE_WORDS: Final[Mapping[str, Promise]] = {
    Phase.IDLE: lazy("Not connected"),
    Phase.CONNECTING: lazy("Connecting"),
    Phase.ONLINE: lazy("Online"),
    Phase.WAITING: lazy("Waiting for the next attempt"),
    Phase.STOPPED: lazy("Stopped until somebody connects it again"),
}
EVENT_LOOKS: Final[Mapping[str, Look]] = {
    "connected": Look(label=lazy("Connected"), icon="check", tone="ok"),
    "disconnected": Look(label=lazy("Disconnected"), icon="stop", tone="idle"),
    "refused": Look(label=lazy("Refused"), icon="cross", tone="bad"),
    "kicked": Look(label=lazy("Kicked"), icon="cross", tone="bad"),
    "lost": Look(label=lazy("Lost"), icon="warning", tone="warn"),
    "unreachable": Look(label=lazy("Unreachable"), icon="warning", tone="warn"),
    "stopped": Look(label=lazy("Not tried"), icon="cross", tone="bad"),
    "away": Look(label=lazy("Away"), icon="clock", tone="idle"),
    "back": Look(label=lazy("Back"), icon="check", tone="ok"),
    "server_said": Look(label=lazy("The server says"), icon="info", tone="info"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One line of what happened. `says` is the server's own words, or ours."""

    look: Look
    says: str
    at: datetime


def _line(row: SessionEventRow) -> EventLine:
    look = EVENT_LOOKS.get(row.kind, Look(label=row.kind, icon="dot", tone="idle"))
    said = row.params.get("text") if row.kind == "server_said" else None
    return EventLine(look=look, says=str(said if said is not None else sentence(row.code, row.params)), at=row.at)


def _context() -> dict[str, object]:
    glance = session_glance()
    return {
        "session": glance,
        "look": HEALTH_LOOKS.get(glance.health, HEALTH_LOOKS[Health.OFF]),
        "phase": PHASE_WORDS.get(glance.phase, glance.phase),
        "tone": {"healthy": "info", "degraded": "warn", "unavailable": "bad"}.get(glance.health, "idle"),
        "events": [_line(row) for row in session_events(limit=EVENTS_SHOWN)],
    }


@require_GET
@page_role(Role.VIEWER)
def soulseek(request: HttpRequest) -> HttpResponse:
    """Everything at a glance."""
    return render(request, "soulseek/status.html", _context())


@require_GET
@page_role(Role.VIEWER)
def live_soulseek(request: HttpRequest) -> HttpResponseBase:
    """Patches of status and events. Not of the buttons: each rendering has another token, which would be a change each time."""
    return stream_response(_parts)


def _parts() -> Mapping[str, object]:
    context = _context()
    return {
        **frame_parts(),
        "soulseek-status": render_to_string("soulseek/_status.html", context),
        "soulseek-events": render_to_string("soulseek/_status_events.html", context),
    }


@require_POST
@page_role(Role.OPERATOR)
def session_move(request: HttpRequest) -> HttpResponse:
    """connect, disconnect, away or back."""
    person = request.user if isinstance(request.user, User) else None
    match request.POST.get("to"):
        case "connect":
            session_connect(user=person)
            messages.success(request, _("The node connects now."))
        case "disconnect":
            session_disconnect(user=person)
            messages.success(request, _("Disconnected. Nothing connects until you want it."))
        case "away":
            session_away(away=True, user=person)
            messages.success(request, _("You are shown as away."))
        case "back":
            session_away(away=False, user=person)
            messages.success(request, _("You are shown as online."))
        case _:
            messages.error(request, _("Connect, disconnect, away or back."))
    return redirect("soulseek")


urlpatterns = [
    path("soulseek", soulseek, name="soulseek"),
    path("soulseek/session", session_move, name="soulseek-session"),
    path("live/soulseek", live_soulseek, name="live-soulseek"),
]
