"""What happens before the processes start: migrations with a backup, the first user, and what is refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from apps.common.services import ADMIN_NAME
from slskdn_site.prepare import BACKUPS_KEPT, database_backup
from tests.services import PROJECT


def command(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLSKDN__")}
    return subprocess.run(
        [sys.executable, "-m", "slskdn_site.cli", *arguments],
        env={**inherited, "PYTHONPATH": str(PROJECT), "SLSKDN_DATA": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.e2e
def test_a_database_is_made_then_left_alone_then_backed_up_before_it_is_migrated(data_folder: Path) -> None:
    backups = data_folder / "db" / "backups"
    assert command(data_folder, "prepare").returncode == 0
    with closing(sqlite3.connect(data_folder / "db" / "slskdn.sqlite3")) as database:
        users = database.execute("select username, is_superuser from auth_user").fetchall()
        assert users == [(ADMIN_NAME, 1)]
    password = (data_folder / "secrets" / "admin_password").read_text()
    assert command(data_folder, "prepare").returncode == 0
    assert not backups.exists()
    assert (data_folder / "secrets" / "admin_password").read_text() == password

    assert command(data_folder, "manage", "migrate", "nodelink", "zero").returncode == 0
    assert command(data_folder, "prepare").returncode == 0
    (backup,) = backups.iterdir()
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as before:
        tables = {name for (name,) in before.execute("select name from sqlite_master")}
    assert "auth_user" in tables
    assert "nodelink_nodeevent" not in tables

    with closing(sqlite3.connect(data_folder / "db" / "slskdn.sqlite3")) as database:
        database.execute(
            "insert into django_migrations (app, name, applied) values ('jobs', '9999_future', '2030-01-01')"
        )
        database.commit()
    refused = command(data_folder, "prepare")
    assert refused.returncode == 1
    assert "migrated by a newer slskdn (jobs.9999_future)" in refused.stderr


@pytest.mark.e2e
def test_dangerous_settings_stop_the_preparation_by_their_id(data_folder: Path) -> None:
    done = command(data_folder, "prepare", SLSKDN__OVERLAY__PORT="50306")
    assert done.returncode == 1
    assert "slskdn.E001" in done.stderr


@pytest.mark.e2e
def test_a_database_that_is_away_is_a_sentence(data_folder: Path) -> None:
    done = command(data_folder, "prepare", SLSKDN__DATABASE__URL="postgres://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_backups_are_complete_private_and_limited_in_number() -> None:
    get_user_model().objects.create_user("bob")
    backup = database_backup()
    assert backup.stat().st_size > 10_000
    assert backup.stat().st_mode & 0o777 == 0o600
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(backup)) as copy:
            assert copy.execute("select username from auth_user").fetchall() == [("bob",)]
    else:
        assert backup.read_bytes().startswith(b"PGDMP")
    for number in range(BACKUPS_KEPT + 3):
        backup.with_name(f"slskdn-2020010{number}T000000Z.old").touch()
    newest = database_backup()
    kept = sorted(newest.parent.glob("slskdn-*"))
    assert len(kept) == BACKUPS_KEPT
    assert newest in kept
