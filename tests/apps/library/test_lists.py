"""The list of files and the figures of roots: without the trash, and without counting a large library for a request."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.library import selectors
from apps.library.selectors import file_list, root_list
from apps.library.selectors_list import SHOWS, file_page, file_query
from apps.library.services_measures import roots_measure
from tests.apps.library import canonical_rows as rows

pytestmark = pytest.mark.django_db


def test_what_is_in_the_trash_is_neither_listed_nor_counted_as_missing() -> None:
    root = rows.root()
    one = rows.variant(1)
    here = rows.file(1, one, within=root)
    gone = rows.file(2, one, within=root, missing=True)
    trashed = rows.file(3, one, within=root, missing=True, name=".slskdn-trash/0190/3.flac")
    assert list(file_query(show="missing")[0]) == [gone]
    for show in SHOWS:
        assert trashed not in file_query(show=show)[0]
    assert set(file_query()[0]) == {here, gone}
    assert [one.id for one in file_list()] == [here.id, gone.id]
    (held,) = root_list()
    assert (held.files, held.missing, held.size_bytes) == (1, 1, here.size_bytes)


def test_a_small_library_is_counted_now_and_a_large_one_was_counted_before(monkeypatch: pytest.MonkeyPatch) -> None:
    root = rows.root()
    one = rows.variant(1)
    rows.file(1, one, within=root)
    roots_measure(now=timezone.now())
    rows.file(2, one, within=root)
    assert [held.files for held in root_list()] == [2]
    monkeypatch.setattr(selectors, "COUNTED_AT_ONCE", 0)
    with CaptureQueriesContext(connection) as context:
        assert [held.files for held in root_list()] == [1]
    assert not [one for one in context.captured_queries if "library_audiofile" in one["sql"]]
    new = rows.root("/more")
    rows.file(3, one, within=new)
    assert {held.path: held.files for held in root_list()} == {"/more": 1, "/music": 1}
    roots_measure(now=timezone.now())
    assert {held.path: held.files for held in root_list()} == {"/more": 1, "/music": 2}


def test_unconfirmed_files_are_paged_both_ways_and_none_is_left_out() -> None:
    root = rows.root()
    listed = []
    for number in range(7):
        one = rows.variant(number, verified=number % 3 == 0)
        two = [rows.file(10 * number + copy, one, within=root) for copy in range(2)]
        listed += two if number % 3 else []
    rows.file(99, rows.variant(99), within=root, missing=True, name=".slskdn-trash/0190/99.flac")
    wanted = [one.id for one in reversed(listed)]
    found: list[int] = []
    cursor = None
    while True:
        page = file_page(show="unconfirmed", cursor=cursor, limit=3)
        found += [one.id for one in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert found == wanted
    assert page.previous_cursor is not None
    before = file_page(show="unconfirmed", cursor=page.previous_cursor, limit=3)
    assert [one.id for one in before.items] == wanted[3:6]
