"""Reads of API keys."""

from __future__ import annotations

from django.contrib.auth.models import User

from apps.common.models import ApiKey

MAX_KEYS_SHOWN = 200


def api_key_list(user: User | None = None) -> list[ApiKey]:
    """Keys, newest first, with their people; of one person when `user` is given."""
    rows = ApiKey.objects.select_related("user").order_by("-created_at")
    if user is not None:
        rows = rows.filter(user=user)
    return list(rows[:MAX_KEYS_SHOWN])


def api_key_by_prefix(prefix: str) -> ApiKey | None:
    """The live key with this public prefix, with its person."""
    return ApiKey.objects.select_related("user").filter(prefix=prefix, revoked_at__isnull=True).first()
