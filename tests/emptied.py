"""After a test with transactions of its own the database is emptied, as Django's `flush` does, but only what is not empty.

`flush` deletes from each of a hundred tables and makes content types, permissions and roles again: 0.2 s of computing for each of a thousand
tests. Here the same tables are asked whether they hold anything, and those that every migrated database holds are left alone unless a test has
changed them.
"""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import TransactionTestCase

KEPT: Final = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
"""What `migrate` and `flush` fill anew."""
ROUNDS: Final = 3  # a trigger may write into a table that was emptied before

_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
_kept: list[tuple[object, ...]] = []
"""Rows of those tables as the last `flush` has left them."""


def install() -> None:
    """From now on tests are cleaned up after like this. Once per run."""
    TransactionTestCase._fixture_teardown = _emptied  # type: ignore[attr-defined]


def _emptied(case: Any) -> None:
    plain = (
        case.databases in ({"default"}, ["default"]) and not case.serialized_rollback and case.available_apps is None
    )
    try:
        if plain and _kept == _rows_kept() and _empty():
            return
    except DatabaseError:
        pass  # a test that changed tables; Django looks at what there is
    _flush(case)
    _kept[:] = _rows_kept() if plain else []


def _rows_kept() -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        found: list[tuple[object, ...]] = []
        for table in KEPT:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")
            found.extend((table, *row) for row in cursor.fetchall())
    return found


def _empty() -> bool:
    """Delete every row of the other tables; False when some come back. Foreign keys are looked at when all are gone."""
    names = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    tables = [connection.ops.quote_name(name) for name in sorted(names - set(KEPT))]
    asked = "SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        for _ in range(ROUNDS):
            cursor.execute(asked)
            filled = [table for table, full in zip(tables, cursor.fetchone(), strict=True) if full]
            if not filled:
                return True
            for table in filled:
                cursor.execute(f"DELETE FROM {table}")
    return False
