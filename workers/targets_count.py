"""Task: count anew what is held of targets that the library changed after. Bounded by time: what is left waits for the next run (the beat table)."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.utils import timezone

from apps.common.dispatch import TaskName
from apps.jobs.services_targets import targets_count as count

log = logging.getLogger(__name__)

BUDGET_S = 20.0


@shared_task(name=TaskName.TARGETS_COUNT.value)
def targets_count() -> None:
    """See the module. A few looks into indexes when nothing changed."""
    until, counted, some = time.monotonic() + BUDGET_S, 0, 1
    began = timezone.now()
    while some and time.monotonic() < until:
        some = count(now=began)
        counted += some
    if counted:
        log.info("targets counted: count=%s", counted)
