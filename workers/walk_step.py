"""Task: read on in a list of MusicBrainz."""

from __future__ import annotations

import time

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import musicbrainz
from workers.walks import walk


@shared_task(name=TaskName.WALK_STEP.value)
def walk_step(walk_id: int) -> None:
    """See workers.walks."""
    walk(int(walk_id), musicbrainz=musicbrainz(), clock=time.monotonic)
