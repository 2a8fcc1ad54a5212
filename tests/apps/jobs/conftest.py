"""Rows for the tests of jobs."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import User


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def release_mbid() -> uuid.UUID:
    return uuid.UUID("78db95c6-be79-4c9b-9b27-a6c3a40e2fc5")
