"""The queue of downloads from Soulseek: batches with their files, what each waits for in words, and what may be done about it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid, Page
from apps.common.permissions import page_role, role_of_request
from apps.common.roles import Role, role_at_least
from apps.common.sentences import Sentence, message_of, sentence
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.soulseek.states import DownloadState, RescueState
from apps.nodelink.web.frame import frame_parts
from apps.soulseek.download_actions import BATCH_ACTIONS, DOWNLOAD_ACTIONS, UNDO
from apps.soulseek.interval_words import interval_words
from apps.soulseek.selectors_download import (
    GOOD_ENDS,
    BatchView,
    DownloadView,
    batch_find,
    batches_view,
    download_page,
    queue_figures,
    queue_page,
)
from apps.soulseek.web.rescues import RescueLine, rescue_line

MAX_IDS: Final = 500
SHOWS: Final = ("", "open", "ended")


LOOKS: Final[Mapping[DownloadState, Look]] = {
    DownloadState.WAITING: Look(lazy("Waits here"), "clock", "idle"),
    DownloadState.ASKED: Look(lazy("Asked"), "up", "info"),
    DownloadState.QUEUED: Look(lazy("Queued there"), "clock", "info"),
    DownloadState.CONNECTING: Look(lazy("Connecting"), "up", "info"),
    DownloadState.RECEIVING: Look(lazy("Receiving"), "down", "soulseek"),
    DownloadState.INTERRUPTED: Look(lazy("Interrupted"), "warning", "warn"),
    DownloadState.PAUSED: Look(lazy("Paused"), "pause", "idle"),
    DownloadState.WHOLE: Look(lazy("Being checked"), "clock", "info"),
    DownloadState.SUCCEEDED: Look(lazy("Here"), "check", "ok"),
    DownloadState.ENOUGH: Look(lazy("Came another way"), "check", "ok"),
    DownloadState.REJECTED: Look(lazy("Rejected"), "cross", "bad"),
    DownloadState.REFUSED: Look(lazy("Refused"), "cross", "bad"),
    DownloadState.TIMED_OUT: Look(lazy("Timed out"), "cross", "bad"),
    DownloadState.CANCELLED: Look(lazy("Cancelled"), "stop", "idle"),
    DownloadState.ERRORED: Look(lazy("Failed here"), "cross", "bad"),
    DownloadState.ABORTED: Look(lazy("Given up"), "cross", "bad"),
}
RETRIED: Final = frozenset(
    {
        DownloadState.REJECTED,
        DownloadState.REFUSED,
        DownloadState.TIMED_OUT,
        DownloadState.CANCELLED,
        DownloadState.ERRORED,
        DownloadState.ABORTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One download as a row of the page."""

    row: DownloadView
    look: Look
    says: Sentence
    trouble: Sentence
    total: int
    segments: tuple[Mapping[str, object], ...]
    eta: str
    rescue: RescueLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One batch as a section of the page."""

    view: BatchView
    lines: Sequence[Line]
    segments: tuple[Mapping[str, object], ...]
    total: int
    open: bool
    retry: bool


def line_of(row: DownloadView) -> Line:
    """A download's row: its state, and what there is to say of it."""
    total = max(row.size_bytes, row.bytes_have)
    have = total if row.state in GOOD_ENDS else row.bytes_have
    return Line(
        row=row,
        look=LOOKS[row.state],
        says=sentence(row.code, row.params) if row.code else _waits(row),
        trouble=sentence(row.trouble, row.params) if row.trouble and row.live else sentence(""),
        total=total,
        segments=({"value": have, "tone": "soulseek"},) if have else (),
        eta=interval_words(row.eta_low_s, row.eta_high_s) if row.live else "",
        rescue=rescue_line(row.rescue)
        if row.rescue is not None and row.rescue.state is not RescueState.ENDED
        else None,
    )


def _waits(row: DownloadView) -> Sentence:
    if row.state is DownloadState.WAITING:
        return sentence("download_waits", {"position": row.position}) if row.position else sentence("download_waits_on")
    if row.state is DownloadState.QUEUED:
        return sentence("download_queued_at", {"place": row.place}) if row.place else sentence("download_queued")
    return sentence("")


def _group(view: BatchView) -> Group:
    done = sum(one.size_bytes for one in view.rows if one.state in GOOD_ENDS)
    have = max(view.bytes_have, done)
    return Group(
        view=view,
        lines=[line_of(row) for row in view.rows],
        segments=({"value": have, "tone": "soulseek"},) if have else (),
        total=max(view.size_bytes, have),
        open=view.ended_at is None,
        retry=any(view.states.get(state) for state in RETRIED),
    )


def _list_context(query: Mapping[str, str], *, operate: bool) -> dict[str, object]:
    show = query.get("show", "") if query.get("show", "") in SHOWS else ""
    text = query.get("q", "")[:200]
    try:
        page = queue_page(show=show, text=text, cursor=query.get("cursor") or None)
    except CursorInvalid:
        page = queue_page(show=show, text=text)
    groups = [_group(view) for view in batches_view(page.items)]
    return {
        "groups": groups,
        "page": page,
        "show": show,
        "text": text,
        "narrowed": bool(show or text),
        "figures": queue_figures(),
        "rights": {"operate": operate},
    }


@require_GET
@page_role(Role.VIEWER)
def downloads(request: HttpRequest) -> HttpResponse:
    """The queue, batch by batch, newest first."""
    return render(request, "soulseek/downloads.html", _list_context(_query(request), operate=_operates(request)))


@require_GET
@page_role(Role.VIEWER)
def live_downloads(request: HttpRequest) -> HttpResponseBase:
    """Patches of that page."""
    query, operate = _query(request), _operates(request)
    return stream_response(lambda: _parts(query, operate=operate))


def _parts(query: Mapping[str, str], *, operate: bool) -> Mapping[str, object]:
    context = _list_context(query, operate=operate)
    groups = context["groups"]
    assert isinstance(groups, list)
    return {
        **frame_parts(),
        "downloads-figures": render_to_string("soulseek/_downloads_figures.html", context),
        **{
            f"batch-{group.view.id}": render_to_string("soulseek/_batch.html", {**context, "group": group})
            for group in groups
        },
    }


@require_GET
@page_role(Role.VIEWER)
def batch(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """One batch with all its rows, page by page."""
    return render(request, "soulseek/batch.html", _batch_context(batch_id, _query(request), operate=_operates(request)))


@require_GET
@page_role(Role.VIEWER)
def live_batch(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponseBase:
    """Patches of that page."""
    query, operate = _query(request), _operates(request)
    return stream_response(lambda: batch_parts(batch_id, query, operate=operate))


def _batch_context(batch_id: uuid.UUID, query: Mapping[str, str], *, operate: bool) -> dict[str, object]:
    found = batch_find(batch_id)
    if found is None:
        raise Http404
    cursor = query.get("cursor") or None
    try:
        page: Page[DownloadView] = download_page(batch_id=batch_id, cursor=cursor, limit=100)
    except CursorInvalid:
        page = download_page(batch_id=batch_id, limit=100)
    (view,) = batches_view([found], rows_shown=0)
    return {
        "group": _group(view),
        "lines": [line_of(row) for row in page.items],
        "page": page,
        "rights": {"operate": operate},
    }


def batch_parts(batch_id: uuid.UUID, query: Mapping[str, str], *, operate: bool) -> Mapping[str, object]:
    """The live parts of a batch's page."""
    if batch_find(batch_id) is None:  # taken off the list
        return frame_parts()
    context = _batch_context(batch_id, query, operate=operate)
    lines = context["lines"]
    assert isinstance(lines, list)
    return {
        **frame_parts(),
        "batch-figures": render_to_string("soulseek/_batch_figures.html", context),
        **{
            f"download-{line.row.id}": render_to_string("soulseek/_download.html", {**context, "line": line})
            for line in lines
        },
    }


@require_POST
@page_role(Role.OPERATOR)
def act(request: HttpRequest, name: str) -> HttpResponse:
    """One act on the downloads (`ids`) and batches (`batches`) that were chosen."""
    if name not in DOWNLOAD_ACTIONS:
        raise Http404
    changed, refused = 0, ""
    try:
        if ids := _ids(request, "ids"):
            changed += DOWNLOAD_ACTIONS[name](ids)
        if (batches := _ids(request, "batches")) and name in BATCH_ACTIONS:
            changed += BATCH_ACTIONS[name](batches)
    except DomainError as error:
        refused = message_of(error.code, error.params, fallback=error.sentence)
    context = {
        "says": _done(name, changed),
        "refused": refused,
        "undo": UNDO.get(name, "") if changed else "",
        "ids": _ids(request, "ids"),
        "batches": _ids(request, "batches"),
    }
    if request.headers.get("HX-Request"):
        return render(request, "soulseek/_downloads_toast.html", context)
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return redirect(target if safe else "downloads")


def _done(name: str, count: int) -> str:
    if not count:
        return _("Nothing changed.")
    words = {
        "pause": ngettext("%(n)s file paused.", "%(n)s files paused.", count),
        "resume": ngettext("%(n)s file goes on.", "%(n)s files go on.", count),
        "cancel": ngettext("%(n)s file cancelled.", "%(n)s files cancelled.", count),
        "retry": ngettext("%(n)s file is asked for again.", "%(n)s files are asked for again.", count),
        "top": ngettext("%(n)s file goes first.", "%(n)s files go first.", count),
        "bottom": ngettext("%(n)s file goes last.", "%(n)s files go last.", count),
        "forget": ngettext("%(n)s file taken off the list.", "%(n)s files taken off the list.", count),
    }[name]
    return words % {"n": count}


def _ids(request: HttpRequest, name: str) -> list[uuid.UUID]:
    found = []
    for text in request.POST.getlist(name)[:MAX_IDS]:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found


def _query(request: HttpRequest) -> dict[str, str]:
    return {key: request.GET.get(key, "") for key in ("show", "q", "cursor")}


def _operates(request: HttpRequest) -> bool:
    return role_at_least(role_of_request(request), Role.OPERATOR)


urlpatterns = [
    path("soulseek/downloads", downloads, name="downloads"),
    path("soulseek/downloads/live", live_downloads, name="live-downloads"),
    path("soulseek/downloads/batch/<uuid:batch_id>", batch, name="download-batch"),
    path("live/soulseek/batch/<uuid:batch_id>", live_batch, name="live-batch"),
    path("soulseek/downloads/act/<slug:name>", act, name="download-act"),
]
