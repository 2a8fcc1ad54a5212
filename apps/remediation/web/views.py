"""The trash, and the buttons that begin fixes and take them back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.domain.errors import DomainError
from apps.domain.library.trash import TRASH_OPEN, TrashState
from apps.library.selectors_trash import SHOWN, trash_list, trash_sum
from apps.library.services_trash import trash_purge_ask, trash_restore_ask
from apps.remediation.policy import configured_policy, keep_days
from apps.remediation.selectors import remediations_latest
from apps.remediation.services import issues_fix, remedy_undo_ask
from apps.remediation.words import trash_line

MAX_IDS = 200
GONE = (TrashState.RESTORED, TrashState.PURGED, TrashState.FAILED)


@require_GET
@page_role(Role.VIEWER)
def trash(request: HttpRequest) -> HttpResponse:
    """What lies in the trash, or what left it."""
    show = "gone" if request.GET.get("show") == "gone" else "held"
    try:
        page = trash_list(
            states=GONE if show == "gone" else SHOWN, keep_days=keep_days(), cursor=request.GET.get("cursor") or None
        )
    except CursorInvalid:
        return redirect("library-trash")
    context = {
        "page": page,
        "lines": [trash_line(row) for row in page.items],
        "held": trash_sum(),
        "keep_days": keep_days(),
        "show": show,
        "moving": any(row.state in TRASH_OPEN for row in page.items),
    }
    return render(request, "remediation/trash.html", context)


@require_POST
@page_role(Role.OPERATOR)
def restore(request: HttpRequest) -> HttpResponse:
    """Put one file (`one`) or all selected ones (`ids`) back; `numbered`: beside a file that took the name."""
    one = request.GET.get("one", "")
    asked = 0
    for trash_id in _uuids([one] if one else request.POST.getlist("ids")):
        try:
            trash_restore_ask(trash_id, numbered=bool(request.GET.get("numbered")))
            asked += 1
        except DomainError as error:
            messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    if asked:
        text = ngettext("%(n)s file is put back.", "%(n)s files are put back.", asked)
        messages.success(request, text % {"n": asked})
    return _back(request, "library-trash")


@require_POST
@page_role(Role.OPERATOR)
def purge(request: HttpRequest) -> HttpResponse:
    """Delete all selected ones for good."""
    gone = len(trash_purge_ask(_uuids(request.POST.getlist("ids"))))
    text = ngettext("%(n)s file is deleted for good.", "%(n)s files are deleted for good.", gone)
    messages.success(request, text % {"n": gone} if gone else _("Nothing changed."))
    return _back(request, "library-trash")


@require_POST
@page_role(Role.OPERATOR)
def fix(request: HttpRequest) -> HttpResponse:
    """Begin to mend one issue or all selected ones (`ids`)."""
    person = request.user if isinstance(request.user, User) else None
    outcomes = issues_fix(_numbers(request.POST.getlist("ids")), policy=configured_policy(), requested_by=person)
    begun = sum(one.remediation is not None for one in outcomes)
    said = (
        [ngettext("%(n)s issue is being fixed.", "%(n)s issues are being fixed.", begun) % {"n": begun}]
        if begun
        else []
    )
    said += sorted({message_of(one.code, one.params) for one in outcomes if one.code})
    return _told(request, said)


@require_POST
@page_role(Role.OPERATOR)
def undo(request: HttpRequest) -> HttpResponse:
    """Take back the newest fix of each of the issues (`ids`)."""
    said: list[str] = []
    taken = 0
    for found in remediations_latest(_numbers(request.POST.getlist("ids"))).values():
        try:
            remedy_undo_ask(found.id)
            taken += 1
        except DomainError as error:
            said.append(message_of(error.code, error.params, fallback=error.sentence))
    if taken:
        said.insert(0, ngettext("%(n)s fix is taken back.", "%(n)s fixes are taken back.", taken) % {"n": taken})
    return _told(request, list(dict.fromkeys(said)))


@require_POST
@page_role(Role.OPERATOR)
def take_back(request: HttpRequest, remediation_id: uuid.UUID) -> HttpResponse:
    """Take one fix back."""
    try:
        remedy_undo_ask(remediation_id, keep_new=bool(request.POST.get("keep_new")))
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params, fallback=error.sentence))
    return _back(request, "doctor-issues")


def _told(request: HttpRequest, said: list[str]) -> HttpResponse:
    text = " ".join(said) or _("Nothing changed.")
    if request.headers.get("HX-Request"):
        answer = render(request, "doctor/_toast.html", {"says": text, "undo": "", "ids": ()})
        answer["HX-Trigger"] = "doctor-changed"
        return answer
    messages.info(request, text)
    return _back(request, "doctor-issues")


def _numbers(texts: list[str]) -> list[int]:
    return [int(one) for one in texts[:MAX_IDS] if one.isascii() and one.isdigit() and len(one) < 19]


def _uuids(texts: list[str]) -> list[uuid.UUID]:
    found = []
    for text in texts[:MAX_IDS]:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found


def _back(request: HttpRequest, otherwise: str) -> HttpResponse:
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if safe else reverse(otherwise))
