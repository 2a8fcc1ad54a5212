"""What a person can do to a job, by name: the same four for API, pages and admin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

from apps.domain.jobs.lifecycle import JobState
from apps.jobs import services

ACTIONS: Mapping[str, Callable[[uuid.UUID], JobState]] = {
    "pause": services.job_pause,
    "resume": services.job_resume,
    "cancel": services.job_cancel,
    "retry": services.job_retry,
}

UNDO: Mapping[str, str] = {"pause": "resume", "resume": "pause", "cancel": "retry"}
"""The act that takes another back."""
