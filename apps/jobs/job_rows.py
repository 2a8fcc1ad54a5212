"""One job's row, as single jobs and trees move it alike."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.db.models.functions import Now

from apps.common.transitions import advance
from apps.domain.jobs.lifecycle import JOB_MOVES, JobState
from apps.jobs.models import Job
from apps.jobs.refusals import JobRefused, JobUnknown


def row_of(job_id: uuid.UUID) -> QuerySet[Job]:
    """The row, for a conditional UPDATE."""
    return Job.objects.filter(id=job_id)


def state_of(job_id: uuid.UUID) -> JobState:
    """Raises `job_unknown`."""
    state = row_of(job_id).values_list("state", flat=True).first()
    if state is None:
        raise JobUnknown("There is no such job.", job=str(job_id))
    return JobState(state)


def unmoved(job_id: uuid.UUID, *fine: JobState, action: str) -> JobState:
    """The state of a job that did not move: fine when it already is where it should be. Raises `job_unknown`, `job_ended`."""
    state = state_of(job_id)
    if state in fine:
        return state
    raise JobRefused(f"A job that is {state.value} can't be {action}.", code="job_ended", state=state.value)


def row_cancelled(job_id: uuid.UUID) -> bool:
    """A person ended it for good. False: it had ended."""
    moved = advance(
        row_of(job_id),
        moves=JOB_MOVES,
        to=JobState.CANCELLED,
        code="cancelled_by_person",
        params={},
        ended_at=Now(),
        next_step_at=None,
        lease_until=None,
    )
    return bool(moved)
