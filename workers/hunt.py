"""Tasks: a step of a hunt; and the net under them, which finds hunts that are due or whose search is over."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.jobs.services_hunts import hunts_put_right
from apps.soulseek.selectors_hunt_step import hunts_due as due
from workers.composition import hunt_policy
from workers.hunting import step
from workers.sweep import send_again


@shared_task(name=TaskName.HUNT_STEP.value)
def hunt_step(hunt_id: str) -> None:
    """See workers.hunting."""
    step(uuid.UUID(hunt_id), policy=hunt_policy())


@shared_task(name=TaskName.HUNTS_DUE.value)
def hunts_due() -> None:
    """Send the steps of hunts that have something to do, and open hunts of jobs that have none."""
    policy = hunt_policy()
    hunts_put_right(policy)
    if policy.hunting:
        for hunt_id, attempt in due():
            send_again(TaskName.HUNT_STEP, hunt_id, attempt)
