"""A job's trace as a page: findings, a timeline drawn from the API, who gave what, and every event as a table for whoever reads without a drawing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.common.pagination import Page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.domain.errors import DomainError
from apps.domain.swarm.trace import SOULSEEK_PREFIX, TraceAction, TraceEvent
from apps.domain.swarm.trace_filter import TraceFilter, events_matching
from apps.domain.swarm.trace_summary import Curve, Summary
from apps.jobs.services import JobUnknown
from apps.jobs.traces import JobTrace, findings_with_tracks, job_trace
from apps.transfers.traces import tracing_state

EVENTS_A_PAGE = 50
FINDING_ICONS = {"bad": "cross", "warn": "warning", "info": "info"}
PLANE_TONES = {"overlay": "overlay", "soulseek": "soulseek"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """An event as the table shows it."""

    after_s: float
    event: TraceEvent
    track: str


@require_GET
@page_role(Role.VIEWER)
def trace(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The page; where there is no trace, why, and how to get one."""
    try:
        found = job_trace(job_id)
    except JobUnknown as error:
        raise Http404 from error
    except DomainError as error:
        context = {"job_id": job_id, "code": error.code, "params": error.params, "tracing": tracing_state()}
        return render(request, "traces/none.html", context)
    cursor = request.GET.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 20):
        return redirect("job-trace", job_id=job_id)
    return render(request, "traces/trace.html", page_context(found, request, after=int(cursor or 0)))


def page_context(found: JobTrace, request: HttpRequest, *, after: int) -> dict[str, object]:
    """Everything the page says."""
    summary = found.summary()
    wanted = _filter_of(request)
    page = _events(found, wanted, after)
    return {
        "job_id": found.job,
        "title": found.title,
        "artist": found.artist,
        "summary": summary,
        "whole": summary.whole,
        "tracing": tracing_state(),
        "findings": [
            {"one": one, "words": words, "track": track, "icon": FINDING_ICONS[one.tone], "after_s": _after(summary.whole, one.at)}
            for one, words, track in findings_with_tracks(found, summary.whole.findings)
        ],
        "peers": [
            {"one": one, "name": one.peer.removeprefix(SOULSEEK_PREFIX), "tone": PLANE_TONES[one.source.value],
             "segments": [{"value": max(one.verified, 0), "tone": PLANE_TONES[one.source.value]}]}
            for one in summary.whole.peers
        ],
        "tracks": [
            {"id": one.track, "label": found.track(one.track).label, "one": one, "bars": _bars(one.curve)}
            for one in summary.tracks
            if one.track
        ],
        "page": page,
        "actions": [action.value for action in TraceAction],
        "filters": {key: request.GET.get(key, "") for key in ("action", "peer", "track", "code")},
        "words": words_for_script(),
    }  # fmt: skip


def words_for_script() -> dict[str, object]:
    """The strings of the drawing, translated."""
    return {
        "hint": _(
            "Point at a chunk, or click here and use the keys: arrows choose, + and − zoom, Shift and arrows move, 0 shows all, e the next fault."
        ),
        "failed": _("The timeline can't be drawn."),
        "scheduler": _("Decisions"),
        "speed": _("Verified"),
        "quiet": _("quiet"),
        "stalled": _("without a byte"),
        "others": _("others"),
        "leaf": _("leaf"),
        "of": _("from"),
        "because": _("because:"),
        "asked": _("why this one:"),
        "nothing": _("Nothing was asked of anybody yet."),
        "planes": {"overlay": _("overlay"), "soulseek": _("Soulseek")},
        "outcomes": {
            "verified": _("Verified"),
            "arrived": _("Arrived, not judged"),
            "under_way": _("Under way"),
            "in_vain": _("In vain"),
            "bad": _("Corrupt"),
            "lost": _("Fetched again"),
            "cancelled": _("Taken back"),
            "timed_out": _("Timed out"),
            "refused": _("Not served"),
        },
        "codes": {
            "assigned": _("its turn"),
            "probe": _("to learn its pace"),
            "audit": _("to see that it has what it claims"),
            "rarest": _("few have it"),
            "high_priority": _("urgent"),
            "taken_over": _("a second copy, the first is late"),
            "shifted_away": _("taken from a peer that would be late"),
            "held_back_too_slow": _("held back: the others are quicker"),
            "cold": _("its first answer is waited for"),
            "paused": _("left alone: it said it is busy"),
            "quarantined": _("left out: it proved corrupt, or is too little trusted"),
            "rebalanced": _("the work was distributed anew"),
            "timeout": _("took too long"),
            "swarm_rebalanced": _("somebody else was quicker"),
            "rate_limited": _("too busy"),
            "no_source": _("nobody has it"),
        },
    }


def _filter_of(request: HttpRequest) -> TraceFilter:
    given = {key: request.GET.get(key, "").strip()[:200] for key in ("action", "peer", "track", "code")}
    return TraceFilter(**{key: frozenset({value}) for key, value in given.items() if value})


def _events(found: JobTrace, wanted: TraceFilter, after: int) -> Page[EventLine]:
    lines: list[EventLine] = []
    last = 0
    begin = found.trace.events[0].at if found.trace.events else None
    for event_id, event in events_matching(found.trace, wanted, after=after):
        if len(lines) == EVENTS_A_PAGE:
            return Page(items=lines, next_cursor=str(last), previous_cursor=None)
        after_s = (event.at - begin).total_seconds() if begin else 0.0
        lines.append(EventLine(after_s=after_s, event=event, track=found.track(event.context.track).label))
        last = event_id
    return Page(items=lines, next_cursor=None, previous_cursor=None)


def _bars(curve: Curve) -> list[dict[str, str]]:
    """A sparkline as rectangles of a 60 × 12 drawing."""
    most = max(curve.bins, default=0)
    if not most:
        return []
    width = 60 / len(curve.bins)
    return [
        {"x": f"{index * width:.2f}", "w": f"{max(width - 0.15, 0.2):.2f}", "y": f"{12 - 12 * value / most:.2f}", "h": f"{12 * value / most:.2f}"}
        for index, value in enumerate(curve.bins)
        if value
    ]  # fmt: skip


def _after(summary: Summary, at: datetime | None) -> float | None:
    if at is None or summary.started_at is None:
        return None
    return (at - summary.started_at).total_seconds()
