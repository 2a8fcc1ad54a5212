"""Pages of searching: words in, the wait in words, answers as they come; folders and files of them are downloaded from here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.common.api_errors import status_of
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of, sentence
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.soulseek.budget import SearchScope
from apps.domain.soulseek.offers import Grouping, Offer, OfferFilter, OfferSort
from apps.domain.soulseek.states import SearchState
from apps.nodelink.web.frame import Rights, frame_parts, rights_of
from apps.soulseek.selectors_search import SearchView, search_offers, search_page, search_queue, search_view
from apps.soulseek.services_offers import offer_take
from apps.soulseek.services_search import search_ask, search_withdraw

PER_PAGE: Final = 30
FILES_SHOWN: Final = 40
"""Of one offer among others; all 500 where one user is looked at."""
RATES: Final = (128, 192, 256, 320)
MAX_TAKEN: Final = 1000
SORTS: Final = (
    (OfferSort.BEST, lazy("Best first")),
    (OfferSort.SPEED, lazy("Fastest")),
    (OfferSort.QUEUE, lazy("Shortest queue")),
    (OfferSort.BITRATE, lazy("Bit rate")),
    (OfferSort.SIZE, lazy("Largest")),
    (OfferSort.FILES, lazy("Most files")),
    (OfferSort.USER, lazy("User")),
)


LOOKS: Final[Mapping[SearchState, Look]] = {
    SearchState.QUEUED: Look(label=lazy("Waits its turn"), icon="clock", tone="idle"),
    SearchState.RUNNING: Look(label=lazy("Answers come in"), icon="ear", tone="info"),
    SearchState.OVER: Look(label=lazy("Over"), icon="check", tone="ok"),
    SearchState.WITHDRAWN: Look(label=lazy("Withdrawn"), icon="stop", tone="idle"),
    SearchState.FAILED: Look(label=lazy("Not asked"), icon="cross", tone="bad"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLine:
    """A search in the list, or at the head of its own page."""

    view: SearchView
    look: Look
    says: str

    @property
    def whom(self) -> str:
        """Of whom it is asked, where not of everybody."""
        return self.view.whom


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLine:
    """An offer on the page. `token` names it in the form; `key` its element."""

    offer: Offer
    key: str
    token: str
    files: tuple[tuple[str, object], ...]
    """(token, file)"""
    more: int

    @property
    def folder_name(self) -> str:
        """The last part of its folder."""
        return self.offer.folder.rpartition("\\")[2] or self.offer.folder

    @property
    def above(self) -> str:
        """What stands before it."""
        return self.offer.folder.rpartition("\\")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Filters, order and place as the address says."""

    keep: OfferFilter
    by: Grouping
    sort: OfferSort
    cursor: str | None

    @property
    def narrowed(self) -> bool:
        """Something is left out."""
        return self.keep != OfferFilter()


@require_http_methods(["GET", "HEAD", "POST"])
@page_role(Role.VIEWER)
def search(request: HttpRequest) -> HttpResponse:
    """GET: the form and what was searched for lately; POST: hand one in."""
    if request.method == "POST":
        return _ask(request)
    return render(request, "soulseek/search.html", _list_context(request.GET))


@require_GET
@page_role(Role.VIEWER)
def live_searches(request: HttpRequest) -> HttpResponseBase:
    """Patches of that page."""
    query = request.GET
    return stream_response(lambda: search_parts(query))


def _list_context(query: QueryDict) -> dict[str, object]:
    text = query.get("q", "")[:250]
    try:
        page = search_page(text=text, cursor=query.get("cursor") or None, limit=50)
    except CursorInvalid:
        page = search_page(text=text, limit=50)
    return {"page": page, "lines": [search_line(one) for one in page.items], "queue": search_queue(), "text": text}


def search_parts(query: QueryDict) -> Mapping[str, object]:
    """The live parts of the list of searches."""
    context = _list_context(query)
    lines = context["lines"]
    assert isinstance(lines, list)
    return {
        **frame_parts(),
        "search-queue": render_to_string("soulseek/_search_queue.html", context),
        **{f"search-{line.view.id}": render_to_string("soulseek/_search_row.html", {"line": line}) for line in lines},
    }


def _ask(request: HttpRequest) -> HttpResponse:
    if not rights_of(request).operate:
        raise PermissionDenied
    words = request.POST.get("words", "")
    try:
        asked = search_ask(words, requested_by=request.user if isinstance(request.user, User) else None)
    except DomainError as error:
        context = {
            "words": words[:300],
            "code": error.code,
            "params": error.params,
            "lines": (),
            "queue": search_queue(),
        }
        return render(request, "soulseek/search.html", context, status=status_of(error))
    return redirect("search-answers", search_id=asked.id)


@require_GET
@page_role(Role.VIEWER)
def answers(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """A search and its answers."""
    shown = _shown(request.GET)
    view = _view(search_id)
    try:
        context = _answers(view, shown)
    except CursorInvalid as error:
        raise Http404(str(error)) from error
    context |= {
        "rates": RATES,
        "sorts": [(one.value, label) for one, label in SORTS],
        "live": not view.ended and shown.cursor is None,
    }
    return render(request, "soulseek/answers.html", context)


@require_GET
@page_role(Role.VIEWER)
def live_search(request: HttpRequest, search_id: uuid.UUID) -> HttpResponseBase:
    """Head and first page as answers come in."""
    shown, rights = _shown(request.GET), rights_of(request)
    kept: dict[tuple[object, ...], Mapping[str, object]] = {}

    def parts() -> Mapping[str, object]:
        view = _view(search_id)
        mark = (view.state, view.files, view.users, view.ahead, view.due_at, view.code)
        if mark not in kept:
            # Answers are unpacked and sorted again only when there are new ones.
            kept.clear()
            kept[mark] = _answer_parts(request, view, shown, rights)
        return {**frame_parts(), **kept[mark]}

    return stream_response(parts)


@require_POST
@page_role(Role.OPERATOR)
def take(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """Download folders and files: a batch for each user and folder."""
    person = request.user if isinstance(request.user, User) else None
    wanted = _wanted(request.POST)
    made, last = 0, None
    for (user, folder), paths in wanted.items():
        try:
            last = offer_take(search_id, user=user, folder=folder, paths=paths, requested_by=person)
            made += 1
        except DomainError as error:
            messages.error(request, message_of(error.code, error.params))
    if made == 1 and last is not None:
        return redirect("download-batch", batch_id=last)
    if made:
        messages.success(request, ngettext("%d batch asked for.", "%d batches asked for.", made) % made)
        return redirect("downloads")
    if not wanted:
        messages.error(request, _("Choose files, or a folder."))
    return redirect("search-answers", search_id=search_id)


@require_POST
@page_role(Role.OPERATOR)
def withdraw(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """No more answers."""
    try:
        search_withdraw(search_id)
    except DomainError as error:
        raise Http404(str(error)) from error
    return redirect("search-answers", search_id=search_id)


@require_POST
@page_role(Role.OPERATOR)
def again(request: HttpRequest, search_id: uuid.UUID) -> HttpResponse:
    """The same anew."""
    view = _view(search_id)
    person = request.user if isinstance(request.user, User) else None
    asked = search_ask(view.query, scope=SearchScope(view.scope), whom=view.whom, anew=True, requested_by=person)
    return redirect("search-answers", search_id=asked.id)


def search_line(view: SearchView) -> SearchLine:
    """With its state in words."""
    if view.code:
        says = str(sentence(view.code, view.params))
    elif view.state is SearchState.QUEUED and view.due_at is not None:
        says = ngettext("%d search before it.", "%d searches before it.", view.ahead) % view.ahead
    else:
        says = ""
    return SearchLine(view=view, look=LOOKS[view.state], says=says)


def _answer_parts(request: HttpRequest, view: SearchView, shown: Shown, rights: Rights) -> Mapping[str, object]:
    context = {**_answers(view, shown), "rights": rights, "request": request}
    return {
        "search-head": render_to_string("soulseek/_search_head.html", context),
        "search-offers": render_to_string("soulseek/_search_offers.html", context),
    }


def _answers(view: SearchView, shown: Shown) -> dict[str, object]:
    page = search_offers(view, keep=shown.keep, by=shown.by, sort=shown.sort, cursor=shown.cursor, limit=PER_PAGE)
    most = 500 if shown.keep.user else FILES_SHOWN
    return {
        "line": search_line(view),
        "search": view,
        "offers": [_offer_line(one, most=most) for one in page.items],
        "offer_page": page,
        "shown": shown,
        "open_files": len(page.items) <= 3,
    }


def _offer_line(one: Offer, *, most: int) -> OfferLine:
    key = uuid.uuid5(uuid.NAMESPACE_OID, f"{one.user}\0{one.folder}")
    return OfferLine(
        offer=one,
        key=f"offer-{key.hex[:16]}",
        token=_token(one.user, one.folder, None),
        files=tuple((_token(one.user, None, file.file.path), file) for file in one.files[:most]),
        more=max(0, len(one.files) - most),
    )


def _token(user: str, folder: str | None, remote_path: str | None) -> str:
    return json.dumps([user, folder, remote_path], separators=(",", ":"))


def _wanted(posted: QueryDict) -> dict[tuple[str, str | None], list[str]]:
    """(user, folder) → paths; no path: the folder as a whole. What can't be read is passed over."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for text in [*posted.getlist("folder"), *(posted.getlist("file")[:MAX_TAKEN] if "folder" not in posted else ())]:
        try:
            user, folder, remote_path = json.loads(text)
        except (ValueError, TypeError):
            continue
        if not isinstance(user, str):
            continue
        if isinstance(folder, str):
            found[user, folder] = []
        elif isinstance(remote_path, str):
            above = remote_path.rpartition("\\")[0]
            found.setdefault((user, above), []).append(remote_path)
    return found


def _shown(query: QueryDict) -> Shown:
    def number(name: str) -> int:
        text = query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0

    sort, by = query.get("sort", ""), query.get("group", "")
    return Shown(
        keep=OfferFilter(
            lossless=bool(query.get("lossless")),
            min_bitrate_kbps=number("bitrate"),
            free_slot=bool(query.get("free")),
            words=query.get("q", "")[:250],
            sound=bool(query.get("sound")),
            min_files=number("files"),
            user=query.get("user", "")[:120],
        ),
        by=Grouping(by) if by in set(Grouping) else Grouping.FOLDER,
        sort=OfferSort(sort) if sort in set(OfferSort) else OfferSort.BEST,
        cursor=query.get("cursor") or None,
    )


def _view(search_id: uuid.UUID) -> SearchView:
    view = search_view(search_id)
    if view is None:
        raise Http404
    return view


urlpatterns = [
    path("search", search, name="search"),
    path("search/<uuid:search_id>", answers, name="search-answers"),
    path("search/<uuid:search_id>/take", take, name="search-take"),
    path("search/<uuid:search_id>/withdraw", withdraw, name="search-withdraw"),
    path("search/<uuid:search_id>/again", again, name="search-again"),
    path("live/searches", live_searches, name="live-searches"),
    path("live/search/<uuid:search_id>", live_search, name="live-search"),
]
