"""Task: look at the beginning of a file that is still being fetched."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import verifier
from workers.sampling import sample


@shared_task(name=TaskName.SAMPLE_DOWNLOAD.value)
def sample_download(transfer_id: str) -> None:
    """See workers.sampling."""
    sample(uuid.UUID(transfer_id), verifier())
