"""What is refused to whoever asks for jobs."""

from __future__ import annotations

from apps.domain.errors import DomainError


class JobUnknown(DomainError):
    """No job has this id."""

    default_code = "job_unknown"


class JobRefused(DomainError):
    """A request for a job that can't be taken."""

    default_code = "job_refused"
