"""Programs with API keys, for the tests of each app's API."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from rest_framework.test import APIClient

from apps.common.roles import Role
from apps.common.services import api_key_create


def program(name: str, role: Role) -> APIClient:
    """A client that sends the key of a person with this role."""
    user = User.objects.create_user(name)
    user.groups.add(Group.objects.get(name=role.value))
    _row, token = api_key_create(user, name=name, role=role)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def operator_api(db: None) -> APIClient:
    """May ask and steer."""
    return program("oscar", Role.OPERATOR)


@pytest.fixture
def viewer_api(db: None) -> APIClient:
    """May look."""
    return program("victor", Role.VIEWER)


@pytest.fixture
def stranger_api(db: None) -> APIClient:
    """Has no key."""
    return APIClient()
