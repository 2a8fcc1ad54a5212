"""An artist's coverage: which groups are held, track by track, and one click for what is missing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET, require_POST

from apps.catalog.selectors_graph import artist_detail, graph_state
from apps.catalog.services_walk import artist_graph_ask
from apps.common.ids import new_id
from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Words, message_of
from apps.common.web.looks import Look
from apps.domain.catalog.coverage import GroupCover, TrackCover
from apps.domain.catalog.discography import Profile
from apps.domain.errors import DomainError
from apps.domain.jobs.selection import Selection
from apps.jobs import services
from apps.jobs.selectors_coverage import CoverageGroup, CoverageTrack, coverage_page

PROFILES: Sequence[tuple[Profile, Words]] = (
    (Profile.CORE, lazy("Core")),
    (Profile.EXTENDED, lazy("Extended")),
    (Profile.ALL, lazy("Everything")),
)
GROUP_LOOKS: Mapping[GroupCover, Look] = {
    GroupCover.COMPLETE: Look(lazy("Complete"), "check", "ok"),
    GroupCover.PART: Look(lazy("In part"), "partial", "warn"),
    GroupCover.WANTED: Look(lazy("On its way"), "down", "overlay"),
    GroupCover.MISSING: Look(lazy("Missing"), "cross", "idle"),
    GroupCover.NO_EDITION: Look(lazy("No edition"), "info", "idle"),
}
TRACK_LOOKS: Mapping[TrackCover, Look] = {
    TrackCover.HELD: Look(lazy("held"), "check", "ok"),
    TrackCover.BETTER: Look(lazy("better available"), "up", "info"),
    TrackCover.WANTED: Look(lazy("wanted"), "down", "overlay"),
    TrackCover.MISSING: Look(lazy("missing"), "cross", "idle"),
}


@dataclass(frozen=True, slots=True)
class TrackLine:
    """A track as it is drawn."""

    track: CoverageTrack
    look: Look


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group as it is drawn."""

    group: CoverageGroup
    look: Look
    tracks: tuple[TrackLine, ...]
    disc: tuple[Mapping[str, object], ...]
    counts: tuple[tuple[int, Look], ...]


@require_GET
@page_role(Role.VIEWER)
def coverage(request: HttpRequest, artist: uuid.UUID) -> HttpResponse:
    """The page."""
    selection, only_missing = _selection(request.GET), bool(request.GET.get("missing"))
    try:
        page = coverage_page(artist, selection, only_missing=only_missing, cursor=request.GET.get("cursor"))
    except CursorInvalid:
        return redirect("artist-coverage", artist=artist)
    context = {
        "mbid": artist,
        "artist": artist_detail(artist),
        "graph": graph_state(artist),
        "page": page,
        "lines": [_line(group) for group in page.groups],
        "profiles": PROFILES,
        "profile": selection.profile,
        "selection": selection,
        "only_missing": only_missing,
        "rest": page.total - page.complete,
        "key": new_id(),
        "legend": TRACK_LOOKS.values(),
    }
    return render(request, "jobs/coverage.html", context)


@require_POST
@page_role(Role.OPERATOR)
def read(request: HttpRequest, artist: uuid.UUID) -> HttpResponse:
    """Ask MusicBrainz for the artist's releases, or ask again."""
    artist_graph_ask(artist, refresh=bool(request.POST.get("again")))
    return redirect("artist-coverage", artist=artist)


@require_POST
@page_role(Role.OPERATOR)
def fetch(request: HttpRequest, artist: uuid.UUID) -> HttpResponse:
    """Get what is missing: of one release (`release`), or of the whole profile. What is held is not fetched again."""
    release = request.POST.get("release", "")
    back = f"{reverse('artist-coverage', args=[artist])}?{request.POST.get('query', '')[:500]}"
    try:
        made = services.job_create(
            kind="mb_release" if release else "discography",
            target_mbid=release or artist,
            selection=None if release else _selection(request.POST),
            constraints={"allow_lossy": False} if request.POST.get("lossless") else {},
            requested_by=request.user if isinstance(request.user, User) else None,
            idempotency_key=request.POST.get("key") or None,
        )
    except DomainError as error:
        messages.error(request, str(message_of(error.code, error.params, fallback=error.sentence)))
        return redirect(back)
    if not release:
        return redirect("job", job_id=made.id)
    messages.success(request, _("It was asked for."))
    return redirect(back)


def _selection(given: Mapping[str, str]) -> Selection:
    profile = given.get("profile", "")
    return Selection(
        profile=profile if profile in set(Profile) else Profile.CORE.value,
        exclude_live=False if given.get("live") else None,
        exclude_compilations=False if given.get("compilations") else None,
    )


def _line(group: CoverageGroup) -> GroupLine:
    states = [track.state for track in group.tracks]
    if not states:
        states = [state for state, count in group.counts.items() for _ in range(count)]
    return GroupLine(
        group=group,
        look=GROUP_LOOKS[group.state],
        tracks=tuple(TrackLine(track, TRACK_LOOKS[track.state]) for track in group.tracks),
        disc=tuple(
            {"tone": TRACK_LOOKS[state].tone, "share": 0.0 if state is TrackCover.MISSING else 1.0} for state in states
        ),
        counts=tuple((count, TRACK_LOOKS[state]) for state, count in group.counts.items() if count),
    )
