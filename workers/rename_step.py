"""Task: work out new names, rename files, or put them back."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers import renaming


@shared_task(name=TaskName.RENAME_STEP.value)
def rename_step(renaming_id: str) -> None:
    """See workers.renaming."""
    renaming.rename_step(uuid.UUID(renaming_id))
