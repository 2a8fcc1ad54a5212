"""What the rows of sharing promise: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from apps.domain.contracts.soulseek_sharing import UploadReport
from apps.domain.soulseek.states import UploadState
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from apps.domain.soulseek.virtual_paths import Audience, FolderRule
from overlay_node.soulseek.sharing_rows import SharingRows
from overlay_node.store.soulseek.memory_sharing import MemoryFile, MemorySharingRows

T = TypeVar("T")
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class Rows:
    """Rows, and the hands of the control plane. There is one root, `/music`."""

    def __init__(self, rows: SharingRows) -> None:
        self.rows = rows
        self.loop = asyncio.new_event_loop()
        if self.memory is not None:
            self.memory.roots[1] = (b"/music", "music")
            self.root = 1
        else:
            from apps.library.models import LibraryRoot

            self.root = LibraryRoot.objects.create(path="/music").id

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    @property
    def memory(self) -> MemorySharingRows | None:
        return self.rows if isinstance(self.rows, MemorySharingRows) else None

    def put(self, name: str, *, size: int = 10) -> int:
        """A library file; its id."""
        if self.memory is not None:
            number = max(self.memory.library, default=0) + 1
            self.memory.put(number, MemoryFile(root_id=1, relative_path=name.encode(), size=size, mtime_ns=1))
            return number
        from apps.library.models import AudioFile

        return AudioFile.objects.create(
            root_id=self.root,
            rel_path=name.encode(),
            rel_path_hash=hashlib.sha256(name.encode()).digest(),
            display=name,
            size_bytes=size,
            mtime_ns=1,
        ).id

    def drop(self, number: int) -> None:
        if self.memory is not None:
            self.memory.drop(number)
            return
        from apps.library.models import AudioFile

        AudioFile.objects.filter(id=number).delete()

    def share(self, path: bytes, audience: Audience) -> None:
        if self.memory is not None:
            self.memory.folder_rules.append(FolderRule(root_id=1, relative_path=path, audience=audience))
            return
        from apps.soulseek.services_sharing import share_set

        share_set(self.root, path, audience=audience)

    def rule(self, rule: Rule) -> None:
        if self.memory is not None:
            self.memory.rules.append(rule)
            return
        from apps.soulseek.services_sharing import rule_add

        rule_add(effect=rule.effect, match=rule.match, pattern=rule.pattern, group=rule.group)


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "memory":
        made = Rows(MemorySharingRows())
        yield made
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.sharing import DjangoSharingRows

        database = DatabaseThread()
        made = Rows(DjangoSharingRows(database))
        yield made
        made.run(database.close())
    made.loop.close()


def test_everything_is_read_in_batches_and_changes_after_it(rows: Rows) -> None:
    ids = [rows.put(f"Band/{at}.flac") for at in range(5)]
    rows.share(b"Band", Audience.BUDDIES)
    rows.run(rows.rows.changes_forget())
    assert rows.run(rows.rows.changes()).marks == ()
    plan = rows.run(rows.rows.plan())
    assert [(one.path, one.name) for one in plan.roots] == [(b"/music", "music")]
    first = rows.run(rows.rows.batch(plan, after_id=0, limit=3))
    assert first.last_id == ids[2]
    rest = rows.run(rows.rows.batch(plan, after_id=ids[2], limit=3))
    assert rest.last_id is None
    entries = (*first.entries, *rest.entries)
    assert [one.path for one in entries] == [f"music\\Band\\{at}.flac" for at in range(5)]
    assert {one.audience for one in entries} == {frozenset({"buddies"})}
    rows.drop(ids[0])
    more = rows.put("new.flac")
    changes = rows.run(rows.rows.changes())
    assert set(changes.file_ids) == {ids[0], more}
    found = rows.run(rows.rows.files(plan, changes.file_ids))
    assert ([one.path for one in found.entries], found.unshared) == (["music\\new.flac"], (ids[0],))
    rows.run(rows.rows.changes_taken(changes.marks))
    assert rows.run(rows.rows.changes()).marks == ()


def test_a_file_to_send_is_as_its_row_is_now(rows: Rows) -> None:
    number = rows.put("Band/a.flac", size=77)
    found = rows.run(rows.rows.file_to_send(number))
    assert found is not None
    assert (found[0].root, found[0].relative_path, found[0].size, found[1]) == (
        b"/music", b"Band/a.flac", 77, Audience.EVERYONE,
    )  # fmt: skip
    rows.share(b"Band", Audience.NOBODY)
    assert rows.run(rows.rows.file_to_send(number)) is None
    assert rows.run(rows.rows.file_to_send(number + 1)) is None


def test_rules_of_users_are_told_with_a_stamp_that_changes_with_them(rows: Rows) -> None:
    before = rows.run(rows.rows.user_rules())
    assert before.rules == ()
    one = Rule(effect=Effect.BAN, match=MatchBy.USER, pattern="bob")
    rows.rule(one)
    after = rows.run(rows.rows.user_rules())
    assert after.rules == (one,)
    assert after.stamp != before.stamp
    assert rows.run(rows.rows.user_rules()).stamp == after.stamp


def test_uploads_keep_their_end_and_count_for_quotas(rows: Rows) -> None:
    def report(number: int, path: str) -> UploadReport:
        return UploadReport(
            id=uuid.UUID(int=number),
            user="bob",
            remote_path=path,
            file_id=1,
            size=100,
            state=UploadState.QUEUED,
            group="default",
            asked_at=NOW + timedelta(seconds=number),
        )

    first, second = report(1, "music\\a"), report(2, "music\\b")
    rows.run(rows.rows.uploads_write([second, first]))
    assert [one.remote_path for one in rows.run(rows.rows.uploads_kept())] == ["music\\a", "music\\b"]
    end = dataclasses.replace(first, state=UploadState.SUCCEEDED, sent_bytes=60, speed_bps=30, ended_at=NOW)
    rows.run(rows.rows.uploads_write([end]))
    rows.run(rows.rows.uploads_write([first]))
    assert [one.remote_path for one in rows.run(rows.rows.uploads_kept())] == ["music\\b"]
    day = NOW.replace(hour=0)
    given = rows.run(rows.rows.user_bytes("bob", day=day, week=day - timedelta(days=2)))
    assert (given.day, given.week) == (60, 60)
    given = rows.run(rows.rows.user_bytes("bob", day=day + timedelta(days=1), week=day))
    assert (given.day, given.week) == (0, 60)
    assert rows.run(rows.rows.average_speed()) == 30
