"""Targets: what people mean to have and how much of it there is; one of them track by track, with what completes it and what belongs to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.catalog.selectors import release_facts
from apps.catalog.selectors_discogs import discogs_pages_of
from apps.common.ids import new_id
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.common.web.looks import Look
from apps.domain.catalog.links import EntityKind
from apps.domain.catalog.release import ReleaseFacts
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import JOB_ENDED
from apps.domain.jobs.targets import HeldState, TargetKind, TargetState
from apps.jobs.selectors_editions import EditionsUnknown, EditionsView, editions_view
from apps.jobs.selectors_list import jobs_asking_for
from apps.jobs.selectors_targets import TargetView, target_page, target_view
from apps.jobs.services_find import find_ask
from apps.jobs.services_targets import target_choose, target_forget, target_get_missing
from apps.jobs.web.find_lines import find_address
from apps.jobs.web.lines import JOB_LOOKS
from apps.jobs.web.related import related_parts

LOOKS: Final[Mapping[TargetState, Look]] = {
    TargetState.UNKNOWN: Look(lazy("Track list not known"), "clock", "idle"),
    TargetState.ABSENT: Look(lazy("Nothing held"), "search", "idle"),
    TargetState.PARTIAL: Look(lazy("Tracks missing"), "partial", "warn"),
    TargetState.WRONG: Look(lazy("Wrong recording"), "warning", "bad"),
    TargetState.EXTRA: Look(lazy("Complete, and more"), "check", "info"),
    TargetState.COMPLETE: Look(lazy("Complete"), "check", "ok"),
}
TRACK_LOOKS: Final[Mapping[HeldState, Look]] = {
    HeldState.HELD: Look(lazy("Held"), "check", "ok"),
    HeldState.ELSEWHERE: Look(lazy("Held with another release"), "library", "info"),
    HeldState.WRONG: Look(lazy("Wrong recording"), "warning", "bad"),
    HeldState.MISSING: Look(lazy("Missing"), "search", "warn"),
}
EXPLAINS: Final[Mapping[TargetState, Promise]] = {
    TargetState.UNKNOWN: lazy("Its track list is not known here yet."),
    TargetState.ABSENT: lazy("The library holds nothing of it."),
    TargetState.PARTIAL: lazy("Some of its tracks are missing."),
    TargetState.WRONG: lazy("At some places stands another recording, or one of another length."),
    TargetState.EXTRA: lazy("Every track is held; there are files that are not of this edition. Another edition with bonus tracks may be meant."),
    TargetState.COMPLETE: lazy("Every track is held."),
}  # fmt: skip


@require_GET
@page_role(Role.VIEWER)
def targets(request: HttpRequest) -> HttpResponse:
    """The list, newest first; filter by state and words."""
    state, text = request.GET.get("show", ""), searched(request.GET.get("q", ""))
    try:
        page = target_page(state=state, text=text, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("targets")
    lines = [{"row": row, "look": LOOKS[row.state]} for row in page.items]
    tabs = [(one.value, LOOKS[one].label) for one in TargetState]
    context = {"page": page, "lines": lines, "state": state, "text": text, "tabs": tabs}
    return render(request, "targets/list.html", context)


@require_GET
@page_role(Role.VIEWER)
def target(request: HttpRequest, kind: str, mbid: uuid.UUID) -> HttpResponse:
    """One release or recording, chosen or only looked at."""
    if kind not in set(TargetKind):
        raise Http404
    view = target_view(TargetKind(kind), mbid)
    release = release_facts(view.mbid, fresh_for=None) if view.kind is TargetKind.RELEASE else None
    jobs = jobs_asking_for(view.mbid)
    context = {
        "target": view,
        "look": LOOKS[view.state],
        "explains": EXPLAINS[view.state],
        "tracks": [(one, TRACK_LOOKS[one.state]) for one in view.tracks],
        "related": related_parts(kind, view.mbid),
        "jobs": [(row, JOB_LOOKS[row.state]) for row in jobs],
        "under_way": any(row.state not in JOB_ENDED for row in jobs),
        "editions": _editions(view, release),
        "find": find_address(f"{kind}/{view.mbid}"),
        "key": new_id(),
        **_release(release),
    }
    return render(request, "targets/target.html", context)


@require_GET
@page_role(Role.VIEWER)
def related(request: HttpRequest, kind: str, mbid: uuid.UUID) -> HttpResponse:
    """The sidebar alone, for pages that show it beside something else."""
    if kind not in set(TargetKind):
        raise Http404
    return render(request, "targets/_related.html", {"related": related_parts(kind, mbid), "key": new_id()})


def _release(release: ReleaseFacts | None) -> dict[str, object]:
    group = release.group if release is not None else None
    things = [(EntityKind.RELEASE, release.mbid)] if release is not None else []
    things += [(EntityKind.RELEASE_GROUP, group.mbid)] if group is not None else []
    return {"release": release, "group": group, "discogs_pages": discogs_pages_of(*things) if things else ()}


def _editions(view: TargetView, release: ReleaseFacts | None) -> EditionsView | None:
    """Which edition what is held would make best; only where something is held and the editions are known."""
    if release is None or release.group is None or view.state in {TargetState.UNKNOWN, TargetState.ABSENT}:
        return None
    try:
        return editions_view(release.group.mbid, held_only=True)
    except EditionsUnknown:
        return None


@require_POST
@page_role(Role.OPERATOR)
def act(request: HttpRequest, kind: str, mbid: uuid.UUID, name: str) -> HttpResponse:
    """Choose, forget, look up, or ask for what is missing."""
    by = request.user if isinstance(request.user, User) else None
    here = reverse("target", args=[kind, mbid])
    deeds: Mapping[str, Callable[[], str]] = {
        "choose": lambda: _here(target_choose(kind, mbid, requested_by=by), here),
        "forget": lambda: _forgotten(mbid, here),
        "lookup": lambda: _here(
            find_ask(f"{kind}/{mbid}", requested_by=by, again=True), find_address(f"{kind}/{mbid}")
        ),
        "missing": lambda: _job(request, kind, mbid, by),
    }
    if name not in deeds or kind not in set(TargetKind):
        raise Http404
    try:
        return redirect(deeds[name]())
    except DomainError as error:
        context = {"code": error.code, "params": error.params, "text": ""}
        return render(request, "jobs/find.html", context, status=400)


def _forgotten(mbid: uuid.UUID, address: str) -> str:
    target_forget(mbid)
    return address


def _here(_done: object, address: str) -> str:
    return address


def _job(request: HttpRequest, kind: str, mbid: uuid.UUID, by: User | None) -> str:
    made = target_get_missing(kind, mbid, requested_by=by, idempotency_key=request.POST.get("key") or None)
    return reverse("job", args=[made.id])
