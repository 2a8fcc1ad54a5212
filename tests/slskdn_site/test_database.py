from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from tests import services


@pytest.mark.django_db
def test_the_lane_runs_on_the_database_it_names() -> None:
    assert connection.vendor == {"sqlite": "sqlite", "postgres": "postgresql"}[services.LANE]
    get_user_model().objects.create_user("alice")
    assert get_user_model().objects.filter(username="alice").count() == 1
