"""Expanding a job of jobs, as rows: a worker takes it, writes its plan and its children in batches, and lets it run.

Every batch is a transaction that first makes sure that the job is still this worker's. What is planned is not planned again, and a child is unique by
(parent, target): an expansion that was killed, or runs twice, makes the same rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.errors import Param
from apps.domain.jobs.lifecycle import JOB_MOVES, JobState
from apps.domain.jobs.plan import PlanLine
from apps.domain.jobs.selection import Selection
from apps.jobs.models import Job, PlannedRelease, PlannedState
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_resolve import ResolveClaim, resolve_claim
from apps.jobs.services_shared import WANTED_BY_OTHER, children_store, jobs_sharing
from apps.jobs.services_tree import tree_refresh
from apps.jobs.services_webhooks import job_event

BATCH = 50
"""Rows of one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandClaim:
    """A job of jobs that this worker holds. `own`: its lease, as of resolving."""

    own: ResolveClaim
    selection: Selection
    target_source: str
    target_ref: str
    title: str


def expand_claim(job_id: uuid.UUID, *, lease_s: int) -> ExpandClaim | None:
    """Take a job of jobs that waits and whose time has come; None if it is somebody else's, expanded, or not due yet."""
    own = resolve_claim(job_id, lease_s=lease_s, tree=True)
    if own is None:
        return None
    job = Job.objects.get(id=job_id)
    return ExpandClaim(
        own=own,
        selection=Selection.from_json(job.selection),
        target_source=job.target_source,
        target_ref=job.target_ref,
        title=job.title,
    )


def expand_named(claim: ExpandClaim, *, title: str) -> None:
    """Name the job after its artist or label, as soon as that is known."""
    if title and title != claim.title:
        with transaction.atomic():
            if _mine(claim).update(title=title[:1000], updated_at=Now()):
                manifest_mark([claim.own.job_id])
                ring(WEB_CHANNEL, f"job {claim.own.job_id}")


def planned_known(job_id: uuid.UUID) -> tuple[frozenset[uuid.UUID], frozenset[uuid.UUID]]:
    """Releases and groups that the job planned already; one query."""
    rows = list(PlannedRelease.objects.filter(job_id=job_id).values_list("release_mbid", "group_mbid"))
    return frozenset(release for release, _ in rows), frozenset(group for _, group in rows if group is not None)


def planned_store(claim: ExpandClaim, lines: Sequence[PlanLine]) -> bool:
    """Write some lines of the plan. False, and nothing written: the job is no longer this worker's."""
    with transaction.atomic():
        if not _mine(claim).select_for_update().exists():
            return False
        PlannedRelease.objects.bulk_create(
            [
                PlannedRelease(
                    job_id=claim.own.job_id,
                    position=line.position,
                    release_mbid=line.release_mbid,
                    group_mbid=line.group_mbid,
                    title=line.title[:1000],
                    artist=line.artist[:1000],
                    year=line.year[:4],
                    kind=line.kind[:40],
                    track_count=line.track_count,
                    weight=line.weight,
                    recommended=line.recommended,
                    state=PlannedState(line.state),
                    reason=line.reason,
                )
                for line in lines
            ],
            ignore_conflicts=True,
        )
    return True


def children_make(claim: ExpandClaim, *, limit: int = BATCH) -> int | None:
    """Make the next children of the plan, or note which other job fetches a release already; how many lines are settled so, 0 at the end of the plan.
    None: the job is no longer this worker's."""
    with transaction.atomic():
        parent = _mine(claim).select_for_update().first()
        if parent is None:
            return None
        wanted = PlannedRelease.objects.filter(job=parent, state=PlannedState.WANTED, child=None, other=None)
        lines = list(wanted.order_by("position", "id")[:limit])
        if not lines:
            return 0
        others = jobs_sharing(parent, [line.release_mbid for line in lines])
        for line in lines:
            if line.release_mbid in others:
                line.other, line.reason = others[line.release_mbid], WANTED_BY_OTHER
        PlannedRelease.objects.bulk_update([line for line in lines if line.other], ["other", "reason"])
        children_store(parent, [line for line in lines if not line.other])
        ring(WEB_CHANNEL, f"job {parent.id}")
    return len(lines)


def expand_done(claim: ExpandClaim, *, code: str = "", lacks: tuple[str, Mapping[str, Param]] = ("", {})) -> bool:
    """The job has all its children: it runs, and gives them their turns. `code`: what there is to say of its plan. `lacks`: code and params of what was
    missing in the list that it was planned from; that stays said. False: it is no longer this worker's."""
    with transaction.atomic():
        moved = advance(
            _mine(claim),
            moves=JOB_MOVES,
            to=JobState.RUNNING,
            code=code,
            params={},
            plan_code=lacks[0],
            plan_params=dict(lacks[1]),
            expanded_at=Now(),
            lease_until=None,
            next_step_at=None,
        )
        if not moved:
            return False
        manifest_mark([claim.own.job_id])
        job_event(claim.own.job_id, "job.resolved")
        ring(WEB_CHANNEL, f"job {claim.own.job_id}")
    # A kill here is found by the sweep: a running tree with turns free.
    tree_refresh(claim.own.job_id)
    return True


def expand_pause(claim: ExpandClaim, *, done: int, total: int) -> bool:
    """Give it back in the middle: the next task goes on at once. False: it is no longer this worker's."""
    with transaction.atomic():
        moved = advance(
            _mine(claim),
            moves=JOB_MOVES,
            to=JobState.PENDING,
            only_from=[JobState.RESOLVING],
            code="expanding",
            params={"done": done, "total": total},
            lease_until=None,
            next_step_at=Now(),
        )
        if moved:
            enqueue(TaskName.EXPAND_JOB, str(claim.own.job_id))
            ring(WEB_CHANNEL, f"job {claim.own.job_id}")
    return bool(moved)


def _mine(claim: ExpandClaim) -> QuerySet[Job]:
    return Job.objects.filter(id=claim.own.job_id, attempt=claim.own.attempt, state=JobState.RESOLVING)
