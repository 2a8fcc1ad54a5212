"""Fixtures of every test. What must exist before Django's settings are read is in `tests/services.py`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.services import LANE, SQLITE

settings.register_profile("no-deadline", settings.default, deadline=None)
settings.load_profile("no-deadline")  # how fast an example was says how busy the machine is


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite tests run on a file, as people do: in memory, threads would share one connection and the locks would not be the real ones.

    Here and not in the plugin, where pytest-django's own fixture of this name would win.
    """
    from django.db import connections

    if LANE == "sqlite":
        connections["default"].settings_dict["TEST"]["NAME"] = str(SQLITE)


@pytest.fixture(autouse=True)
def log_handlers() -> Iterator[None]:
    """A command that runs inside a test sets logging up anew, on streams that end with the test: its handlers end with it as well."""
    root = logging.getLogger()
    kept = root.handlers[:]
    yield
    root.handlers[:] = kept


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """pytest-django's, and a quicker way to empty the database after tests with transactions of their own."""
    from tests.emptied import install

    install()
