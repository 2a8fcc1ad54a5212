"""UUIDv7 (RFC 9562 §5.7): ids that the public sees and that sort by time of making."""

from __future__ import annotations

import uuid


def uuid7(*, unix_ms: int, random_bytes: bytes) -> uuid.UUID:
    """A version 7 UUID of a time in ms since 1970 and ten random bytes; pure, so that tests can pin it."""
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError(unix_ms)
    if len(random_bytes) != 10:
        raise ValueError(len(random_bytes))
    tail = int.from_bytes(random_bytes)
    value = unix_ms << 80 | 0x7 << 76 | (tail >> 68) << 64 | 0b10 << 62 | tail & ((1 << 62) - 1)
    return uuid.UUID(int=value)
