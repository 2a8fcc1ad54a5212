"""A job's hunt on Soulseek: opened with its wants, held, ended and begun again as the job is. What a hunt does is apps.soulseek's."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import transaction

from apps.catalog.selectors import release_facts
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import TRACK_ENDED, JobState, TrackState
from apps.domain.soulseek.hunting import MAX_TRACKS, HuntPolicy, HuntTarget, HuntTrack
from apps.jobs.models import Job, JobKind, JobTrack
from apps.soulseek.selectors_hunts import jobs_with_hunts
from apps.soulseek.services_hunt import HuntRefused, hunt_open
from apps.soulseek.services_wishlist import hunt_rehearse

LOOKED_AT = 200
"""Running jobs without a hunt that one look opens hunts for."""


def job_hunt_open(job: Job, *, policy: HuntPolicy) -> uuid.UUID | None:
    """Look for a running job's open tracks on Soulseek. Call it in the transaction that made its wants; repeating it changes nothing."""
    if not policy.hunting:
        return None
    rows = JobTrack.objects.filter(job_id=job.id).exclude(state__in=sorted(TRACK_ENDED)).exclude(want=None)
    tracks = [_track(row, want=row.want_id) for row in rows.order_by("medium_position", "position")]
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


def job_rehearse(job_id: uuid.UUID, *, lossless: bool = False) -> uuid.UUID | None:
    """A dry run for what a job asks for: the hunt that shows it. None: there is no such job. Raises HuntRefused `hunt_nothing_to_look_for` for a job without
    tracks (of jobs, or not resolved yet)."""
    job = Job.objects.filter(id=job_id).first()
    if job is None:
        return None
    rows = list(JobTrack.objects.filter(job_id=job_id).order_by("medium_position", "position"))
    if not rows:
        raise HuntRefused("This job has no tracks (yet).", code="hunt_nothing_to_look_for")
    target = HuntTarget(
        kind="recording" if job.kind == JobKind.RECORDING else "release",
        artist=job.artist,
        title=job.title,
        year=job.year,
        release=job.release_mbid,
        tracks=tuple(_track(row) for row in rows[:MAX_TRACKS]),
    )
    wishes = Constraints.from_json(job.constraints)
    return hunt_rehearse(target, title=f"{job.artist} – {job.title}", constraints=_wishes(wishes, lossless=lossless))


def release_rehearse(mbid: uuid.UUID, *, lossless: bool = False) -> uuid.UUID:
    """A dry run for a release of the catalogue. Raises HuntRefused `hunt_nothing_to_look_for` when its tracks are not known here."""
    facts = release_facts(mbid, fresh_for=None)
    if facts is None:
        raise HuntRefused(
            "This release is not known here; find it first.", code="hunt_nothing_to_look_for", release=str(mbid)
        )
    target = HuntTarget(
        kind="release",
        artist=facts.artist_credit,
        title=facts.title,
        year=facts.year,
        release=facts.mbid,
        tracks=tuple(
            HuntTrack(
                recording=track.recording.mbid,
                title=track.title,
                disc=medium.position,
                position=track.position,
                artist=track.artist_credit,
                length_ms=track.length_ms,
            )
            for medium, track in facts.tracks()
        ),
    )
    title = f"{facts.artist_credit} – {facts.title}"
    return hunt_rehearse(target, title=title, constraints=_wishes(Constraints(), lossless=lossless))


def _track(row: JobTrack, *, want: uuid.UUID | None = None) -> HuntTrack:
    return HuntTrack(
        recording=row.recording_mbid,
        title=row.title,
        disc=row.medium_position,
        position=row.position,
        artist=row.artist,
        length_ms=row.length_ms,
        want=want,
    )


def _wishes(wishes: Constraints, *, lossless: bool) -> Constraints:
    return replace(wishes, allow_lossy=False, max_lossy_tracks_per_album=None) if lossless else wishes
