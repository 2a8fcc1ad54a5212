"""Arriving, and one job. (Asking for something new is `find`.)"""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sse import stream_response
from apps.jobs.actions import ACTIONS
from apps.jobs.selectors import job_tree
from apps.jobs.web.bulk import act, toast_response
from apps.jobs.web.parts import (
    GROUPS,
    ListQuery,
    list_choices,
    list_page,
    list_parts,
    track_parts,
    tree_context,
    tree_parts,
    unfolded,
)
from apps.jobs.web.trees import TABS, is_tree, releases_of
from apps.nodelink.web.frame import rights_of


@require_GET
@page_role(Role.VIEWER)
def arriving(request: HttpRequest) -> HttpResponse:
    """The list of jobs, newest first."""
    query = ListQuery.of(request.GET.dict())
    try:
        page, lines = list_page(query)
        releases = unfolded(query, page)
    except CursorInvalid:
        return redirect("arriving")
    context = {
        "query": query,
        "groups": GROUPS,
        "page": page,
        "lines": lines,
        "releases": releases,
        **list_choices(),
    }
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
    if not is_tree(tree):
        return render(request, "jobs/job.html", {**tree_context(tree), "track_parts": track_parts(tree).values()})
    show, cursor = _stretch(request)
    try:
        releases = releases_of(job_id, state=show, cursor=cursor)
    except CursorInvalid:
        return redirect("job", job_id=job_id)
    context = {"releases": releases, "tabs": TABS, "show": show, "cursor": cursor}
    return render(request, "jobs/tree.html", {**tree_context(tree), **context})


def _stretch(request: HttpRequest) -> tuple[str, str | None]:
    """Which of a tree's releases the address asks for."""
    show = request.GET.get("show", "")
    return show if show in [value for value, _label in TABS] else "", request.GET.get("cursor") or None


@require_GET
@page_role(Role.VIEWER)
def live_job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Patches of the tree."""
    rights = rights_of(request)
    show, cursor = _stretch(request)
    return stream_response(lambda: tree_parts(job_id, rights=rights, show=show, cursor=cursor))


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
