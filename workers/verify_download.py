"""Task: judge an assembled file and file it."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import verifier


@shared_task(name=TaskName.VERIFY_DOWNLOAD.value)
def verify_download(transfer_id: str) -> None:
    """See workers.verification."""
    verifier().verify(uuid.UUID(transfer_id))
