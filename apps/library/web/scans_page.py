"""Pages of scans: the panel on the library's page, the list of scans and folders, and what a person can do about them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.library.scans import ScanState
from apps.library.scan_actions import SCAN_ACTIONS, scan_begin
from apps.library.selectors import root_list
from apps.library.selectors_scan import SCAN_ORDER, ScanView, scan_query, views_of
from apps.nodelink.web.frame import rights_of

_LOOKS: Final[Mapping[ScanState, tuple[Promise, str, str]]] = {
    ScanState.QUEUED: (lazy("Waits for a worker"), "clock", "idle"),
    ScanState.WALKING: (lazy("Looking through folders"), "search", "overlay"),
    ScanState.READING: (lazy("Reading files"), "ear", "overlay"),
    ScanState.PAUSED: (lazy("Paused"), "pause", "idle"),
    ScanState.COMPLETED: (lazy("Done"), "check", "ok"),
    ScanState.FAILED: (lazy("Failed"), "warning", "bad"),
    ScanState.CANCELLED: (lazy("Cancelled"), "stop", "idle"),
}
_PANEL: Final = 3
"""Scans on the panel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLine:
    """A scan as shown. `percent` None: nobody knows yet how much there is."""

    view: ScanView
    look: Look
    says: Sentence | None
    percent: int | None
    actions: tuple[str, ...]
    troubles: tuple[tuple[str, Sentence], ...]
    """(path, what is the matter)"""


def scan_line(view: ScanView) -> ScanLine:
    """A scan as a line."""
    label, icon, tone = _LOOKS[view.state]
    if view.waits:
        icon, tone = "clock", "warn"
    actions: tuple[str, ...] = ()
    if view.live:
        actions = ("resume" if view.state is ScanState.PAUSED else "pause", "cancel")
    share = view.progress.share
    first = view.troubles.get("first")
    told = [one for one in first if isinstance(one, list)] if isinstance(first, list) else []
    return ScanLine(
        view=view,
        look=Look(label=label, icon=icon, tone=tone),
        says=sentence(view.code, view.params) if view.code else None,
        percent=int(share * 100) if share is not None else None,
        actions=actions,
        troubles=tuple((str(path), sentence(str(code), {})) for code, path, _ in told),
    )


def panel_context() -> dict[str, object]:
    """The newest scans for the panel."""
    lines = [scan_line(view) for view in views_of(list(scan_query().order_by(*SCAN_ORDER)[:_PANEL]))]
    live = [line for line in lines if line.view.live]
    return {
        "scan_lines": live or lines[:1],
        "shown": frozenset(line.view.id for line in live or lines[:1]),
        "scan_moves": any(line.view.state is not ScanState.PAUSED for line in live),
    }


@require_GET
@page_role(Role.VIEWER)
def panel(request: HttpRequest) -> HttpResponse:
    """The panel alone, asked for again while something moves."""
    return render(request, "library/_scans.html", {**panel_context(), "rights": rights_of(request)})


@require_GET
@page_role(Role.VIEWER)
def scans(request: HttpRequest) -> HttpResponse:
    """All scans, newest first, and the folders."""
    try:
        page = keyset_page(scan_query(), order=SCAN_ORDER, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("library-scans")
    roots = [(root, sentence(root.state_code, {}) if root.state_code else None) for root in root_list()]
    panel_now = panel_context()
    shown = panel_now["shown"]
    assert isinstance(shown, frozenset)
    earlier = [scan_line(view) for view in views_of(page.items) if view.id not in shown]
    context = {"page": page, "lines": earlier, "roots": roots}
    return render(request, "library/scans.html", {**context, **panel_now, "rights": rights_of(request)})


@require_POST
@page_role(Role.OPERATOR)
def begin(request: HttpRequest) -> HttpResponse:
    """Scan one folder, or all."""
    try:
        scan_begin(os.fsencode(request.POST.get("path", "").replace("\0", "")))
    except DomainError as error:
        messages.error(request, str(sentence(error.code, error.params)))
    return redirect("library-scans")


@require_POST
@page_role(Role.OPERATOR)
def act(request: HttpRequest, scan_id: uuid.UUID, name: str) -> HttpResponse:
    """Pause, resume, cancel."""
    if name not in SCAN_ACTIONS:
        raise Http404
    try:
        SCAN_ACTIONS[name](scan_id)
    except DomainError as error:
        if error.code == "scan_not_found":
            raise Http404 from error
        messages.error(request, str(sentence(error.code, error.params)))
    return redirect("library-scans")
