"""Task: fetch a job's tracklist."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.common.dispatch import TaskName
from workers.composition import canonical_policy, discogs, hunt_policy, musicbrainz
from workers.resolution import resolve


@shared_task(name=TaskName.RESOLVE_JOB.value)
def resolve_job(job_id: str) -> None:
    """See workers.resolution."""
    resolve(
        uuid.UUID(job_id),
        musicbrainz=musicbrainz(),
        discogs=discogs(),
        policy=canonical_policy(),
        hunting=hunt_policy(),
    )
