"""Task: answer a find."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import discogs, musicbrainz
from workers.finding import find as answer


@shared_task(name=TaskName.FIND.value)
def find(find_id: str) -> None:
    """See workers.finding."""
    answer(uuid.UUID(find_id), musicbrainz=musicbrainz(), discogs=discogs())
