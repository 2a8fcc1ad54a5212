"""Pages of hunts: what a job (or a wish) found on Soulseek, why it chooses what, and a person's own pick; the wishlist."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import message_of
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.errors import DomainError
from apps.domain.soulseek.states import HuntState
from apps.nodelink.web.frame import Rights, frame_parts, rights_of
from apps.soulseek.hunt_words import hunt_says, missing_says, reasons, refused_says
from apps.soulseek.selectors_hunts import CandidateView, HuntView, hunt_detail, hunt_of_job, hunt_view, wish_page
from apps.soulseek.services_hunt import hunt_hold, hunt_pick, hunt_resume, hunt_search_now
from apps.soulseek.services_wishlist import wish_add, wish_edit, wish_remove
from apps.soulseek.web.search import SearchLine, search_line

ON_JOB: Final = 4
"""Candidates on a job's page."""


LOOKS: Final[Mapping[HuntState, Look]] = {
    HuntState.SEARCHING: Look(label=lazy("Searching"), icon="search", tone="info"),
    HuntState.CHOOSING: Look(label=lazy("Comparing"), icon="ear", tone="info"),
    HuntState.ASKING: Look(label=lazy("Your choice"), icon="info", tone="warn"),
    HuntState.FETCHING: Look(label=lazy("Fetching"), icon="down", tone="soulseek"),
    HuntState.WISHING: Look(label=lazy("On the wishlist"), icon="clock", tone="idle"),
    HuntState.PAUSED: Look(label=lazy("Held"), icon="pause", tone="idle"),
    HuntState.DONE: Look(label=lazy("Done"), icon="check", tone="ok"),
    HuntState.CANCELLED: Look(label=lazy("Cancelled"), icon="stop", tone="idle"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLine:
    """A candidate in words."""

    view: CandidateView
    reasons: Sequence[str]
    refused: str
    missing: str

    @property
    def folder_name(self) -> str:
        """The last part of its folder."""
        return self.view.folder.rpartition("\\")[2] or self.view.folder

    @property
    def files(self) -> list[tuple[Mapping[str, Any], bool]]:
        """Its files, and whether the rules would ask for each now."""
        return [(file, at in self.view.chosen) for at, file in enumerate(self.view.files)]

    @property
    def percent(self) -> int:
        """Its score."""
        return round(self.view.score * 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class HuntLine:
    """A hunt in words."""

    view: HuntView
    look: Look
    says: str

    @property
    def over(self) -> bool:
        """Nothing is looked for any more."""
        return self.view.state in {HuntState.DONE, HuntState.CANCELLED}


def hunt_line(view: HuntView) -> HuntLine:
    """With its state in words."""
    return HuntLine(view=view, look=LOOKS[view.state], says=hunt_says(view))


def candidate_line(view: CandidateView) -> CandidateLine:
    """With its reasons in words."""
    return CandidateLine(view=view, reasons=reasons(view), refused=refused_says(view), missing=missing_says(view))


@require_GET
@page_role(Role.VIEWER)
def hunt(request: HttpRequest, hunt_id: uuid.UUID) -> HttpResponse:
    """One hunt: how it stands, every candidate with its reasons, what was asked."""
    return render(request, "soulseek/hunt.html", _hunt(hunt_id))


@require_GET
@page_role(Role.VIEWER)
def live_hunt(request: HttpRequest, hunt_id: uuid.UUID) -> HttpResponseBase:
    """As it goes on."""
    rights = rights_of(request)
    return stream_response(lambda: _parts(hunt_id, rights))


@require_GET
@page_role(Role.VIEWER)
def hunt_on_job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The panel on a job's page, anew. Empty for a job without a hunt."""
    return render(request, "soulseek/_hunt_of_job.html", panel_of_job(job_id, operates=rights_of(request).operate))


def panel_of_job(job_id: uuid.UUID, *, operates: bool) -> dict[str, object]:
    """The panel's context. Where a person is asked, one who `operates` can take a candidate right there."""
    view = hunt_of_job(job_id)
    context = _hunt(view.id, most=ON_JOB) if view is not None else {}
    asks = operates and view is not None and view.state == HuntState.ASKING
    return {**context, "job_id": job_id, "asks": asks}


@require_POST
@page_role(Role.OPERATOR)
def hunt_act(request: HttpRequest, hunt_id: uuid.UUID, name: str) -> HttpResponse:
    """pick, now, hold, resume, auto, manual, remove."""
    person = request.user if isinstance(request.user, User) else None
    view = hunt_view(hunt_id)
    if view is None:
        raise Http404
    try:
        match name:
            case "pick":
                batch = hunt_pick(
                    hunt_id,
                    _number(request.POST.get("candidate", "")),
                    paths=request.POST.getlist("path") or None,
                    requested_by=person,
                )
                return _back(request, view) or redirect("download-batch", batch_id=batch)
            case "now":
                hunt_search_now(hunt_id)
                messages.success(request, _("It is looked for now, as soon as its turn comes."))
            case "hold":
                hunt_hold(hunt_id)
            case "resume":
                hunt_resume(hunt_id)
            case "auto" | "manual":
                wish_edit(hunt_id, auto_download=name == "auto")
            case "remove":
                wish_remove(hunt_id)
                messages.success(request, _("Taken off the wishlist."))
                return redirect("wishlist")
            case _:
                raise Http404
    except DomainError as error:
        messages.error(request, message_of(error.code, error.params))
    return _back(request, view) or redirect("hunt", hunt_id=hunt_id)


def _back(request: HttpRequest, view: HuntView) -> HttpResponse | None:
    """To the page of the button, where it is another than the hunt's own."""
    match request.POST.get("back"):
        case "wishlist":
            return redirect("wishlist")
        case "job" if view.job_id is not None:
            return redirect("job", job_id=view.job_id)
        case _:
            return None


@require_http_methods(["GET", "HEAD", "POST"])
@page_role(Role.VIEWER)
def wishlist(request: HttpRequest) -> HttpResponse:
    """GET: what waits for a source; POST: a wish of words."""
    code, words = "", ""
    params: dict[str, object] = {}
    if request.method == "POST":
        if not rights_of(request).operate:
            raise PermissionDenied
        words = request.POST.get("words", "")[:300]
        try:
            wish_add(
                words,
                auto_download=bool(request.POST.get("auto")),
                lossless=bool(request.POST.get("lossless")),
                requested_by=request.user if isinstance(request.user, User) else None,
            )
            return redirect("wishlist")
        except DomainError as error:
            code, params = error.code, dict(error.params)
    context = {**_wishes(request.GET), "words": words, "code": code, "params": params}
    return render(request, "soulseek/wishlist.html", context, status=400 if code else 200)


@require_GET
@page_role(Role.VIEWER)
def live_wishlist(request: HttpRequest) -> HttpResponseBase:
    """Patches of that page."""
    query, rights = request.GET, rights_of(request)
    return stream_response(lambda: wish_parts(query, rights))


def _wishes(query: QueryDict) -> dict[str, object]:
    show, text = query.get("show", ""), query.get("q", "")[:250]
    try:
        page = wish_page(show=show, text=text, cursor=query.get("cursor") or None)
    except CursorInvalid:
        page = wish_page(show=show, text=text)
    return {
        "page": page,
        "lines": [hunt_line(one) for one in page.items],
        "show": show,
        "text": text,
        "narrowed": bool(show or text),
    }


def wish_parts(query: QueryDict, rights: Rights) -> Mapping[str, object]:
    """The live parts of the wishlist."""
    lines = _wishes(query)["lines"]
    assert isinstance(lines, list)
    rows = {
        f"wish-{line.view.id}": render_to_string("soulseek/_wish_row.html", {"line": line, "rights": rights})
        for line in lines
    }
    return {**frame_parts(), **rows}


def _hunt(hunt_id: uuid.UUID, *, most: int = 50) -> dict[str, object]:
    detail = hunt_detail(hunt_id)
    if detail is None:
        raise Http404
    lines = [candidate_line(one) for one in detail.candidates]
    searches: list[SearchLine] = [search_line(one) for one in detail.searches]
    hidden = max(0, len(lines) - most)
    return {
        "line": hunt_line(detail.hunt),
        "hunt": detail.hunt,
        "candidates": lines[:most],
        "hidden": hidden,
        "hidden_says": ngettext("%d more candidate", "%d more candidates", hidden) % hidden,
        "searches": searches,
    }


def _parts(hunt_id: uuid.UUID, rights: Rights) -> Mapping[str, object]:
    if hunt_view(hunt_id) is None:
        return frame_parts()
    context = {**_hunt(hunt_id), "rights": rights}
    return {
        **frame_parts(),
        "hunt-head": render_to_string("soulseek/_hunt_head.html", context),
        "hunt-candidates": render_to_string("soulseek/_hunt_candidates.html", context),
        "hunt-searches": render_to_string("soulseek/_hunt_searches.html", context),
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


urlpatterns = [
    path("wishlist", wishlist, name="wishlist"),
    path("soulseek/hunts/<uuid:hunt_id>", hunt, name="hunt"),
    path("soulseek/hunts/of-job/<uuid:job_id>", hunt_on_job, name="hunt-on-job"),
    path("soulseek/hunts/<uuid:hunt_id>/<slug:name>", hunt_act, name="hunt-act"),
    path("live/wishlist", live_wishlist, name="live-wishlist"),
    path("live/hunt/<uuid:hunt_id>", live_hunt, name="live-hunt"),
]
