"""Releases that several trees want: one job fetches, the other trees' planned releases wait for it.

Such a line stays `wanted` with the reason `wanted_by_other` and a link. When the job completes, the line counts as held; when it ends otherwise, or is
gone, the line gets a child of its own. Only a job with the very same constraints counts: another one would fetch something else, or file it elsewhere.
A job that completed before the plan was made is not looked for: what the library holds of it says more.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import JOB_ENDED, JobState
from apps.domain.jobs.tree import WAITS_FOR_TURN
from apps.jobs.models import Job, JobKind, PlannedRelease, PlannedState
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_webhooks import job_events

WANTED_BY_OTHER: Final = "wanted_by_other"
FETCHED_BY_OTHER: Final = "fetched_by_other"
GIVEN_BACK: Final = "other_gave_up"
_LIVE: Final = (JobState.PENDING, JobState.RESOLVING, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Planned releases of a tree that other jobs fetch. `paused`: of these, those that nothing happens to now."""

    waiting: int = 0
    paused: int = 0


def jobs_sharing(parent: Job, targets: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Job]:
    """target → the oldest job outside of this tree that is on its way to that release with the tree's constraints."""
    rows = Job.objects.filter(kind=JobKind.MB_RELEASE, target_mbid__in=list(targets), state__in=_LIVE)
    rows = rows.filter(Q(parent=None) | ~Q(parent=parent.id)).exclude(parent__state=JobState.PAUSED)
    wishes = _wishes(parent)
    found: dict[uuid.UUID, Job] = {}
    for row in rows.order_by("created_at", "id"):
        if row.target_mbid not in found and _wishes(row) == wishes:
            found[row.target_mbid] = row
    return found


def elsewhere_settle(parent: Job) -> Elsewhere:
    """See how those jobs stand that the tree's lines wait for: what they completed is held, what they gave up gets a child. Inside a transaction that
    holds the parent's row."""
    lines = PlannedRelease.objects.filter(job=parent, state=PlannedState.WANTED, child=None, reason=WANTED_BY_OTHER)
    waiting = paused = 0
    back: list[PlannedRelease] = []
    for line in lines.select_related("other", "other__parent").order_by("position", "id"):
        other = line.other
        if other is not None and other.state == JobState.COMPLETED:
            line.state, line.reason = PlannedState.HELD, FETCHED_BY_OTHER
            line.save(update_fields=["state", "reason"])
        elif other is None or other.state in JOB_ENDED:
            back.append(line)
        else:
            waiting += 1
            paused += _paused(other)
    children_store(parent, back, reason=GIVEN_BACK)
    return Elsewhere(waiting=waiting, paused=paused)


def children_store(parent: Job, lines: Collection[PlannedRelease], *, reason: str = "") -> None:
    """Give these lines their children, each once. `reason`: what the lines say from now on, "" for what they said."""
    if not lines:
        return
    targets = [line.release_mbid for line in lines]
    there = set(Job.objects.filter(parent=parent, target_mbid__in=targets).values_list("target_mbid", flat=True))
    Job.objects.bulk_create(
        [_child(parent, line) for line in lines if line.release_mbid not in there], ignore_conflicts=True
    )
    children = {job.target_mbid: job for job in Job.objects.filter(parent=parent, target_mbid__in=targets)}
    for line in lines:
        line.child, line.other = children[line.release_mbid], None
        line.reason = reason or line.reason
    PlannedRelease.objects.bulk_update(lines, ["child", "other", "reason"])
    made = [job.id for target, job in children.items() if target not in there]
    manifest_mark(made)
    job_events(made, "job.created")


def trees_sharing(job_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Trees with lines that wait for one of these jobs."""
    lines = PlannedRelease.objects.filter(other__in=list(job_ids), state=PlannedState.WANTED)
    return set(lines.values_list("job_id", flat=True))


def waited_by_tree(job_id: uuid.UUID) -> bool:
    """The tree has lines that wait for other jobs."""
    return PlannedRelease.objects.filter(job=job_id, state=PlannedState.WANTED, reason=WANTED_BY_OTHER).exists()


def waits_elsewhere() -> Exists:
    """Condition on a tree's row: a line of it waits for a job that has not ended."""
    lines = PlannedRelease.objects.filter(job_id=OuterRef("id"), state=PlannedState.WANTED, reason=WANTED_BY_OTHER)
    return Exists(lines.filter(other__isnull=False).exclude(other__state__in=sorted(JOB_ENDED)))


def waited_in_vain() -> QuerySet[PlannedRelease]:
    """Lines that wait for a job that has ended or is gone."""
    lines = PlannedRelease.objects.filter(state=PlannedState.WANTED, reason=WANTED_BY_OTHER, child=None)
    return lines.filter(Q(other=None) | Q(other__state__in=sorted(JOB_ENDED)))


def _paused(other: Job) -> bool:
    held = other.state == JobState.PAUSED and other.code != WAITS_FOR_TURN
    return held or (other.parent is not None and other.parent.state == JobState.PAUSED)


def _wishes(job: Job) -> Constraints:
    return Constraints.from_json(job.constraints)


def _child(parent: Job, line: PlannedRelease) -> Job:
    return Job(
        kind=JobKind.MB_RELEASE,
        target_mbid=line.release_mbid,
        parent=parent,
        code=WAITS_FOR_TURN,
        constraints=parent.constraints,
        title=line.title,
        artist=line.artist,
        year=line.year,
        origin=parent.origin,
        requested_by_id=parent.requested_by_id,
    )
