"""Task: forget what nobody needs any more."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.common.dispatch import TaskName
from apps.jobs.services_events import node_events_forget
from apps.jobs.services_retention import job_limits_forget
from apps.peers.services import peers_forget
from apps.transfers.traces import traces_sweep

log = logging.getLogger(__name__)

STRANGERS_STAY = timedelta(days=30)
LIMITS_STAY = timedelta(days=7)


@shared_task(name=TaskName.RETENTION.value)
def retention() -> None:
    """Processed node events and limits of ended jobs after a week, strangers among peers after a month, traces as `swarm.tracing` says."""
    now = timezone.now()
    log.info(
        "retention: events=%s peers=%s limits=%s traces=%s",
        node_events_forget(),
        peers_forget(unseen_since=now - STRANGERS_STAY),
        job_limits_forget(ended_before=now - LIMITS_STAY),
        traces_sweep(now=now),
    )
