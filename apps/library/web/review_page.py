"""The review queue: what nothing but a person can decide, with the evidence in words."""

from __future__ import annotations

import re
import uuid

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.library.identity import IdentityState
from apps.library.identity_view import ANSWERS, identification_view
from apps.library.selectors_identity import IDENTIFICATION_ORDER, identification_query, identification_show
from apps.library.services_identity import review_confirm_best

TABS = (
    (IdentityState.AMBIGUOUS.value, lazy("Questions")),
    (IdentityState.UNKNOWN.value, lazy("Unknown")),
    (IdentityState.DECIDED.value, lazy("Decided")),
    (IdentityState.CONFIRMED.value, lazy("Confirmed")),
    (IdentityState.REJECTED.value, lazy("Rejected")),
    (IdentityState.LEFT.value, lazy("Left alone")),
    (IdentityState.PENDING.value, lazy("Waiting")),
)
_FOLDER = re.compile(r"(\d{1,18})-([0-9a-f]{64})")
_MBID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PAGE = 30


LOOKS = {
    "ambiguous": Look(tone="warn", icon="info", label=lazy("Question")),
    "unknown": Look(tone="info", icon="info", label=lazy("Unknown")),
    "decided": Look(tone="ok", icon="check", label=lazy("Decided")),
    "confirmed": Look(tone="ok", icon="check", label=lazy("Confirmed")),
    "rejected": Look(tone="bad", icon="cross", label=lazy("Rejected")),
    "left": Look(tone="info", icon="info", label=lazy("Left alone")),
    "pending": Look(tone="info", icon="retry", label=lazy("Waiting")),
}


@require_GET
@page_role(Role.VIEWER)
def review(request: HttpRequest) -> HttpResponse:
    """Identifications of one state, the questions first of all."""
    state = request.GET.get("show", "")
    state = state if state in LOOKS else IdentityState.AMBIGUOUS.value
    folder = folder_of(request.GET.get("folder", ""))
    rows = identification_query(states=[state], folder=folder)
    try:
        page = keyset_page(rows, order=IDENTIFICATION_ORDER, cursor=request.GET.get("cursor"), limit=PAGE)
    except CursorInvalid:
        return redirect("library-review")
    lines = [identification_view(row) for row in page.items]
    context = {"page": page, "lines": lines, "tabs": TABS, "state": state, "look": LOOKS[state], "folder": folder}
    return render(request, "library/review.html", context)


@require_GET
@page_role(Role.VIEWER)
def question(request: HttpRequest, variant_id: int) -> HttpResponse:
    """One identification with all its candidates."""
    row = identification_show(variant_id)
    if row is None:
        raise Http404
    view = identification_view(row)
    return render(request, "library/question.html", {"one": view, "look": LOOKS[view.state]})


@require_POST
@page_role(Role.OPERATOR)
def answer(request: HttpRequest, variant_id: int, answer: str) -> HttpResponse:
    """A person's answer to one question; `recording` is an MBID, or text with one in it (an address of MusicBrainz)."""
    if answer not in ANSWERS:
        raise Http404
    found = _MBID.search(request.POST.get("recording", "")[:500])
    try:
        if answer == "confirm" and found is None:
            raise DomainError(_("This is not a MusicBrainz id."), code="mbid_invalid")
        ANSWERS[answer](variant_id, uuid.UUID(found[0]) if found else None, person_at(request))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    else:
        said = {
            "confirm": _("Confirmed."),
            "reject": _("None of these: nobody knows it now."),
            "leave": _("It is left as it is, and not asked about again."),
            "ask": _("It is looked at anew."),
        }
        messages.success(request, said[answer])
    return redirect(back_to(request))


@require_POST
@page_role(Role.OPERATOR)
def confirm_selected(request: HttpRequest) -> HttpResponse:
    """Confirm the first candidate of each selected file; all must lie in one folder."""
    ids = [
        int(text) for text in request.POST.getlist("ids")[:500] if text.isascii() and text.isdigit() and len(text) < 19
    ]
    try:
        done = review_confirm_best(ids, person=person_at(request))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    else:
        text = ngettext("%(n)s file confirmed.", "%(n)s files confirmed.", done)
        messages.success(request, text % {"n": done})
    return redirect(back_to(request))


def folder_of(text: str) -> tuple[int, bytes] | None:
    """(root id, folder hash) of a filter; None for none, or for nonsense."""
    found = _FOLDER.fullmatch(text)
    return (int(found[1]), bytes.fromhex(found[2])) if found else None


def person_at(request: HttpRequest) -> User | None:
    """The signed-in person."""
    return request.user if isinstance(request.user, User) else None


def back_to(request: HttpRequest) -> str:
    """Where the form came from, if it is ours; else the queue."""
    given = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(given, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return given if given and safe else "library-review"
