"""Task: move a file into the trash, back, or away for good."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers import trash


@shared_task(name=TaskName.TRASH_STEP.value)
def trash_step(trash_id: str) -> None:
    """See workers.trash."""
    trash.trash_step(uuid.UUID(trash_id))
