"""Fresh ids with the machine's clock and randomness."""

from __future__ import annotations

import secrets
import time
import uuid

from apps.domain.ids import uuid7


def new_id() -> uuid.UUID:
    """A fresh UUIDv7."""
    return uuid7(unix_ms=time.time_ns() // 1_000_000, random_bytes=secrets.token_bytes(10))
