"""What ended jobs leave behind elsewhere is forgotten."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.domain.jobs.lifecycle import JobState
from apps.jobs.models import Job
from apps.jobs.services_retention import job_limits_forget
from apps.transfers.models import RateLimit
from apps.transfers.services_limits import rate_limit_set

pytestmark = pytest.mark.django_db


def limited_job(state: JobState, *, ended_days_ago: int | None = None) -> str:
    ended = timezone.now() - timedelta(days=ended_days_ago) if ended_days_ago is not None else None
    job = Job.objects.create(kind="mb_release", target_mbid=uuid.uuid4(), state=state, ended_at=ended)
    rate_limit_set("job", str(job.id), "down", kbps=100)
    return str(job.id)


def test_only_limits_of_jobs_that_ended_long_ago_or_are_gone_are_forgotten() -> None:
    running = limited_job(JobState.RUNNING)
    lately = limited_job(JobState.FAILED, ended_days_ago=1)
    limited_job(JobState.COMPLETED, ended_days_ago=8)
    rate_limit_set("job", str(uuid.uuid4()), "down", kbps=100)
    rate_limit_set("global", "", "down", kbps=500)
    week_ago = timezone.now() - timedelta(days=7)
    assert job_limits_forget(ended_before=week_ago) == 2
    assert job_limits_forget(ended_before=week_ago) == 0
    assert set(RateLimit.objects.values_list("key", flat=True)) == {running, lately, ""}
