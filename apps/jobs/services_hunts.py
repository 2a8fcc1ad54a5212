"""A job's hunt on Soulseek: opened with its wants, held, ended and begun again as the job is. What a hunt does is apps.soulseek's."""

from __future__ import annotations

import uuid

from django.db import transaction

from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TRACK_ENDED, JobState, TrackState
from apps.domain.soulseek.hunting import HuntPolicy, HuntTrack
from apps.jobs.models import Job, JobKind, JobTrack
from apps.soulseek.selectors_hunts import jobs_with_hunts
from apps.soulseek.services_hunt import hunt_open

LOOKED_AT = 200
"""Running jobs without a hunt that one look opens hunts for."""


def job_hunt_open(job: Job, *, policy: HuntPolicy) -> uuid.UUID | None:
    """Look for a running job's open tracks on Soulseek. Call it in the transaction that made its wants; repeating it changes nothing."""
    if not policy.hunting:
        return None
    rows = JobTrack.objects.filter(job_id=job.id).exclude(state__in=sorted(TRACK_ENDED)).exclude(want=None)
    tracks = [
        HuntTrack(
            recording=row.recording_mbid,
            title=row.title,
            disc=row.medium_position,
            position=row.position,
            artist=row.artist,
            length_ms=row.length_ms,
            want=row.want_id,
        )
        for row in rows.order_by("medium_position", "position")
    ]
    return hunt_open(
        job.id,
        kind="recording" if job.kind == JobKind.RECORDING else "release",
        title=job.title,
        artist=job.artist,
        year=job.year,
        release_mbid=job.release_mbid,
        tracks=tracks,
        constraints=Constraints.from_json(job.constraints),
        policy=policy,
        origin=job.origin,
        requested_by_id=job.requested_by_id,
    )


def hunts_put_right(policy: HuntPolicy) -> int:
    """Open hunts of running jobs that have none: they were resolved while there was no account. How many."""
    if not policy.hunting:
        return 0
    waiting = JobTrack.objects.filter(state=TrackState.WANTED, want__isnull=False, job__state=JobState.RUNNING)
    jobs = list(waiting.order_by().values_list("job_id", flat=True).distinct()[:2000])
    missing = [one for one in jobs if one not in jobs_with_hunts(jobs)][:LOOKED_AT]
    opened = 0
    for job in Job.objects.filter(id__in=missing, state=JobState.RUNNING):
        with transaction.atomic():
            opened += job_hunt_open(job, policy=policy) is not None
    return opened
