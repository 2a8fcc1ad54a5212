"""Reads of API keys."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from apps.common.models import ApiKey, Role

MAX_KEYS_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRow:
    """A key as lists show it, without its hash."""

    id: uuid.UUID
    name: str
    prefix: str
    user: str
    role: Role
    cidrs: tuple[str, ...]
    last_used_at: datetime | None
    revoked_at: datetime | None


def api_key_row(key: ApiKey) -> ApiKeyRow:
    """One row as a value."""
    return ApiKeyRow(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        user=key.user.get_username(),
        role=Role(key.role),
        cidrs=tuple(key.cidrs),
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


def api_key_list(user: User | None = None) -> list[ApiKeyRow]:
    """Keys, newest first, with their people; of one person when `user` is given."""
    rows = ApiKey.objects.select_related("user").order_by("-created_at")
    if user is not None:
        rows = rows.filter(user=user)
    return [api_key_row(row) for row in rows[:MAX_KEYS_SHOWN]]


def api_key_by_prefix(prefix: str) -> ApiKey | None:
    """The live key with this public prefix, with its person."""
    return ApiKey.objects.select_related("user").filter(prefix=prefix, revoked_at__isnull=True).first()
