"""People with known rights, signed in."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client


@pytest.fixture(autouse=True)
def _no_counted_failures(settings: object) -> None:
    cache.clear()
    settings.PASSWORD_HASHERS = [  # type: ignore[attr-defined]
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # the real one takes its time by design


def _person(name: str, role: str) -> User:
    user = User.objects.create_user(name, password=f"{name}-password")
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def olga(db: None) -> User:
    """An operator."""
    return _person("olga", "operator")


@pytest.fixture
def operator(olga: User) -> Client:
    """A browser in which Olga is signed in."""
    client = Client()
    client.force_login(olga)
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    """A browser in which Vera, who may only look, is signed in."""
    client = Client()
    client.force_login(_person("vera", "viewer"))
    return client


@pytest.fixture
def admin(db: None) -> Client:
    """A browser in which the admin is signed in."""
    client = Client()
    client.force_login(User.objects.create_superuser("admin", password="x"))
    return client
