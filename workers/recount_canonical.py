"""Task: score what an older scale scored, and count again the statistics that a change made stale.

Bounded by time: what is left waits for the next run (the beat table), and a message that was lost costs seconds. Two at once do no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from celery import shared_task

from apps.common.dispatch import TaskName
from apps.library.services_canonical import recount_due, variants_rescore
from workers.composition import canonical_policy

log = logging.getLogger(__name__)

BUDGET_S = 20.0
"""Of one run: far below the five minutes a task may take, so that others get their turn."""
BATCH = 200


@shared_task(name=TaskName.RECOUNT_CANONICAL.value)
def recount_canonical() -> None:
    """See the module. Nothing happens while audio.canonical_scoring.enabled is false."""
    if canonical_policy().enabled:
        recount(clock=time.monotonic)


def recount(*, clock: Callable[[], float], budget_s: float = BUDGET_S) -> tuple[int, int]:
    """Score and count until nothing waits or the time is used up; returns how many variants and subjects."""
    until = clock() + budget_s
    scored = counted = 0
    while (some := variants_rescore(limit=BATCH)) and clock() < until:
        scored += some
    scored += some
    more = True
    while more and clock() < until:
        done = recount_due(limit=BATCH)
        counted += done.recordings + done.releases
        more = done.more
    if scored or counted:
        log.info("canonical statistics: scored=%s counted=%s more=%s", scored, counted, more)
    return scored, counted
