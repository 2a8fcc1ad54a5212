"""Task: files of the library for tracks that only Discogs knows. One look into an index when no such job waits."""

from __future__ import annotations

import logging

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.jobs.services_discogs import discogs_look as look

log = logging.getLogger(__name__)


@shared_task(name=TaskName.DISCOGS_LOOK.value)
def discogs_look() -> None:
    """See apps.jobs.services_discogs."""
    if completed := look():
        log.info("discogs: tracks completed from the library: count=%s", completed)
