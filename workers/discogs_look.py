"""Task: files of the library for tracks that only Discogs knows. One look into an index when no such job waits."""

from __future__ import annotations

import logging
import time

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.jobs.services_discogs import discogs_look as look

log = logging.getLogger(__name__)

BUDGET_S = 10.0
"""Of one run: a third of one worker at most, however many jobs wait while the library is scanned."""


@shared_task(name=TaskName.DISCOGS_LOOK.value)
def discogs_look() -> None:
    """See apps.jobs.services_discogs."""
    until = time.monotonic() + BUDGET_S
    if completed := look(going_on=lambda: time.monotonic() < until):
        log.info("discogs: tracks completed from the library: count=%s", completed)
