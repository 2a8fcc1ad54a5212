"""Task: judge an assembled file and file it."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import verifier
from workers.remediate import remediations_hint


@shared_task(name=TaskName.VERIFY_DOWNLOAD.value)
def verify_download(transfer_id: str) -> None:
    """See workers.verification. Fixes that waited for the file go on at once."""
    verifier().verify(uuid.UUID(transfer_id))
    remediations_hint()
