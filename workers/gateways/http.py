"""What the HTTP gateways share: reading a body with a bound and a deadline, and Retry-After."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_BODY_BYTES = 32 << 20
"""The largest real release lookups have about 6 MiB."""
_READ_BYTES = 64 << 10


class BodyTooLong(Exception):
    """More than is taken."""


def read_bounded(read: Callable[[int], bytes], *, deadline: float, most: int = MAX_BODY_BYTES) -> bytes:
    """Everything `read` gives. Raises BodyTooLong beyond `most` bytes, and TimeoutError once time.monotonic() passes `deadline`: a service that trickles
    one byte a second never trips a socket's own timeout."""
    parts: list[bytes] = []
    total = 0
    while block := read(_READ_BYTES):
        parts.append(block)
        total += len(block)
        if total > most:
            raise BodyTooLong
        if time.monotonic() > deadline:
            raise TimeoutError("the answer took too long")
    return b"".join(parts)


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3: seconds or a date); None for none or nonsense."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), 86_400))
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max((when - datetime.now(UTC)).total_seconds(), 0.0), 86_400.0)
