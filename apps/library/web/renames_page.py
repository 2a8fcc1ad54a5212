"""Pages of renaming: ask for a plan, look at every line of it, do it, stop it, take it back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, message_of, sentence
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.library.naming import FIELDS
from apps.domain.library.renaming import RENAMING_OPEN, MoveState, RenamingState
from apps.library.rename_actions import RENAME_ACTIONS, default_template
from apps.library.selectors_rename import SHOWS, MoveView, RenamingView, move_list, renaming_list, renaming_view
from apps.library.services_rename import rename_ask

LINES: Final = 100
"""On a page."""
_STATES: Final[Mapping[RenamingState, tuple[Promise, str, str]]] = {
    RenamingState.PLANNING: (lazy("Names are worked out"), "clock", "overlay"),
    RenamingState.PLANNED: (lazy("Planned; nothing was changed"), "info", "info"),
    RenamingState.APPLYING: (lazy("Files are renamed"), "retry", "overlay"),
    RenamingState.DONE: (lazy("Done"), "check", "ok"),
    RenamingState.UNDOING: (lazy("Being taken back"), "retry", "warn"),
    RenamingState.UNDONE: (lazy("Taken back"), "stop", "idle"),
    RenamingState.FAILED: (lazy("Failed"), "warning", "bad"),
}
_LINES: Final[Mapping[MoveState, tuple[Promise, str, str]]] = {
    MoveState.PLANNED: (lazy("Gets this name"), "info", "info"),
    MoveState.BLOCKED: (lazy("Stays"), "warning", "warn"),
    MoveState.MOVING: (lazy("On its way"), "clock", "overlay"),
    MoveState.MOVED: (lazy("Renamed"), "check", "ok"),
    MoveState.FAILED: (lazy("It stayed"), "warning", "bad"),
    MoveState.RETURNING: (lazy("On its way back"), "clock", "overlay"),
    MoveState.RETURNED: (lazy("Back"), "check", "ok"),
    MoveState.STUCK: (lazy("Could not go back"), "warning", "bad"),
}
_TABS: Final = (("", lazy("All")), ("moves", lazy("New names")), ("stays", lazy("Staying")))


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamingLine:
    """A renaming as shown. `percent` None: nothing is being done."""

    view: RenamingView
    look: Look
    says: Sentence | None
    percent: int | None

    @property
    def moves(self) -> bool:
        """A worker has something to do."""
        return self.view.state in RENAMING_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveLine:
    """A line of a plan as shown."""

    view: MoveView
    look: Look
    says: Sentence | None


@require_GET
@page_role(Role.VIEWER)
def renamings(request: HttpRequest) -> HttpResponse:
    """The form, and renamings, newest first."""
    try:
        page = renaming_list(cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("library-renamings")
    context = {
        "page": page,
        "lines": [_line(view) for view in page.items],
        "template": default_template(),
        "path": request.GET.get("path", ""),
        "fields": sorted(FIELDS),
    }
    return render(request, "library/renamings.html", context)


@require_POST
@page_role(Role.OPERATOR)
def begin(request: HttpRequest) -> HttpResponse:
    """Ask for a plan."""
    try:
        renaming_id = rename_ask(
            template=request.POST.get("template", "").strip() or default_template(),
            path=os.fsencode(request.POST.get("path", "").strip().replace("\0", "")),
            requested_by=request.user.username if isinstance(request.user, User) else "",
        )
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
        return redirect("library-renamings")
    return redirect("library-renaming", renaming_id=renaming_id)


@require_GET
@page_role(Role.VIEWER)
def renaming(request: HttpRequest, renaming_id: uuid.UUID) -> HttpResponse:
    """One renaming with a page of its lines."""
    view, show = renaming_view(renaming_id), request.GET.get("show", "")
    if view is None:
        raise Http404
    show = show if show in SHOWS else ""
    try:
        page = move_list(renaming_id, show=show, cursor=request.GET.get("cursor"), limit=LINES)
    except CursorInvalid:
        return redirect("library-renaming", renaming_id=renaming_id)
    context = {
        "page": page,
        "line": _line(view),
        "lines": [_move(one) for one in page.items],
        "show": show,
        "tabs": _TABS,
        "several": len({one.root for one in page.items}) > 1,
    }
    return render(request, "library/renaming.html", context)


@require_POST
@page_role(Role.OPERATOR)
def act(request: HttpRequest, renaming_id: uuid.UUID, name: str) -> HttpResponse:
    """Apply, stop, undo."""
    if name not in RENAME_ACTIONS or renaming_view(renaming_id) is None:
        raise Http404
    try:
        RENAME_ACTIONS[name](renaming_id)
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return redirect("library-renaming", renaming_id=renaming_id)


def _line(view: RenamingView) -> RenamingLine:
    label, icon, tone = _STATES[view.state]
    working = view.state in (RenamingState.APPLYING, RenamingState.UNDOING) and view.of
    return RenamingLine(
        view=view,
        look=Look(label=label, icon=icon, tone=tone),
        says=sentence(view.code, view.params) if view.code else None,
        percent=min(100, 100 * view.done // view.of) if working else None,
    )


def _move(view: MoveView) -> MoveLine:
    label, icon, tone = _LINES[view.state]
    return MoveLine(
        view=view,
        look=Look(label=label, icon=icon, tone=tone),
        says=sentence(view.code, view.params) if view.code else None,
    )
