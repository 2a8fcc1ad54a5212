"""What a gateway to somebody else's service raises: nothing but these two, each with a stable code (apps.domain.jobs.sentences)."""

from __future__ import annotations

from typing_extensions import override

from apps.domain.errors import DomainError, Param


class Transient(DomainError):
    """The same request may succeed later. `retry_after_s`: when the service (or our limiter) said so; None: it said nothing."""

    default_code = "service_unavailable"

    @override
    def __init__(
        self, sentence: str, *, code: str | None = None, retry_after_s: float | None = None, **params: Param
    ) -> None:
        super().__init__(sentence, code=code, retryable=True, **params)
        self.retry_after_s = retry_after_s


class Permanent(DomainError):
    """The same request will fail again."""

    default_code = "service_refused"
