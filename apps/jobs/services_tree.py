"""Jobs of jobs as rows: a tree is paused, resumed, cancelled and retried with its children, and gives them their turns.

Whoever ends, stops or wakes a child calls `tree_touched` in its transaction; the tree looks after the commit, in a transaction of its own, so that a
child never waits for its parent's row. What a killed process left undone the sweep finds (`trees_put_right`). Locks are taken from the parent
downwards everywhere.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Iterator, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.jobs.lifecycle import (
    JOB_ENDED,
    JOB_MOVES,
    TRACK_ENDED,
    TRACK_MOVES,
    JobState,
    TrackState,
    WantDesired,
)
from apps.domain.jobs.tree import (
    ASKED_AGAIN,
    CANCELLED_WITH_TREE,
    CHILDREN_PAUSED,
    PAUSED_WITH_TREE,
    TREE_KINDS,
    WAITS_FOR_TURN,
    tree_outcome,
    turns_free,
)
from apps.domain.jobs.verdicts import REVOCABLE
from apps.jobs.job_rows import row_cancelled, row_of, state_of, unmoved
from apps.jobs.models import Job, JobTrack, PlannedRelease, PlannedState
from apps.jobs.refusals import JobRefused
from apps.jobs.services_manifest import manifest_mark
from apps.jobs.services_shared import (
    Elsewhere,
    elsewhere_settle,
    trees_sharing,
    waited_by_tree,
    waited_in_vain,
    waits_elsewhere,
)
from apps.jobs.services_webhooks import job_event, job_events
from apps.soulseek.services_hunt import hunts_again, hunts_follow
from apps.transfers.services import denials_revoke, wants_move

SLICE = 500
"""Ids in one statement."""
BATCH = 500
"""Trees that one sweep puts right."""
WAITING = Q(state=JobState.PENDING, next_step_at=None) | Q(state=JobState.PAUSED, code=WAITS_FOR_TURN)
"""Children that wait for their turn."""
UNDER_WAY = Q(state=JobState.PENDING, next_step_at__isnull=False) | Q(state__in=[JobState.RESOLVING, JobState.RUNNING])
"""Children that had their turn and have not ended."""
_RESOLVED = Exists(JobTrack.objects.filter(job_id=OuterRef("id")))
_EVENTS = {
    JobState.COMPLETED: "job.completed",
    JobState.PARTIAL: "job.partial",
    JobState.FAILED: "job.failed",
    JobState.CANCELLED: "job.cancelled",
}


def is_tree(job_id: uuid.UUID) -> bool:
    """It is a job of jobs."""
    return Job.objects.filter(id=job_id, kind__in=TREE_KINDS).exists()


def tree_touched(job_id: uuid.UUID) -> None:
    """A job ended, stopped or woke up: if it is a child, its parent looks after it once the transaction has committed."""
    parent_id = Job.objects.filter(id=job_id).values_list("parent_id", flat=True).first()
    if parent_id is not None:
        transaction.on_commit(functools.partial(tree_refresh, parent_id), robust=True)
    _sharing_touched([job_id])


def tree_refresh(parent_id: uuid.UUID) -> JobState | None:
    """Recount an expanded tree from its children, end it or wake it again by rule, and give free turns to the next of them. Safe to repeat.

    Returns its state; None when there is no such tree.
    """
    with transaction.atomic():
        parent = Job.objects.select_for_update().filter(id=parent_id, kind__in=TREE_KINDS).first()
        if parent is None:
            return None
        state = JobState(parent.state)
        if parent.expanded_at is None or state in (JobState.PAUSED, JobState.COMPLETED):
            return state
        elsewhere = Elsewhere() if state is JobState.CANCELLED else elsewhere_settle(parent)
        counts = _children_by_state(parent_id)
        waiting = parent.children.filter(state=JobState.PAUSED, code=WAITS_FOR_TURN).count()
        held = PlannedRelease.objects.filter(job_id=parent_id, state=PlannedState.HELD).count()
        outcome = tree_outcome(
            counts, held=held, waiting=waiting, elsewhere=elsewhere.waiting, elsewhere_paused=elsewhere.paused
        )
        if outcome.state is JobState.RUNNING:
            _run_on(parent, state, code=outcome.code, params=dict(outcome.params))
            _turns(parent_id)
        elif state is JobState.RUNNING:
            advance(
                row_of(parent_id),
                moves=JOB_MOVES,
                to=outcome.state,
                only_from=[JobState.RUNNING],
                code=outcome.code,
                params=dict(outcome.params),
                ended_at=Now(),
                next_step_at=None,
                lease_until=None,
            )
            manifest_mark([parent_id])
            job_event(parent_id, _EVENTS[outcome.state])
        # Its figures changed even where its state did not.
        ring(WEB_CHANNEL, f"job {parent_id}")
        return outcome.state if state is JobState.RUNNING else state_of(parent_id)


def tree_pause(job_id: uuid.UUID) -> JobState:
    """Hold the tree and those of its children that are under way. A child that is paused already is left as it is. Raises `job_unknown`, `job_ended`."""
    with transaction.atomic():
        if not advance(row_of(job_id), moves=JOB_MOVES, to=JobState.PAUSED, lease_until=None):
            return unmoved(job_id, JobState.PAUSED, action="paused")
        children = _ids(_children(job_id).filter(UNDER_WAY))
        _wants(children, desired=WantDesired.PAUSED)
        advance(
            Job.objects.filter(id__in=children),
            moves=JOB_MOVES,
            to=JobState.PAUSED,
            code=PAUSED_WITH_TREE,
            params={},
            lease_until=None,
        )
        _sharing_touched(children)
        manifest_mark([job_id, *children])
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.PAUSED


def tree_resume(job_id: uuid.UUID) -> JobState:
    """Go on with a paused tree and with the children that it paused; what a person paused by itself stays. Raises `job_unknown`, `job_ended`."""
    with transaction.atomic():
        expanded = _expanded(job_id)
        moved = advance(
            row_of(job_id),
            moves=JOB_MOVES,
            to=JobState.RUNNING if expanded else JobState.PENDING,
            only_from=[JobState.PAUSED],
            next_step_at=None if expanded else Now(),
        )
        if not moved:
            return unmoved(job_id, JobState.PENDING, JobState.RESOLVING, JobState.RUNNING, action="resumed")
        paused = _children(job_id).filter(state=JobState.PAUSED, code=PAUSED_WITH_TREE)
        _go_on(_ids(paused))
        manifest_mark([job_id])
        if not expanded:
            enqueue(TaskName.EXPAND_JOB, str(job_id))
        ring(WEB_CHANNEL, f"job {job_id}")
    return tree_refresh(job_id) or JobState.PENDING


def tree_cancel(job_id: uuid.UUID) -> JobState:
    """End the tree and all of its children that have not ended; finished files stay. Raises `job_unknown`, `job_ended`."""
    with transaction.atomic():
        if not row_cancelled(job_id):
            return unmoved(job_id, JobState.CANCELLED, action="cancelled")
        children = _ids(_children(job_id).exclude(state__in=sorted(JOB_ENDED)))
        _wants(children, desired=WantDesired.CANCELLED)
        for some in _slices(children):
            advance(
                JobTrack.objects.filter(job_id__in=some),
                moves=TRACK_MOVES,
                to=TrackState.CANCELLED,
                code=CANCELLED_WITH_TREE,
                params={},
                next_step_at=None,
            )
            advance(
                Job.objects.filter(id__in=some),
                moves=JOB_MOVES,
                to=JobState.CANCELLED,
                code=CANCELLED_WITH_TREE,
                params={},
                ended_at=Now(),
                next_step_at=None,
                lease_until=None,
            )
        _sharing_touched(children)
        manifest_mark([job_id, *children])
        for some in _slices([job_id, *children]):
            job_events(some, "job.cancelled")
        ring(WEB_CHANNEL, f"job {job_id}")
    return JobState.CANCELLED


def tree_retry(job_id: uuid.UUID) -> JobState:
    """Try again what failed: the expansion, or the children that failed, were incomplete, or were cancelled with the tree. They wait for their turns.

    A child that a person cancelled by itself stays cancelled. Raises `job_unknown`, `job_not_retryable`.
    """
    with transaction.atomic():
        state, expanded = state_of(job_id), _expanded(job_id)
        bad = Q(state__in=[JobState.FAILED, JobState.PARTIAL]) | Q(state=JobState.CANCELLED, code=CANCELLED_WITH_TREE)
        children = _ids(_children(job_id).filter(bad))
        again = state in (JobState.FAILED, JobState.CANCELLED) and not expanded
        again = again or (state is JobState.CANCELLED and waited_by_tree(job_id))
        if state is JobState.COMPLETED or (not children and not again):
            raise JobRefused("Nothing of this job failed.", code="job_not_retryable", state=state.value)
        for some in _slices(children):
            _retry_waiting(some)
        if state in JOB_ENDED:
            advance(
                row_of(job_id),
                moves=JOB_MOVES,
                to=JobState.RUNNING if expanded else JobState.PENDING,
                code="" if expanded else ASKED_AGAIN,
                params={},
                ended_at=None,
                next_step_at=None if expanded else Now(),
                lease_until=None,
            )
            if not expanded:
                enqueue(TaskName.EXPAND_JOB, str(job_id))
        manifest_mark([job_id, *children])
        ring(WEB_CHANNEL, f"job {job_id}")
    tree_refresh(job_id)
    return state_of(job_id)


def child_turn_checked(job_id: uuid.UUID) -> None:
    """A person woke this job: a child of a tree that is paused, or has no turn free, waits for its turn instead. Call inside the transaction."""
    row = Job.objects.filter(id=job_id, parent__isnull=False).values_list("parent_id", "parent__state").first()
    if row is None:
        return
    parent_id, parent_state = row
    under_way = _children(parent_id).filter(UNDER_WAY).exclude(id=job_id).count()
    if parent_state == JobState.PAUSED or not turns_free(under_way=under_way, max_open=_max_open()):
        _wants([job_id], desired=WantDesired.PAUSED)
        advance(
            row_of(job_id),
            moves=JOB_MOVES,
            to=JobState.PAUSED,
            only_from=[JobState.RUNNING],
            code=WAITS_FOR_TURN,
            params={},
        )
        row_of(job_id).filter(state=JobState.PENDING).update(
            next_step_at=None, code=WAITS_FOR_TURN, params={}, updated_at=Now()
        )


def trees_put_right() -> int:
    """Repair what no message will: trees whose children have all ended, that have turns free and children waiting, or that ended while a child runs
    again. Returns how many were looked at."""
    open_children = Job.objects.filter(parent_id=OuterRef("id")).exclude(state__in=sorted(JOB_ENDED))
    trees = Job.objects.filter(kind__in=TREE_KINDS, expanded_at__isnull=False)
    over = trees.filter(~Exists(open_children), ~waits_elsewhere(), state=JobState.RUNNING)
    given_up = waited_in_vain().filter(job__state=JobState.RUNNING, job__expanded_at__isnull=False)
    starving = (
        Job.objects.filter(parent__state=JobState.RUNNING, parent__expanded_at__isnull=False)
        .exclude(state__in=sorted(JOB_ENDED))
        .order_by()
        .values("parent_id")
        .annotate(under_way=Count("id", filter=UNDER_WAY), waiting=Count("id", filter=WAITING))
        .filter(waiting__gt=0, under_way__lt=_max_open())
    )
    woken = trees.filter(Exists(open_children), state__in=[JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED])
    found = {
        *over.values_list("id", flat=True)[:BATCH],
        *starving.values_list("parent_id", flat=True)[:BATCH],
        *woken.values_list("id", flat=True)[:BATCH],
        *given_up.values_list("job_id", flat=True)[:BATCH],
    }
    for job_id in sorted(found):
        tree_refresh(job_id)
    return len(found)


def tree_adopt(job_id: uuid.UUID) -> JobState:
    """A tree whose children were made by others (an import): it is expanded as it stands, and runs. Call after the last child was made.

    Raises `job_unknown`, and `job_refused` when it was begun already.
    """
    with transaction.atomic():
        fresh = row_of(job_id).filter(kind__in=TREE_KINDS, state=JobState.PENDING, expanded_at=None)
        for step in (JobState.RESOLVING, JobState.RUNNING):
            if not advance(fresh, moves=JOB_MOVES, to=step):
                raise JobRefused("Only a job of jobs that was not begun takes children.", state=state_of(job_id).value)
            fresh = row_of(job_id)
        row_of(job_id).update(expanded_at=Now(), started_at=Now(), next_step_at=None, code="", params={})
        manifest_mark([job_id])
    return tree_refresh(job_id) or JobState.RUNNING


def _sharing_touched(job_ids: Sequence[uuid.UUID]) -> None:
    """Trees whose releases these jobs fetch look after them once the transaction has committed."""
    for tree_id in {tree for some in _slices(job_ids) for tree in trees_sharing(some)}:
        transaction.on_commit(functools.partial(tree_refresh, tree_id), robust=True)


def _run_on(parent: Job, state: JobState, *, code: str, params: dict[str, object]) -> None:
    if state is JobState.RUNNING:
        # A code of another kind (where a crate comes from) stays until there is something to say.
        if (code or parent.code == CHILDREN_PAUSED) and (parent.code, parent.params) != (code, params):
            row_of(parent.id).filter(state=JobState.RUNNING).update(code=code, params=params, updated_at=Now())
        return
    advance(
        row_of(parent.id),
        moves=JOB_MOVES,
        to=JobState.RUNNING,
        only_from=[JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED],
        code=code,
        params=params,
        ended_at=None,
    )
    manifest_mark([parent.id])


def _turns(parent_id: uuid.UUID) -> None:
    """Give free turns to the next waiting children, in the order of the plan."""
    free = turns_free(under_way=_children(parent_id).filter(UNDER_WAY).count(), max_open=_max_open())
    if free:
        waiting = _children(parent_id).filter(WAITING)
        ranked = waiting.order_by(F("planned_release__position").asc(nulls_last=True), "created_at", "id")
        _go_on(list(ranked.values_list("id", flat=True)[:free]))


def _go_on(ids: Sequence[uuid.UUID]) -> None:
    """Waiting or paused children go on where they were: with their tracks, or with being resolved."""
    for some in _slices(ids):
        rows = Job.objects.filter(id__in=some)
        resolved = _ids(rows.filter(_RESOLVED))
        fresh = [one for one in some if one not in set(resolved)]
        advance(
            Job.objects.filter(id__in=resolved),
            moves=JOB_MOVES,
            to=JobState.RUNNING,
            only_from=[JobState.PAUSED],
            code="",
            params={},
            next_step_at=None,
        )
        _wants(resolved, desired=WantDesired.ACTIVE)
        advance(
            Job.objects.filter(id__in=fresh),
            moves=JOB_MOVES,
            to=JobState.PENDING,
            only_from=[JobState.PAUSED],
            code="",
            params={},
            next_step_at=Now(),
        )
        waiting = Job.objects.filter(id__in=fresh, state=JobState.PENDING, next_step_at=None)
        waiting.update(next_step_at=Now(), code="", params={}, updated_at=Now())
        manifest_mark(some)
        for one in fresh:
            enqueue(TaskName.RESOLVE_JOB, str(one))
        for one in some:
            ring(WEB_CHANNEL, f"job {one}")


def _retry_waiting(ids: Sequence[uuid.UUID]) -> None:
    """Children that ended badly wait for another turn, with their failed tracks as wanted again."""
    failed = JobTrack.objects.filter(job_id__in=ids, state__in=[TrackState.FAILED, TrackState.CANCELLED])
    wants = list(failed.exclude(want=None).values_list("want_id", flat=True))
    recordings = list(failed.values_list("recording_mbid", flat=True))
    advance(
        failed,
        moves=TRACK_MOVES,
        to=TrackState.WANTED,
        code="",
        params={},
        next_step_at=None,
        lease_until=None,
        verification="",
        placed_path="",
        file_sha256=None,
    )
    for part in _slices(recordings):
        denials_revoke(part, codes=REVOCABLE)
    for part in _slices(wants):
        wants_move(part, desired=WantDesired.ACTIVE)
        wants_move(part, desired=WantDesired.PAUSED)
    for part in _slices(list(ids)):
        hunts_again(part)
        hunts_follow(part, WantDesired.PAUSED)
    resolved = _ids(Job.objects.filter(_RESOLVED, id__in=ids))
    fresh = Job.objects.filter(id__in=ids).exclude(id__in=resolved)
    advance(Job.objects.filter(id__in=resolved), moves=JOB_MOVES, to=JobState.RUNNING, ended_at=None, lease_until=None)
    advance(
        Job.objects.filter(id__in=resolved), moves=JOB_MOVES, to=JobState.PAUSED, code=WAITS_FOR_TURN, params={},
        next_step_at=None,
    )  # fmt: skip
    advance(
        fresh, moves=JOB_MOVES, to=JobState.PENDING, code=WAITS_FOR_TURN, params={}, ended_at=None, next_step_at=None,
        lease_until=None,
    )  # fmt: skip


def _wants(job_ids: Collection[uuid.UUID], *, desired: WantDesired) -> None:
    """Move the wants of these jobs' open tracks."""
    for some in _slices(list(job_ids)):
        tracks = JobTrack.objects.filter(job_id__in=some).exclude(state__in=sorted(TRACK_ENDED)).exclude(want=None)
        for part in _slices(list(tracks.values_list("want_id", flat=True))):
            wants_move(part, desired=desired)
        hunts_follow(some, desired)


def _children_by_state(parent_id: uuid.UUID) -> dict[JobState, int]:
    rows = _children(parent_id).order_by().values("state").annotate(count=Count("id"))
    return {JobState(row["state"]): row["count"] for row in rows}


def _max_open() -> int:
    limit: int = settings.CONFIG.jobs.max_open_children
    return limit


def _children(job_id: uuid.UUID) -> QuerySet[Job]:
    return Job.objects.filter(parent_id=job_id)


def _ids(rows: QuerySet[Job]) -> list[uuid.UUID]:
    return list(rows.order_by("id").values_list("id", flat=True))


def _slices(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for at in range(0, len(ids), SLICE):
        yield ids[at : at + SLICE]


def _expanded(job_id: uuid.UUID) -> bool:
    return Job.objects.filter(id=job_id, expanded_at__isnull=False).exists()
