"""What can go wrong with a link, as errors a person can be told about. Protocol violations have their own family (``protocol.errors``)."""

from __future__ import annotations

from typing import ClassVar

from apps.domain.errors import DomainError


class LinkError(DomainError):
    """A link could not be made, or did not do what it was asked."""

    default_code: ClassVar[str] = "link_error"


class DialError(LinkError):
    """No link came of a dial. Codes: address_refused, banned, too_many_links, connect_failed, tls_failed, tls_timeout, other_protocol,
    wrong_peer, self_connection, stopped, or the reason code with which the peer said bye."""

    default_code: ClassVar[str] = "dial_failed"


class RequestFailed(LinkError):  # reads as the fact it states
    """A request on a link got no answer. Codes: link_closed, request_timeout, or the code of the peer's ``error``."""

    default_code: ClassVar[str] = "request_failed"

    def __init__(
        self, sentence: str, *, code: str | None = None, retryable: bool = True, retry_after_s: int | None = None
    ) -> None:
        super().__init__(sentence, code=code, retryable=retryable)
        self.retry_after_s = retry_after_s
