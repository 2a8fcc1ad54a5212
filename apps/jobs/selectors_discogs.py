"""Reads of jobs for releases that only Discogs has."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final

from django.db.models import Min

from apps.domain.jobs.lifecycle import JobState, TrackState
from apps.jobs.models import Job, TargetSource

MOST_JOBS: Final = 500


def discogs_number(job_id: uuid.UUID) -> int | None:
    """The Discogs release of a job; None for every job that MusicBrainz gave its id."""
    ref = Job.objects.filter(id=job_id, target_source=TargetSource.DISCOGS).values_list("target_ref", flat=True).first()
    return int(ref) if ref else None


def discogs_waiting(job_id: uuid.UUID) -> bool:
    """Whether tracks of a Discogs job wait for files of the library; one look-up."""
    rows = Job.objects.filter(id=job_id, target_source=TargetSource.DISCOGS)
    return rows.filter(tracks__state=TrackState.WANTED, tracks__want=None).exists()


def discogs_due(*, changed_at: datetime | None) -> list[uuid.UUID]:
    """Running Discogs jobs whose waiting tracks were last looked at before the library's last change, or never; the longest ago first."""
    rows = Job.objects.filter(target_source=TargetSource.DISCOGS, state=JobState.RUNNING)
    waiting = rows.filter(tracks__state=TrackState.WANTED, tracks__want=None)
    looked = (
        waiting.annotate(looked_at=Min("tracks__updated_at"))
        .values_list("id", "looked_at", "code")
        .order_by("looked_at", "id")
    )
    return [key for key, at, code in looked[:MOST_JOBS] if not code or (changed_at is not None and at <= changed_at)]
