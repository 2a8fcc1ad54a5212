"""Task: forget what nobody needs any more."""

from __future__ import annotations

import logging

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.jobs.services_events import node_events_forget

log = logging.getLogger(__name__)


@shared_task(name=TaskName.RETENTION.value)
def retention() -> None:
    """Processed node events after a week."""
    log.info("retention: events=%s", node_events_forget())
