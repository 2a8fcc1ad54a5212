"""How far jobs of jobs are, and what they planned: grouped queries for any number of them, nothing stored."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState, TrackState
from apps.domain.jobs.sentences import sentence
from apps.jobs.models import Job, JobTrack, PlannedRelease, PlannedState
from apps.soulseek.selectors_rescues import RescueSum, rescues_of_jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFigures:
    """How far a job of jobs is: "4/7 releases, 38/61 tracks".

    `releases_total`: those it fetches (its children, and those planned that have no child yet); held and omitted ones come beside them.
    `releases_failed`: ended as partial, failed or cancelled. `tracks_total`: of tracklists where they are known, else as many as MusicBrainz counts.
    """

    releases_total: int = 0
    releases_completed: int = 0
    releases_failed: int = 0
    releases_running: int = 0
    releases_held: int = 0
    releases_omitted: int = 0
    tracks_total: int = 0
    tracks_completed: int = 0
    tracks_failed: int = 0

    @property
    def share(self) -> float:
        """0…1 of the tracks."""
        return self.tracks_completed / self.tracks_total if self.tracks_total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedView:
    """A release that a job of jobs looked at, and its child where it has one."""

    position: int
    release_mbid: uuid.UUID
    group_mbid: uuid.UUID | None
    title: str
    artist: str
    year: str
    kind: str
    track_count: int
    weight: float
    recommended: bool
    state: str
    reason: str
    other_id: uuid.UUID | None
    """The job of another tree that fetches or fetched it."""
    child_id: uuid.UUID | None
    child_state: str
    child_code: str
    child_params: Mapping[str, object]

    @property
    def sentence(self) -> str:
        """Why it was taken or left out, in words."""
        return sentence(self.reason, {})

    @property
    def child_sentence(self) -> str:
        """What the job that fetches it says; "" when there is nothing to say."""
        return sentence(self.child_code, self.child_params) if self.child_code else ""


def tree_figures(parent_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, TreeFigures]:
    """The figures of these jobs; three grouped queries however many they are. Every id asked for is in the answer."""
    ids = list(parent_ids)
    if not ids:
        return {}
    sums: dict[uuid.UUID, dict[str, int]] = {one: {} for one in ids}

    def add(of: uuid.UUID | None, key: str, count: int | None) -> None:
        assert of is not None  # parents are among `ids`
        sums[of][key] = sums[of].get(key, 0) + (count or 0)

    children = Job.objects.filter(parent_id__in=ids).order_by().values_list("parent_id", "state")
    for parent, name, count in children.annotate(count=Count("*")):
        state = JobState(name)
        add(parent, "releases_total", count)
        if state is JobState.COMPLETED:
            add(parent, "releases_completed", count)
        elif state in JOB_ENDED:
            add(parent, "releases_failed", count)
        elif state in (JobState.RUNNING, JobState.RESOLVING):
            add(parent, "releases_running", count)
    unresolved = Q(state=PlannedState.WANTED) & Q(child__release_mbid=None)
    planned = PlannedRelease.objects.filter(job_id__in=ids).order_by().values_list("job_id", "state")
    for parent, name, count, childless, tracks in planned.annotate(
        count=Count("id"),
        childless=Count("id", filter=Q(child=None)),
        tracks=Sum("track_count", filter=unresolved),
    ):
        if name == PlannedState.WANTED:
            add(parent, "releases_total", childless)
            add(parent, "tracks_total", tracks)
        else:
            add(parent, f"releases_{name}", count)
    tracked = JobTrack.objects.filter(job__parent_id__in=ids).order_by().values_list("job__parent_id", "state")
    for parent, name, count in tracked.annotate(count=Count("*")):  # of all: an index of job and state tells it alone
        add(parent, "tracks_total", count)
        if name == TrackState.COMPLETED:
            add(parent, "tracks_completed", count)
        elif name in (TrackState.FAILED, TrackState.CANCELLED):
            add(parent, "tracks_failed", count)
    return {key: TreeFigures(**counted) for key, counted in sums.items()}


def planned_query(job_id: uuid.UUID, *, state: str = "") -> QuerySet[PlannedRelease]:
    """What the job looked at, with its children."""
    rows = PlannedRelease.objects.filter(job_id=job_id).select_related("child")
    return rows.filter(state=state) if state else rows


def planned_page(
    job_id: uuid.UUID, *, state: str = "", cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[PlannedView]:
    """A page of what a job of jobs looked at, in the order of fetching; one query. `state`: wanted, held, omitted or "" for all. Raises CursorInvalid."""
    page = keyset_page(planned_query(job_id, state=state), order=("position", "id"), cursor=cursor, limit=limit)
    return Page([_planned(row) for row in page.items], page.next_cursor, page.previous_cursor)


def _planned(row: PlannedRelease) -> PlannedView:
    child = row.child
    return PlannedView(
        position=row.position,
        release_mbid=row.release_mbid,
        group_mbid=row.group_mbid,
        title=row.title,
        artist=row.artist,
        year=row.year,
        kind=row.kind,
        track_count=row.track_count,
        weight=row.weight,
        recommended=row.recommended,
        state=row.state,
        reason=row.reason,
        other_id=row.other_id,
        child_id=child.id if child else None,
        child_state=child.state if child else "",
        child_code=child.code if child else "",
        child_params=child.params if child else {},
    )


def job_rescues(job_id: uuid.UUID) -> RescueSum:
    """What the mesh gives to Soulseek downloads of a job and of all jobs below it that do badly; one query."""
    below = Job.objects.filter(Q(id=job_id) | Q(parent_id=job_id) | Q(parent__parent_id=job_id))
    return rescues_of_jobs(below.values_list("id", flat=True))
