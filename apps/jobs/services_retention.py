"""Forgetting what ended jobs left behind elsewhere."""

from __future__ import annotations

import uuid
from datetime import datetime

from apps.domain.jobs.lifecycle import JOB_ENDED
from apps.jobs.models import Job
from apps.transfers.selectors_limits import rate_limited_jobs
from apps.transfers.services_limits import rate_limits_of_jobs_forget


def job_limits_forget(*, ended_before: datetime) -> int:
    """Rate limits of jobs that ended before then or are gone; number of rows deleted. (One that is retried sooner keeps its limit.)"""
    limited = {uuid.UUID(key): key for key in rate_limited_jobs()}
    known = set(Job.objects.filter(id__in=limited).values_list("id", flat=True))
    ended = Job.objects.filter(id__in=limited, state__in=sorted(JOB_ENDED), ended_at__lt=ended_before)
    gone = {*(limited.keys() - known), *ended.values_list("id", flat=True)}
    return rate_limits_of_jobs_forget([limited[one] for one in gone])
