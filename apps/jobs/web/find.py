"""Find: one box for ids, addresses, barcodes, ISRCs and words; and asking for what was found, once more looked at."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.catalog.selectors import recording_facts, release_facts
from apps.catalog.selectors_discogs import discogs_release_of
from apps.catalog.selectors_graph import artist_detail, label_detail
from apps.common.ids import new_id
from apps.common.permissions import page_role, role_of_request
from apps.common.roles import Role, role_at_least
from apps.common.sse import stream_response
from apps.domain.catalog.links import MAX_TEXT_CHARS
from apps.domain.errors import DomainError
from apps.jobs import services
from apps.jobs.selectors_find import find_view
from apps.jobs.selectors_list import jobs_asking_for
from apps.jobs.services_find import find_ask
from apps.jobs.web.find_lines import find_address, find_page
from apps.nodelink.web.frame import Rights, frame_parts, rights_of

TREES: Final = frozenset({"discography", "label_crate"})
KINDS: Final = TREES | {"mb_release", "recording"}


@require_GET
@page_role(Role.VIEWER)
def find(request: HttpRequest) -> HttpResponse:
    """What is this? Answered from the catalog at once, else by a worker while the page looks on."""
    text = request.GET.get("q", "")[: MAX_TEXT_CHARS + 1].strip()
    if not text:
        return render(request, "jobs/find.html", {"text": ""})
    try:
        asked = find_ask(text, requested_by=request.user if isinstance(request.user, User) else None)
    except DomainError as error:
        context = {"text": text, "code": error.code, "params": error.params, "text_in_find": text}
        return render(request, "jobs/find.html", context)
    found = find_view(asked)
    if found is None:
        raise Http404
    return render(request, "jobs/find.html", {"text": text, "page": find_page(found), "text_in_find": text})


@require_POST
@page_role(Role.VIEWER)
def find_again(request: HttpRequest) -> HttpResponse:
    """Look it up anew, though it was a moment ago."""
    text = request.POST.get("q", "")[: MAX_TEXT_CHARS + 1]
    try:
        find_ask(text, requested_by=request.user if isinstance(request.user, User) else None, again=True)
    except DomainError as error:
        return render(request, "jobs/find.html", {"text": text, "code": error.code, "params": error.params}, status=400)
    return redirect(find_address(text))


@require_GET
@page_role(Role.VIEWER)
def live_find(request: HttpRequest, find_id: uuid.UUID) -> HttpResponseBase:
    """The answer as it grows."""
    rights = rights_of(request)
    return stream_response(lambda: find_parts(find_id, rights=rights))


def find_parts(find_id: uuid.UUID, *, rights: Rights) -> Mapping[str, object]:
    """The answer and the frame."""
    found = find_view(find_id)
    if found is None:
        return frame_parts()
    answer = render_to_string("jobs/_find_answer.html", {"page": find_page(found), "rights": rights})
    return {**frame_parts(), "find-answer": answer}


@require_http_methods(["GET", "HEAD", "POST"])
@page_role(Role.VIEWER)
def ask(request: HttpRequest) -> HttpResponse:
    """GET: shall this be asked for? POST: make the job; the form's key makes a double click one job."""
    if request.method == "POST":
        return _ask(request)
    kind, text = request.GET.get("kind", ""), request.GET.get("mbid", "")
    try:
        mbid = services.mbid_of(text)
    except DomainError as error:
        return render(request, "jobs/find.html", {"text": text, "code": error.code, "params": error.params}, status=400)
    if kind not in KINDS:
        raise Http404
    return render(request, "jobs/ask.html", _asking(kind, mbid))


def _asking(kind: str, mbid: uuid.UUID) -> dict[str, object]:
    """What the form says of it: from the catalog alone."""
    return {
        "kind": kind,
        "mbid": mbid,
        "tree": kind in TREES,
        "release": release_facts(mbid, fresh_for=None) if kind == "mb_release" else None,
        "discogs": discogs_release_of(mbid) if kind == "mb_release" else None,
        "recording": recording_facts(mbid) if kind == "recording" else None,
        "artist": artist_detail(mbid) if kind == "discography" else None,
        "label": label_detail(mbid) if kind == "label_crate" else None,
        "earlier": jobs_asking_for(mbid),
        "soulseek": settings.SOULSEEK_REACHABLE(),
        "key": new_id(),
    }


def _ask(request: HttpRequest) -> HttpResponse:
    if not role_at_least(role_of_request(request), Role.OPERATOR):
        raise PermissionDenied
    kind = request.POST.get("kind", "")
    constraints: dict[str, object] = {"allow_lossy": False} if request.POST.get("lossless") else {}
    constraints["download_mode"] = request.POST.get("mode") or "any"
    constraints["redownload"] = bool(request.POST.get("redownload"))
    constraints["use_overlay"] = not request.POST.get("soulseek_only")
    try:
        made = services.job_create(
            kind=kind,
            target_mbid=request.POST.get("mbid", ""),
            constraints=constraints,
            selection=_selection(request, kind),
            requested_by=request.user if isinstance(request.user, User) else None,
            idempotency_key=request.POST.get("key") or None,
        )
    except DomainError as error:
        return render(request, "jobs/find.html", {"code": error.code, "params": error.params}, status=400)
    return redirect("job", job_id=made.id)


def _selection(request: HttpRequest, kind: str) -> dict[str, object] | None:
    """What of a discography or a crate."""
    if kind not in TREES:
        return None
    chosen: dict[str, object] = {}
    if kind == "discography":
        chosen["profile"] = request.POST.get("profile") or "core"
    else:
        chosen["studio_only"] = bool(request.POST.get("studio_only"))
    limit = request.POST.get("limit", "").strip()
    if limit:
        chosen["limit_releases"] = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 6 else 0
    return chosen
