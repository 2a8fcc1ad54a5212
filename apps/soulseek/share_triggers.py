"""Every change of a library file leaves a row that the node's share index reads: written by the database itself, in the change's own transaction.

Files are changed in many places (scans, reading, trash, renaming, filing), often in bulk, where Django sends no signals; a place that forgot to tell would
leave a removed file offered to strangers. Rows are appended only, so that no two writers ever wait for each other because of them. Tables that SQLite makes
anew in a later migration lose their triggers, so they are put back after each `migrate`.
"""

from __future__ import annotations

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

FILES: Final = "library_audiofile"
CHANGES: Final = "soulseek_sharechange"
_WATCHED: Final = ("root_id", "rel_path", "size_bytes", "mtime_ns", "variant_id", "read_state", "missing_since")
_NAMES: Final = ("share_file_added", "share_file_changed", "share_file_gone")


def triggers_create(connection: BaseDatabaseWrapper) -> None:
    """Put the triggers in place, anew. Safe to repeat."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if not {FILES, CHANGES} <= tables:
            return
        for statement in _drops(connection.vendor) + _creates(connection.vendor):
            cursor.execute(statement)


def triggers_drop(connection: BaseDatabaseWrapper) -> None:
    """Take them away: for going back to an older version."""
    with connection.cursor() as cursor:
        for statement in _drops(connection.vendor):
            cursor.execute(statement)


def triggers_missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of those that are not there: the node then reads all files anew each hour."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        there = {str(row[0]) for row in cursor.fetchall()}
    return [name for name in _NAMES if name not in there]


def _drops(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return [f"DROP TRIGGER IF EXISTS {name} ON {FILES}" for name in _NAMES] + [
            "DROP FUNCTION IF EXISTS share_file_changed() CASCADE"
        ]
    return [f"DROP TRIGGER IF EXISTS {name}" for name in _NAMES]


def _creates(vendor: str) -> list[str]:
    added, changed, gone = _NAMES
    columns = ", ".join(_WATCHED)
    if vendor == "postgresql":
        differs = " OR ".join(f"OLD.{one} IS DISTINCT FROM NEW.{one}" for one in _WATCHED)
        insert = f"INSERT INTO {CHANGES} (file_id, at) VALUES ({{row}}.id, now());"  # noqa: S608  (names are constants)
        body = (
            "CREATE FUNCTION share_file_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'DELETE' THEN {insert.format(row='OLD')} ELSE {insert.format(row='NEW')} END IF; "
            "RETURN NULL; END $$"
        )
        call = "FOR EACH ROW {when} EXECUTE FUNCTION share_file_changed()"
        return [
            body,
            f"CREATE TRIGGER {added} AFTER INSERT ON {FILES} {call.format(when='')}",
            f"CREATE TRIGGER {changed} AFTER UPDATE OF {columns} ON {FILES} {call.format(when=f'WHEN ({differs})')}",
            f"CREATE TRIGGER {gone} AFTER DELETE ON {FILES} {call.format(when='')}",
        ]
    differs = " OR ".join(f"OLD.{one} IS NOT NEW.{one}" for one in _WATCHED)
    insert = "BEGIN INSERT INTO {table} (file_id, at) VALUES ({row}.id, strftime('%Y-%m-%d %H:%M:%f', 'now')); END"
    new, old = insert.format(table=CHANGES, row="NEW"), insert.format(table=CHANGES, row="OLD")
    return [
        f"CREATE TRIGGER {added} AFTER INSERT ON {FILES} {new}",
        f"CREATE TRIGGER {changed} AFTER UPDATE OF {columns} ON {FILES} WHEN {differs} {new}",
        f"CREATE TRIGGER {gone} AFTER DELETE ON {FILES} {old}",
    ]
