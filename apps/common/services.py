"""The only writers of people and API keys."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.common.models import ApiKey, Role
from apps.common.roles import role_at_least, role_of_user
from apps.domain.errors import DomainError

ADMIN_NAME = "admin"
PREFIX_BYTES = 5  # ten hex digits: a public handle to find the row by
SECRET_BYTES = 32  # 256 bits: nothing to guess, so a fast hash is enough
MAX_CIDRS = 32
LAST_USED_EVERY = timedelta(seconds=60)
"""`last_used_at` is written at most this often per key, so that a busy client does not turn reads into writes."""


class ApiKeyInvalid(DomainError):
    """An API key that can't be made as asked."""

    default_code = "api_key_invalid_request"


class ApiKeyNotFound(DomainError):
    """No such API key."""

    default_code = "api_key_not_found"


def admin_ensure(password: Callable[[], str]) -> User | None:
    """The first person, `admin`; None when there is an administrator already. Called at every start, by two at once if it must be.

    `password` is asked only when the account is made: a person may have changed it since, or given the part to somebody else.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    try:
        with transaction.atomic():
            user = User.objects.create_superuser(username=ADMIN_NAME, password=password())
            group, _ = Group.objects.get_or_create(name=Role.ADMIN.value)
            user.groups.add(group)
    except IntegrityError:  # somebody else made it meanwhile
        return None
    return user


def secret_hash(token: str) -> bytes:
    """What is kept of a key: SHA-256 of the whole token, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def api_key_create(user: User, *, name: str, role: Role, cidrs: Sequence[str] = ()) -> tuple[ApiKey, str]:
    """A new key of `user` and its token `slk_<prefix>_<secret>`, which is shown once and never again.

    `cidrs` are addresses or networks it may be used from (empty: any). Raises ApiKeyInvalid for an empty or over-long name, a network
    that is none, or a role above the person's own.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise ApiKeyInvalid("A key needs a name of 1 to 100 characters.", key="name")
    if not role_at_least(role_of_user(user), role):
        raise ApiKeyInvalid("A key can't have a role above its person's.", key="role", role=role.value)
    networks = [_network(text) for text in cidrs if text.strip()]
    if len(networks) > MAX_CIDRS:
        raise ApiKeyInvalid(f"A key has at most {MAX_CIDRS} networks.", key="cidrs")
    prefix = secrets.token_hex(PREFIX_BYTES)
    token = f"slk_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    row = ApiKey.objects.create(
        name=name, user=user, role=role, prefix=prefix, secret_hash=secret_hash(token), cidrs=networks
    )
    return row, token


def api_key_revoke(key_id: uuid.UUID) -> None:
    """Switch a key off for good; doing it twice is fine. Raises ApiKeyNotFound."""
    changed = ApiKey.objects.filter(id=key_id, revoked_at__isnull=True).update(revoked_at=timezone.now())
    if not changed and not ApiKey.objects.filter(id=key_id).exists():
        raise ApiKeyNotFound("There is no such API key.", key_id=str(key_id))


def api_key_touch(key_id: uuid.UUID) -> None:
    """Note that a key was used now, at most once per LAST_USED_EVERY."""
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_EVERY)
    ApiKey.objects.filter(stale, id=key_id).update(last_used_at=now)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError as error:
        raise ApiKeyInvalid(f"{text.strip()[:60]} is not an address or network.", key="cidrs") from error
