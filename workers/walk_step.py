"""Tasks: read on in a list of MusicBrainz; let go on what waits for one that is at its end."""

from __future__ import annotations

import time
import uuid

from celery import shared_task

from apps.catalog.selectors_graph import graphs_ended
from apps.common.dispatch import TaskName
from apps.domain.catalog.walks import WalkKind
from apps.jobs.services_wake import trees_wake
from workers.composition import musicbrainz
from workers.walks import walk


@shared_task(name=TaskName.WALK_STEP.value)
def walk_step(walk_id: int) -> None:
    """See workers.walks."""
    walk(int(walk_id), musicbrainz=musicbrainz(), clock=time.monotonic)


@shared_task(name=TaskName.WALK_ENDED.value)
def walk_ended(kind: str, mbid: str) -> None:
    """A list is at its end. A hint: what waits for it looks by itself as well, every few seconds."""
    trees_wake(graphs_ended(WalkKind(kind), uuid.UUID(mbid)))
