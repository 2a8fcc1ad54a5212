"""Task: ask Discogs for one thing, because a person wants it fresh. What is away now is asked for a few times more."""

from __future__ import annotations

import logging

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.domain.catalog.links import DiscogsKind
from workers.composition import discogs
from workers.gateways.errors import Permanent, Transient

log = logging.getLogger(__name__)

TRIES = 5
PAUSE_S = 60
"""What Discogs asks for when it is asked too often."""


@shared_task(
    name=TaskName.DISCOGS_FETCH.value, autoretry_for=(Transient,), max_retries=TRIES, default_retry_delay=PAUSE_S
)
def discogs_fetch(kind: str, number: int) -> None:
    """Keep what Discogs says now."""
    try:
        discogs().facts(DiscogsKind(kind), int(number), refresh=True)
    except Permanent as error:
        log.info("discogs: not fetched: %s %s code=%s", kind, number, error.code)
