"""What must be done before the processes start: system checks, a backup and migrations where there are any to apply, the first user.

Runs in a process of its own, so that the supervisor stays small.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from apps.common.services import ADMIN_NAME, admin_ensure
from apps.domain.errors import DomainError
from slskdn_site.data_folder import data_folder_prepare
from slskdn_site.secret_files import secret_path, secret_read_or_create

log = logging.getLogger(__name__)

ADMIN_PASSWORD_SECRET = "admin_password"  # noqa: S105  (the file's name)
BACKUPS_KEPT = 5
PG_DUMP_SECONDS = 3600


def prepare() -> None:
    """Bring the database and the first user to where the processes need them; quick when nothing is to be done.

    Raises DomainError `settings_refused`, `database_newer`, `database_unreachable`, `backup_failed`.
    """
    data_folder_prepare(settings.DATA_DIR)
    _settings_check()
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        sentence = f"The database does not answer: {str(error).strip().splitlines()[0]}"
        raise DomainError(sentence, code="database_unreachable", retryable=True) from error
    executor = MigrationExecutor(connection)
    unknown = sorted(set(executor.loader.applied_migrations) - set(executor.loader.graph.nodes) - _replaced(executor))
    if ours := [f"{app}.{name}" for app, name in unknown if app in executor.loader.migrated_apps]:
        sentence = f"The database was migrated by a newer slskdn ({', '.join(ours[:5])}). Update slskdn or restore an older backup."
        raise DomainError(sentence, code="database_newer")
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        if executor.loader.applied_migrations:
            log.info("database backed up before %d migrations: %s", len(plan), database_backup())
        call_command("migrate", interactive=False, verbosity=0)
        log.info("applied %d migrations", len(plan))
    connection.close()
    if admin_ensure(lambda: secret_read_or_create(ADMIN_PASSWORD_SECRET, length_bytes=18)) is not None:
        log.info("created the user %s, password in %s", ADMIN_NAME, secret_path(ADMIN_PASSWORD_SECRET))


def _settings_check() -> None:
    """Warnings are logged, errors stop the start; notes are for `./slskdn config check`."""
    found = [message for message in checks.run_checks() if not message.is_silenced()]
    for message in found:
        if message.is_serious(checks.WARNING) and not message.is_serious():
            log.warning("%s (%s) %s", message.msg, message.id, message.hint or "")
    if errors := [
        f"{message.msg} ({message.id}) {message.hint or ''}".strip() for message in found if message.is_serious()
    ]:
        sentence = "The settings cannot be used: " + "\n".join(errors)
        raise DomainError(sentence, code="settings_refused")


def _replaced(executor: MigrationExecutor) -> set[tuple[str, str]]:
    return {old for migration in executor.loader.disk_migrations.values() for old in migration.replaces}


def database_backup() -> Path:
    """A consistent copy of the database in `db/backups/`; older ones beyond the last five go. Raises DomainError `backup_failed`."""
    folder: Path = settings.DATA_DIR / "db" / "backups"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if connection.vendor == "sqlite":
        target = folder / f"slskdn-{stamp}.sqlite3"
        with (
            closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    else:
        target = folder / f"slskdn-{stamp}.dump"
        _pg_dump(target)
    target.chmod(0o600)
    for old in sorted(folder.glob("slskdn-*"))[:-BACKUPS_KEPT]:
        old.unlink()
    return target


def _pg_dump(target: Path) -> None:
    database = connection.settings_dict
    program = shutil.which("pg_dump")
    if program is None:
        if os.environ.get("SLSKDN_WITHOUT_BACKUP") == "1":
            log.warning("migrating without a backup, as SLSKDN_WITHOUT_BACKUP=1 asks")
            target.touch()
            return
        sentence = "pg_dump is missing, so there is no backup before migrating. Install postgresql-client or set SLSKDN_WITHOUT_BACKUP=1."
        raise DomainError(sentence, code="backup_failed")
    environment = {
        **os.environ,
        "PGHOST": str(database["HOST"]),
        "PGPORT": str(database["PORT"]),
        "PGUSER": str(database["USER"]),
        "PGPASSWORD": str(database["PASSWORD"]),
        "PGDATABASE": str(database["NAME"]),
    }
    environment = {name: value for name, value in environment.items() if value}
    done = subprocess.run(
        [program, "--format=custom", f"--file={target}"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=PG_DUMP_SECONDS,
    )
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        sentence = f"pg_dump failed, so nothing was migrated: {done.stderr.decode('utf-8', 'replace').strip()[-500:]}"
        raise DomainError(sentence, code="backup_failed")
