"""What the rows of messages, rooms and users promise: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from apps.domain.contracts.soulseek_people import (
    LineHeard,
    MessageHeard,
    RoomReport,
    RoomTold,
    ShareTold,
    UserInfo,
    UserTold,
)
from apps.domain.soulseek.people import KEPT_LINES
from overlay_node.soulseek.people_rows import PeopleRows
from overlay_node.store.soulseek.memory_people import MemoryPeopleRows

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Rows:
    """Rows, and the eyes and hands of the control plane."""

    def __init__(self, people: PeopleRows) -> None:
        self.people = people
        self.loop = asyncio.new_event_loop()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    @property
    def memory(self) -> MemoryPeopleRows | None:
        return self.people if isinstance(self.people, MemoryPeopleRows) else None

    def messages(self) -> list[tuple[str, str]]:
        if self.memory is not None:
            return [(one.user, one.text) for one in self.memory.messages]
        from apps.soulseek.models import PrivateMessage

        return [(row.user, row.text) for row in PrivateMessage.objects.order_by("id")]

    def lines(self, room: str) -> list[str]:
        if self.memory is not None:
            return [one.text for one in self.memory.lines if one.room == room]
        from apps.soulseek.models import RoomMessage

        return [row.text for row in RoomMessage.objects.filter(room=room).order_by("id")]

    def want(self, *rooms: str) -> None:
        if self.memory is not None:
            self.memory.wanted = list(rooms)
            return
        from apps.soulseek.models import Room

        for name in rooms:
            Room.objects.create(name=name)

    def room(self, name: str) -> tuple[bool, list[tuple[str, str]], str]:
        if self.memory is not None:
            one = self.memory.rooms[name]
            return one.here, list(one.users), one.code
        from apps.soulseek.models import RoomState

        row = RoomState.objects.get(name=name)
        return row.here, [(user, status) for user, status in row.users], row.code

    def listed(self) -> dict[str, tuple[int, bool]]:
        if self.memory is not None:
            return {name: (one.members, one.private) for name, one in self.memory.listed.items()}
        from apps.soulseek.models import RoomState

        return {row.name: (row.members, row.private) for row in RoomState.objects.filter(listed=True)}

    def status(self, user: str) -> str:
        if self.memory is not None:
            return self.memory.users[user].status or ""
        from apps.soulseek.models import SoulseekUser

        return str(SoulseekUser.objects.get(name=user).status)

    def shares(self) -> list[str]:
        if self.memory is not None:
            return sorted(self.memory.shares)
        from apps.soulseek.models import SoulseekUser

        return sorted(SoulseekUser.objects.filter(share__isnull=False).values_list("name", flat=True))


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "memory":
        made = Rows(MemoryPeopleRows())
        yield made
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.people import DjangoPeopleRows

        database = DatabaseThread()
        made = Rows(DjangoPeopleRows(database))
        yield made
        made.run(database.close())
    made.loop.close()


def message(text: str, *, user: str = "bob", server_id: int | None = 1, at: datetime = NOW) -> MessageHeard:
    return MessageHeard(user=user, incoming=server_id is not None, text=text, at=at, server_id=server_id)


def test_a_message_that_is_repeated_is_one_row_and_says_so(rows: Rows) -> None:
    first, second = message("a"), message("b", server_id=2)
    ids = rows.run(rows.people.messages_write([first, second]))
    assert None not in ids
    assert len(set(ids)) == 2
    assert rows.run(rows.people.messages_write([second, message("c", server_id=3)]))[0] is None
    assert rows.run(rows.people.messages_write([first, first])) == (None, None)
    assert rows.messages() == [("bob", "a"), ("bob", "b"), ("bob", "c")]


def test_a_server_that_counts_anew_after_its_restart_repeats_nothing(rows: Rows) -> None:
    later = message("tomorrow", at=NOW + timedelta(days=1))
    rows.run(rows.people.messages_write([message("today"), later, message("today", user="carol")]))
    assert len(rows.messages()) == 3


def test_equal_messages_of_ours_are_two(rows: Rows) -> None:
    ours = message("hi", server_id=None)
    assert None not in rows.run(rows.people.messages_write([ours]))
    assert None not in rows.run(rows.people.messages_write([ours]))
    assert rows.messages() == [("bob", "hi"), ("bob", "hi")]


def test_wishes_are_read_and_whom_one_wrote_to_is_watched(rows: Rows) -> None:
    rows.want("tea", "jazz")
    assert rows.run(rows.people.rooms_wanted()) == ("tea", "jazz")
    rows.run(rows.people.messages_write([message("x", user="carol"), message("y", user="dave", server_id=2)]))
    assert rows.run(rows.people.users_watched()) == ("dave", "carol")


def test_the_servers_list_replaces_the_one_before(rows: Rows) -> None:
    rows.run(rows.people.rooms_listed([RoomTold(name="a", members=5), RoomTold(name="b", members=9, private=True)]))
    assert rows.listed() == {"a": (5, False), "b": (9, True)}
    rows.run(rows.people.rooms_listed([RoomTold(name="b", members=1), RoomTold(name="c", members=2)]))
    assert rows.listed() == {"b": (1, False), "c": (2, False)}


def test_a_room_tells_who_is_there_until_the_session_ends(rows: Rows) -> None:
    users = (("alice", "online"), ("Bob <b>", "away"))
    rows.run(rows.people.rooms_report([RoomReport(name="tea", here=True, members=2, users=users)]))
    rows.run(rows.people.rooms_report([RoomReport(name="club", here=False, code="room_refused")]))
    rows.run(rows.people.users_told([UserTold(name="bob", at=NOW, status="online")]))
    assert rows.room("tea") == (True, list(users), "")
    assert rows.room("club") == (False, [], "room_refused")
    rows.run(rows.people.begin())
    assert rows.room("tea") == (False, [], "")
    assert rows.status("bob") == ""


def test_the_newest_thousand_lines_of_a_room_stay(rows: Rows) -> None:
    def line(room: str, number: int) -> LineHeard:
        return LineHeard(room=room, user="bob", text=str(number), at=NOW)

    rows.run(rows.people.lines_write([line("quiet", 0)]))
    for start in range(0, KEPT_LINES + 200, 300):
        rows.run(rows.people.lines_write([line("loud", start + number) for number in range(300)]))
    kept = rows.lines("loud")
    assert len(kept) == KEPT_LINES
    assert kept[-1] == "1199"
    assert kept[0] == "200"
    assert rows.lines("quiet") == ["0"]


def test_what_is_told_of_a_user_comes_together(rows: Rows) -> None:
    rows.run(rows.people.users_told([UserTold(name="bob", at=NOW, status="online", country="DE")]))
    rows.run(rows.people.users_told([UserTold(name="bob", at=NOW, files=7, folders=2, speed_bps=99)]))
    rows.run(rows.people.users_told([UserTold(name="bob", at=NOW, status="away")]))
    assert rows.status("bob") == "away"
    info = UserInfo(
        name="bob", at=NOW, description="<b>\u202ehi", picture=b"\xff\xd8\xff" + bytes(9), upload_slots=2**32 - 1,
        free_slots=True, queue=3,
    )  # fmt: skip
    rows.run(rows.people.user_info_write(info))
    if rows.memory is None:
        from apps.soulseek.models import SoulseekUser

        row = SoulseekUser.objects.get(name="bob")
        assert (row.files, row.folders, row.country, row.picture_type) == (7, 2, "DE", "image/jpeg")
        assert row.description == "<b>\u202ehi"
        rows.run(rows.people.user_info_write(UserInfo(**{**_fields(info), "picture": b""})))
        row.refresh_from_db()
        assert (row.picture, row.picture_type) == (None, "")


def _fields(info: UserInfo) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(info)


def test_old_lists_and_strangers_are_forgotten_and_givers_are_not(rows: Rows) -> None:
    old = NOW - timedelta(days=400)
    rows.run(rows.people.share_write(ShareTold(name="new", at=NOW, blob=b"1", files=1, folders=1)))
    rows.run(rows.people.share_write(ShareTold(name="old", at=old, blob=b"2", files=1, folders=1)))
    rows.run(rows.people.users_told([UserTold(name="stranger", at=old, status="online")]))
    rows.run(rows.people.begin())
    assert rows.shares() == ["new", "old"]
    before = NOW - timedelta(days=1)
    shares, users = rows.run(rows.people.people_forget(shares_before=before, users_before=before))
    assert shares == 1
    assert users >= 1
    assert rows.shares() == ["new"]
