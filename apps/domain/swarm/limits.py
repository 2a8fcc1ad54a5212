"""Rate limits as a person sets them: for whom, in which direction, how fast. Values and their rules; the buckets are the node's."""

from __future__ import annotations

import re
import uuid
from enum import StrEnum
from typing import Final

from apps.domain.errors import DomainError

MAX_KBPS: Final = 10_000_000  # KiB/s; ten gigabytes a second is no limit any more
MAX_LIMITS: Final = 500  # rows: the node reads them all in every pass
_PEER: Final = re.compile(r"[a-z2-7]{52}")  # base32 of SHA-256, lower case, without padding


class LimitScope(StrEnum):
    """What a limit holds for."""

    GLOBAL = "global"
    PEER = "peer"
    JOB = "job"


class LimitDirection(StrEnum):
    """Seen from this node."""

    UP = "up"
    DOWN = "down"


class LimitInvalid(DomainError):
    """A limit that means nothing: `field` says which part of it."""

    default_code = "rate_limit_invalid"


def limit_check(scope: str, key: str, direction: str, kbps: int) -> tuple[LimitScope, str, LimitDirection]:
    """The limit in canonical form. Raises LimitInvalid (field: scope, key, direction, kbps)."""
    try:
        of_scope = LimitScope(scope)
    except ValueError:
        raise LimitInvalid("A limit is global, of a peer or of a job.", field="scope") from None
    try:
        of_direction = LimitDirection(direction)
    except ValueError:
        raise LimitInvalid("A limit is for up or for down.", field="direction") from None
    if not 0 <= kbps <= MAX_KBPS:
        raise LimitInvalid(f"A limit is 0 (none) to {MAX_KBPS} KiB/s.", field="kbps")
    if of_scope is LimitScope.JOB and of_direction is LimitDirection.UP:
        raise LimitInvalid("A job only downloads: its limit is for down.", field="direction")
    match of_scope:
        case LimitScope.GLOBAL:
            fits = not key
        case LimitScope.PEER:
            fits = _PEER.fullmatch(key) is not None
        case LimitScope.JOB:
            try:
                key, fits = str(uuid.UUID(key)), True
            except ValueError:
                fits = False
    if not fits:
        raise LimitInvalid(
            "A global limit has no key; a peer's is its id (52 letters and digits), a job's its id.", field="key"
        )
    return of_scope, key, of_direction
