"""Arriving, one job, and asking for something new."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.catalog.selectors import recording_facts, release_facts
from apps.common.ids import new_id
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sse import stream_response
from apps.domain.errors import DomainError
from apps.jobs import services
from apps.jobs.actions import ACTIONS
from apps.jobs.selectors import job_tree
from apps.jobs.selectors_list import jobs_asking_for
from apps.jobs.web.bulk import act, toast_response
from apps.jobs.web.find import Found, read_find
from apps.jobs.web.parts import GROUPS, ListQuery, list_page, list_parts, track_parts, tree_context, tree_parts
from apps.nodelink.web.frame import rights_of


@require_GET
@page_role(Role.VIEWER)
def arriving(request: HttpRequest) -> HttpResponse:
    """The list of jobs, newest first."""
    query = ListQuery.of(request.GET.dict())
    try:
        page, lines = list_page(query)
    except CursorInvalid:
        return redirect("arriving")
    context = {"query": query, "groups": GROUPS, "page": page, "lines": lines}
    return render(request, "jobs/list.html", context)


@require_GET
@page_role(Role.VIEWER)
def live_list(request: HttpRequest) -> HttpResponseBase:
    """Patches of the list with the same address."""
    query, rights = ListQuery.of(request.GET.dict()), rights_of(request)
    return stream_response(lambda: list_parts(query, rights=rights))


@require_GET
@page_role(Role.VIEWER)
def job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """One job as a tree."""
    tree = job_tree(job_id)
    if tree is None:
        raise Http404
    return render(request, "jobs/job.html", {**tree_context(tree), "track_parts": track_parts(tree).values()})


@require_GET
@page_role(Role.VIEWER)
def live_job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Patches of the tree."""
    rights = rights_of(request)
    return stream_response(lambda: tree_parts(job_id, rights=rights))


@require_GET
@page_role(Role.VIEWER)
def find(request: HttpRequest) -> HttpResponse:
    """The find box: what is this, and shall it be asked for?"""
    text = request.GET.get("q", "")[:500]
    found = read_find(text)
    if not isinstance(found, Found):
        return render(request, "jobs/find.html", {"text": text, "code": found.code, "params": {}})
    facts = release_facts(found.mbid, fresh_for=None) if found.kind != "recording" else None
    recording = recording_facts(found.mbid) if found.kind != "mb_release" else None
    earlier = jobs_asking_for(found.mbid)
    context = {
        "text": text,
        "found": found,
        "release": facts,
        "recording": recording,
        "earlier": earlier,
        "key": new_id(),
    }
    return render(request, "jobs/find.html", context)


@require_POST
@page_role(Role.OPERATOR)
def ask(request: HttpRequest) -> HttpResponse:
    """Make the job; the form's key makes a double click one job."""
    constraints: dict[str, object] = {"allow_lossy": False} if request.POST.get("lossless") else {}
    constraints["download_mode"] = request.POST.get("mode") or "any"
    constraints["redownload"] = bool(request.POST.get("redownload"))
    try:
        made = services.job_create(
            kind=request.POST.get("kind", ""),
            target_mbid=request.POST.get("mbid", ""),
            constraints=constraints,
            requested_by=request.user if isinstance(request.user, User) else None,
            idempotency_key=request.POST.get("key") or None,
        )
    except DomainError as error:
        return render(request, "jobs/find.html", {"code": error.code, "params": error.params}, status=400)
    return redirect("job", job_id=made.id)


@require_POST
@page_role(Role.OPERATOR)
def action(request: HttpRequest, name: str) -> HttpResponse:
    """Pause, resume, cancel or retry one job or all selected ones (`ids`)."""
    if name not in ACTIONS:
        raise Http404
    outcome = act(name, request.POST.getlist("ids"))
    if request.headers.get("HX-Request"):
        return toast_response(request, outcome)
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if safe else reverse("arriving"))
