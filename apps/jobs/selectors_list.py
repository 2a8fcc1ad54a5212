"""The list of jobs by cursor, and how far the tracks of a page of jobs are: few queries, whatever the page holds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet

from apps.common.pagination import DEFAULT_LIMIT, Page, keyset_page
from apps.domain.jobs.lifecycle import TRANSFER_LIVE, JobState, TrackState, TransferRole, TransferState
from apps.domain.jobs.sentences import sentence
from apps.domain.jobs.tree import TREE_KINDS
from apps.jobs.models import Job, JobTrack, PlannedRelease
from apps.jobs.selectors_tree import TreeFigures, tree_figures
from apps.transfers.models import Transfer

Params = Mapping[str, object]

JOB_ORDER = ("-created_at", "-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackProgress:
    """How far one track is. Bytes are 0 while no payload was chosen."""

    state: TrackState
    payload_bytes: int = 0
    verified_bytes: int = 0
    speed_bps: int = 0

    @property
    def chosen(self) -> bool:
        """A payload was chosen."""
        return self.payload_bytes > 0

    @property
    def share(self) -> float:
        """0…1 of the payload."""
        return self.verified_bytes / self.payload_bytes if self.payload_bytes else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One line of the list. A job of jobs has `figures`; its tracks are those of its children."""

    id: uuid.UUID
    kind: str
    target_mbid: uuid.UUID
    parent_id: uuid.UUID | None
    state: JobState
    code: str
    params: Params
    title: str
    artist: str
    year: str
    origin: str
    requested_by: str
    tracks_total: int
    tracks_completed: int
    tracks_failed: int
    created_at: datetime
    ended_at: datetime | None
    next_step_at: datetime | None
    figures: TreeFigures | None = None

    @property
    def sentence(self) -> str:
        """The job's code for a person."""
        return sentence(self.code, self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; what is empty filters nothing.

    `children` False: jobs that have no parent, or, with `parent`, the children of that one. `text`: part of title or artist, of the job or (where children
    are not listed) of one of its children. `reason`: the code it shows. `person`: who asked for it, by name.
    """

    states: frozenset[JobState] = frozenset()
    kinds: frozenset[str] = frozenset()
    origin: str = ""
    person: str = ""
    text: str = ""
    reason: str = ""
    parent: uuid.UUID | None = None
    children: bool = False


def job_query(wanted: JobFilter) -> QuerySet[Job]:
    """Jobs, newest first, with who asked, for cursor pagination."""
    rows = Job.objects.select_related("requested_by")
    if wanted.parent is not None:
        rows = rows.filter(parent_id=wanted.parent)
    elif not wanted.children:
        rows = rows.filter(parent=None)
    if wanted.states:
        rows = rows.filter(state__in=sorted(wanted.states))
    if wanted.kinds:
        rows = rows.filter(kind__in=sorted(wanted.kinds))
    if wanted.origin:
        rows = rows.filter(origin=wanted.origin)
    if wanted.person:
        rows = rows.filter(requested_by__username=wanted.person)
    if wanted.reason:
        rows = rows.filter(code=wanted.reason)
    if wanted.text:
        said = Q(title__icontains=wanted.text) | Q(artist__icontains=wanted.text)
        if not wanted.children and wanted.parent is None:
            # A list of ids and no Exists: it is made once, while an Exists would read the children of every job on the way to the page.
            said |= Q(id__in=Job.objects.filter(said, parent__isnull=False).order_by().values("parent_id"))
        rows = rows.filter(said)
    return rows.order_by(*JOB_ORDER)


def job_page(
    wanted: JobFilter | None = None, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT, counted: bool = True
) -> Page[JobRow]:
    """A page of the list, newest first. Two queries; three more if there are jobs of jobs on it, however many. `counted` False: rows of other jobs
    say nothing of their tracks, which saves a query to whoever asks for `track_progress` anyway. Raises CursorInvalid."""
    page = keyset_page(job_query(wanted or JobFilter()), order=JOB_ORDER, cursor=cursor, limit=limit)
    return Page(job_rows(page.items, counted=counted), page.next_cursor, page.previous_cursor)


def job_rows(jobs: Sequence[Job], *, counted: bool = True) -> list[JobRow]:
    """Rows of `job_query` as values, with the counts of their tracks."""
    figures = tree_figures([job.id for job in jobs if job.kind in TREE_KINDS])
    counts = _track_counts([job.id for job in jobs if job.kind not in TREE_KINDS]) if counted else {}
    return [_row(job, figures.get(job.id), counts.get(job.id, {})) for job in jobs]


def jobs_of(ids: Collection[uuid.UUID]) -> list[JobRow]:
    """These jobs without the counts of their tracks, in any order; one query."""
    jobs = Job.objects.select_related("requested_by").filter(id__in=list(ids)) if ids else []
    return job_rows(list(jobs), counted=False)


def job_exists(job_id: uuid.UUID) -> bool:
    """There is a job with this id."""
    return Job.objects.filter(id=job_id).exists()


def tree_planned(job_id: uuid.UUID) -> bool:
    """Whether the job of jobs has planned anything; an imported one may have children only."""
    return PlannedRelease.objects.filter(job_id=job_id).exists()


def _track_counts(job_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Mapping[str, int]]:
    counts: dict[uuid.UUID, dict[str, int]] = {}
    rows = JobTrack.objects.filter(job_id__in=job_ids).order_by().values_list("job_id", "state")
    for job_id, state, count in rows.annotate(count=Count("*")):
        counts.setdefault(job_id, {})[state] = count
    return counts


def _row(job: Job, figures: TreeFigures | None, counts: Mapping[str, int]) -> JobRow:
    return JobRow(
        id=job.id,
        kind=job.kind,
        target_mbid=job.target_mbid,
        parent_id=job.parent_id,
        state=JobState(job.state),
        code=job.code,
        params=job.params,
        title=job.title,
        artist=job.artist,
        year=job.year,
        origin=job.origin,
        requested_by=job.requested_by.get_username() if job.requested_by else "",
        tracks_total=figures.tracks_total if figures else sum(counts.values()),
        tracks_completed=figures.tracks_completed if figures else counts.get(TrackState.COMPLETED, 0),
        tracks_failed=figures.tracks_failed if figures else counts.get(TrackState.FAILED, 0),
        created_at=job.created_at,
        ended_at=job.ended_at,
        next_step_at=job.next_step_at,
        figures=figures,
    )


def reasons_shown(*, limit: int = 40) -> list[tuple[str, int]]:
    """The codes that jobs without a parent show, and how many do; the most frequent first. One grouped query over an index."""
    rows = Job.objects.filter(parent=None).exclude(code="").order_by().values_list("code")
    return list(rows.annotate(count=Count("id")).order_by("-count", "code")[:limit])


def people_asking(*, limit: int = 50) -> list[str]:
    """Names of who may have asked for jobs."""
    return list(User.objects.order_by("username").values_list("username", flat=True)[:limit])


def jobs_asking_for(mbid: uuid.UUID, *, limit: int = 5) -> list[JobRow]:
    """The newest jobs that asked for this release or recording."""
    return job_rows(list(job_query(JobFilter(children=True)).filter(target_mbid=mbid)[:limit]))


def track_progress(job_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[TrackProgress]]:
    """The tracks of these jobs in album order; two queries."""
    rows = list(
        JobTrack.objects.filter(job_id__in=list(job_ids))
        .order_by("job_id", "medium_position", "position")
        .values_list("job_id", "state", "want_id")
    )
    transfers = _chosen_transfers([want_id for _job, _state, want_id in rows])
    tracks: dict[uuid.UUID, list[TrackProgress]] = {job_id: [] for job_id in job_ids}
    for job_id, state, want_id in rows:
        tracks[job_id].append(_progress(TrackState(state), transfers.get(want_id)))
    return tracks


def _chosen_transfers(want_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Transfer]:
    states = sorted({*TRANSFER_LIVE, TransferState.ACCEPTED})
    rows = Transfer.objects.filter(want_id__in=list(want_ids), state__in=states)
    fields = ("want_id", "state", "role", "verified_bytes", "payload_bytes", "speed_bps")
    # Of two that are live the one that is further, as on the job's page; the accepted one before both.
    return {row.want_id: row for row in sorted(rows.only(*fields), key=_lead)}


def _lead(row: Transfer) -> tuple[bool, bool, float, bool]:
    share = row.verified_bytes / row.payload_bytes if row.payload_bytes else 0.0
    accepted, assembled = row.state == TransferState.ACCEPTED, row.state == TransferState.ASSEMBLED
    return (accepted, assembled, share, row.role == TransferRole.PRIMARY)


def _progress(state: TrackState, transfer: Transfer | None) -> TrackProgress:
    if transfer is None:
        return TrackProgress(state=state)
    return TrackProgress(
        state=state,
        payload_bytes=transfer.payload_bytes,
        verified_bytes=transfer.verified_bytes,
        speed_bps=transfer.speed_bps if transfer.state == TransferState.FETCHING else 0,
    )
