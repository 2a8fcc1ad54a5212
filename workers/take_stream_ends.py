"""Task: take in the ends of downloads from Soulseek."""

from __future__ import annotations

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.soulseek.services_download_ends import ends_take


@shared_task(name=TaskName.TAKE_STREAM_ENDS.value)
def take_stream_ends() -> None:
    """See apps.soulseek.services_download_ends. Started by every end and, should a message get lost, every five seconds."""
    ends_take()
