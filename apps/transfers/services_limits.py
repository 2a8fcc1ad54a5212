"""The only writers of rate limits. The node is woken and has them in force within a second."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.errors import DomainError
from apps.domain.swarm.limits import MAX_LIMITS, LimitScope, limit_check
from apps.transfers.models import RateLimit


class TooManyLimits(DomainError):
    """More limits than the node should read in every pass."""

    default_code = "rate_limits_full"


def rate_limit_set(scope: str, key: str, direction: str, *, kbps: int, set_by: User | None = None) -> bool:
    """From now on this limit holds (0 = none, whatever is configured); True if there was no such row. Raises LimitInvalid, TooManyLimits."""
    of_scope, key, of_direction = limit_check(scope, key, direction, kbps)
    with transaction.atomic():
        rows = RateLimit.objects.filter(scope=of_scope, key=key, direction=of_direction)
        if not rows.exists() and RateLimit.objects.count() >= MAX_LIMITS:
            raise TooManyLimits(f"At most {MAX_LIMITS} limits can be set.", limit=MAX_LIMITS)
        _row, created = RateLimit.objects.update_or_create(
            scope=of_scope, key=key, direction=of_direction, defaults={"kbps": kbps, "set_by": set_by}
        )
        ring(NODE_CHANNEL, f"limit {of_scope}")
    return created


def rate_limit_clear(scope: str, key: str, direction: str) -> bool:
    """The configuration's limit holds again; False if none was set. Raises LimitInvalid."""
    of_scope, key, of_direction = limit_check(scope, key, direction, 0)
    deleted, _ = RateLimit.objects.filter(scope=of_scope, key=key, direction=of_direction).delete()
    if deleted:
        ring(NODE_CHANNEL, f"limit {of_scope}")
    return deleted > 0


def rate_limits_of_jobs_forget(keys: Collection[str]) -> int:
    """These jobs need no limit any more; number of rows deleted."""
    deleted, _ = RateLimit.objects.filter(scope=LimitScope.JOB, key__in=list(keys)).delete()
    return deleted
