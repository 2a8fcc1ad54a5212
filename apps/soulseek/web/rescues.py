"""Rescues: a line at a download, and the list of all, with both planes' bytes and why the mesh was not let help."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.web.looks import Look
from apps.domain.soulseek.states import RescueState
from apps.soulseek.selectors_rescues import RescueView, rescue_page

LOOKS: Final[Mapping[RescueState, Look]] = {
    RescueState.LOOKING: Look(lazy("Help is looked for"), "clock", "info"),
    RescueState.ACTIVE: Look(lazy("Rescue active"), "up", "overlay"),
    RescueState.RECOVERED: Look(lazy("Recovered"), "check", "ok"),
    RescueState.FINISHED: Look(lazy("Rescued"), "check", "ok"),
    RescueState.REFUSED: Look(lazy("Rescue refused"), "warning", "warn"),
    RescueState.NO_SOURCE: Look(lazy("No help found"), "clock", "idle"),
    RescueState.ENDED: Look(lazy("Ended"), "stop", "idle"),
}
TROUBLES: Final[Mapping[str, Promise]] = {
    "queued_too_long": lazy("waited too long"),
    "queue_stands": lazy("their queue stood"),
    "too_slow": lazy("too slow"),
    "stalled": lazy("stalled"),
}
SHOWS: Final = ("", "live", *(state.value for state in RescueState))


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueLine:
    """One rescue as a row. `share`: per cent of the bytes that are the mesh's."""

    row: RescueView
    look: Look
    says: Sentence
    trouble: Promise | str
    segments: tuple[Mapping[str, object], ...]
    total: int
    share: int


def rescue_line(row: RescueView) -> RescueLine:
    """As it is shown, at its download or in the list."""
    return RescueLine(
        row=row,
        look=LOOKS[row.state],
        says=sentence(row.code, row.params) if row.code else sentence(""),
        trouble=TROUBLES.get(row.trouble, row.trouble),
        segments=tuple(
            {"value": value, "tone": tone}
            for value, tone in ((row.soulseek_bytes, "soulseek"), (row.overlay_bytes, "overlay"))
            if value
        ),
        total=row.soulseek_bytes + row.overlay_bytes,
        share=round(100 * (row.share or 0.0)),
    )


@require_GET
@page_role(Role.VIEWER)
def rescues(request: HttpRequest) -> HttpResponse:
    """All of them, newest first."""
    show = request.GET.get("show", "") if request.GET.get("show", "") in SHOWS else ""
    job_id = _uuid(request.GET.get("job", ""))
    try:
        page = rescue_page(state=show, job_id=job_id, cursor=request.GET.get("cursor") or None)
    except CursorInvalid:
        page = rescue_page(state=show, job_id=job_id)
    tabs = [("", lazy("All")), ("live", lazy("Under way")), ("refused", lazy("Refused")), ("finished", lazy("Rescued"))]
    lines = [rescue_line(row) for row in page.items]
    context = {"lines": lines, "page": page, "show": show, "tabs": tabs, "job_id": job_id}
    return render(request, "soulseek/rescues.html", context)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


urlpatterns = [path("soulseek/rescues", rescues, name="rescues")]
