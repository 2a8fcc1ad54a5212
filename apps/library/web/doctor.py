"""The Collection Doctor's pages: the overview, the list of issues, one issue, and a look that is under way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid, keyset_page
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.domain.errors import DomainError
from apps.domain.library.issue_words import SEVERITY_WORDS, STATE_WORDS, TYPE_ONE, TYPE_WORDS
from apps.domain.library.issues import IssueSeverity, IssueState, IssueType
from apps.library.selectors_issues import (
    SHOWN_STATES,
    IssueFilter,
    Sort,
    health_summary,
    issue_one,
    issue_query,
    issues_beside,
    scans_newest,
)
from apps.library.services_doctor import (
    doctor_scan_cancel,
    doctor_scan_create,
    doctor_scan_pause,
    doctor_scan_resume,
)
from apps.library.services_issues import issues_decide
from apps.library.web.doctor_looks import issue_line, scan_panel, trend_chart, type_cards
from apps.library.web.issue_evidence import evidence_lines

MAX_IDS: Final = 200
DECISIONS: Final[Mapping[str, IssueState]] = {
    "ignore": IssueState.IGNORED,
    "resolve": IssueState.RESOLVED,
    "acknowledge": IssueState.ACKNOWLEDGED,
    "reopen": IssueState.DETECTED,
}
SCAN_ACTIONS: Final[Mapping[str, Callable[[uuid.UUID], None]]] = {
    "pause": doctor_scan_pause,
    "resume": doctor_scan_resume,
    "cancel": doctor_scan_cancel,
}
SORT_WORDS: Final[Mapping[str, Promise]] = {
    "worst": lazy("Worst first"),
    "newest": lazy("Newest first"),
    "artist": lazy("By artist"),
    "album": lazy("By album"),
    "type": lazy("By kind"),
}
TABS: Final = ("open", "fixing", "failed", "ignored", "resolved", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the address asks for; what it can't ask for is left out."""

    filter: IssueFilter

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListQuery:
        def one_of(name: str, allowed: Sequence[str], otherwise: str = "") -> str:
            return params[name] if params.get(name) in allowed else otherwise

        try:
            release = uuid.UUID(params["release"]) if params.get("release") else None
        except ValueError:
            release = None
        return cls(
            filter=IssueFilter(
                state=one_of("show", SHOWN_STATES, "open"),
                type=one_of("type", list(IssueType)),
                severity=one_of("severity", list(IssueSeverity)),
                artist=searched(params.get("artist", "")),
                release=release,
                text=searched(params.get("q", "")),
                sort=cast("Sort", one_of("sort", list(SORT_WORDS), "worst")),
            )
        )

    @property
    def filtered(self) -> bool:
        """Something is left out besides what is set aside."""
        one = self.filter
        return bool(one.type or one.severity or one.artist or one.release or one.text or one.state != "open")


@require_GET
@page_role(Role.VIEWER)
def doctor(request: HttpRequest) -> HttpResponse:
    """The overview."""
    summary = health_summary(now=timezone.now())
    context = {
        "summary": summary,
        "cards": type_cards(summary),
        "chart": trend_chart(summary.trend),
        "panel": scan_panel(summary.last),
    }
    return render(request, "doctor/overview.html", context)


@require_GET
@page_role(Role.VIEWER)
def scan_part(request: HttpRequest) -> HttpResponse:
    """The panel of the newest look, which a page asks for while one is under way."""
    newest = scans_newest(now=timezone.now(), limit=1)
    return render(request, "doctor/_scan.html", {"panel": scan_panel(newest[0] if newest else None)})


@require_GET
@page_role(Role.VIEWER)
def issues(request: HttpRequest) -> HttpResponse:
    """The list; its address holds filters and order."""
    query = ListQuery.of(request.GET.dict())
    try:
        page = keyset_page(issue_query(query.filter), order=query.filter.order, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("doctor-issues")
    context = {
        "query": query,
        "page": page,
        "lines": [issue_line(row) for row in page.items],
        "tabs": [(one, _(STATE_WORDS[one])) for one in TABS],
        "types": [(one, _(words[0])) for one, words in TYPE_WORDS.items()],
        "type_name": _(TYPE_WORDS[query.filter.type][0]) if query.filter.type else "",
        "severities": [(one, _(words)) for one, words in reversed(list(SEVERITY_WORDS.items()))],
        "sorts": list(SORT_WORDS.items()),
        **remediation_urls(),
    }
    return render(request, "doctor/issues.html", context)


@require_GET
@page_role(Role.VIEWER)
def issue(request: HttpRequest, issue_id: int) -> HttpResponse:
    """One issue: evidence in words, the file, what can be done."""
    row = issue_one(issue_id)
    if row is None:
        raise Http404
    context = {
        "line": issue_line(row),
        "row": row,
        "beside": [issue_line(one) for one in issues_beside(row)],
        "evidence": evidence_lines(row.code, row.params),
        "type_name": _(TYPE_ONE[row.type]) if row.type in TYPE_ONE else row.type,
        "file_url": _url("library-file", row.file_id) if row.file_id else "",
        "remediation_part": ["remediation/_issue.html", "doctor/_no_remediation.html"],
        **remediation_urls(),
    }
    return render(request, "doctor/issue.html", context)


@require_POST
@page_role(Role.OPERATOR)
def decide(request: HttpRequest, name: str) -> HttpResponse:
    """Ignore, resolve, acknowledge or reopen one issue or all selected ones (`ids`)."""
    if name not in DECISIONS:
        raise Http404
    ids = [
        int(one) for one in request.POST.getlist("ids")[:MAX_IDS] if one.isascii() and one.isdigit() and len(one) < 19
    ]
    moved = issues_decide(ids, to=DECISIONS[name], by=_who(request))
    if request.headers.get("HX-Request"):
        undo = "reopen" if name != "reopen" and moved else ""
        told = render(request, "doctor/_toast.html", {"says": _done(name, len(moved)), "undo": undo, "ids": moved})
        told["HX-Trigger"] = "doctor-changed"
        return told
    return _back(request, "doctor-issues")


@require_POST
@page_role(Role.OPERATOR)
def scan(request: HttpRequest) -> HttpResponse:
    """Look at everything now."""
    doctor_scan_create()
    return _back(request, "doctor")


@require_POST
@page_role(Role.OPERATOR)
def scan_act(request: HttpRequest, scan_id: uuid.UUID, name: str) -> HttpResponse:
    """Pause, resume or cancel a look."""
    if name not in SCAN_ACTIONS:
        raise Http404
    try:
        SCAN_ACTIONS[name](scan_id)
    except DomainError as error:
        return render(request, "error.html", {"code": error.code, "status": 409}, status=409)
    return _back(request, "doctor")


def remediation_urls() -> dict[str, str]:
    """Where remediation is asked for; "" without it. POST `ids` there, as to `decide`."""
    return {"fix_url": _url("remediation-fix"), "undo_url": _url("remediation-undo")}


def _url(name: str, *args: object) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def _done(name: str, count: int) -> str:
    words = {
        "ignore": ngettext("%(n)s issue ignored.", "%(n)s issues ignored.", count),
        "resolve": ngettext("%(n)s issue resolved.", "%(n)s issues resolved.", count),
        "acknowledge": ngettext("%(n)s issue marked as seen.", "%(n)s issues marked as seen.", count),
        "reopen": ngettext("%(n)s issue open again.", "%(n)s issues open again.", count),
    }[name]
    return words % {"n": count} if count else _("Nothing changed.")


def _who(request: HttpRequest) -> str:
    return request.user.username if isinstance(request.user, User) else ""


def _back(request: HttpRequest, otherwise: str) -> HttpResponse:
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if safe else reverse(otherwise))
