"""Task: match the folders that wait. Bounded by time; what is left waits for the next message, and a lost one costs seconds (the beat table)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from celery import shared_task

from apps.common.dispatch import TaskName, enqueue
from apps.library.selectors_match import folders_due, folders_outdated
from apps.library.services_match import outdated_pending
from workers.composition import musicbrainz
from workers.gateways.musicbrainz import MusicbrainzPort
from workers.matching import match_folder

log = logging.getLogger(__name__)

BUDGET_S = 30.0
"""Of one run: far below the five minutes a task may take. A folder that needs MusicBrainz takes a few seconds."""
_LOOKED_AT = 50


@shared_task(name=TaskName.MATCH_FOLDERS.value)
def match_folders() -> None:
    """See the module."""
    _done, more = match_due(musicbrainz=musicbrainz(), clock=time.monotonic)
    if more:
        enqueue(TaskName.MATCH_FOLDERS)


def match_due(
    *, musicbrainz: MusicbrainzPort | None, clock: Callable[[], float], budget_s: float = BUDGET_S
) -> tuple[int, bool]:
    """Match what is due until the time is used up: (folders decided, whether more wait). When nothing waits, folders of older rules are put back."""
    until = clock() + budget_s
    decided = after = 0
    while due := folders_due(limit=_LOOKED_AT, after_id=after):
        for match_id in due:
            if clock() >= until:
                return decided, True
            after = match_id
            decided += match_folder(match_id, musicbrainz=musicbrainz) is True
    # Discs of a set put their siblings back, which may lie behind: they are the next message's.
    more = bool(folders_due(limit=1)) or outdated_pending(folders_outdated(limit=_LOOKED_AT)) > 0
    if decided:
        log.info("folders matched: decided=%s", decided)
    return decided, more
