"""Who may do what. A role is a Django group of the same name; a superuser is an admin; a key never exceeds its person."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from apps.common.models import Role

__all__ = ["RANK", "Principal", "Role", "role_at_least", "role_lower", "role_of_user"]

RANK: dict[Role, int] = {Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who makes a request, and with which role. `key_name` is set when a program does it with an API key."""

    user: User
    role: Role
    key_name: str = ""


def role_of_user(user: AbstractBaseUser | AnonymousUser) -> Role | None:
    """The highest role of a person; None for nobody, for a switched-off account and for one without a group."""
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return Role.ADMIN
    names = set(user.groups.values_list("name", flat=True))
    return max((role for role in Role if role.value in names), key=RANK.__getitem__, default=None)


def role_lower(first: Role, second: Role) -> Role:
    """The lesser of two roles."""
    return min(first, second, key=RANK.__getitem__)


def role_at_least(role: Role | None, needed: Role) -> bool:
    """True when `role` includes what `needed` may do."""
    return role is not None and RANK[role] >= RANK[needed]
