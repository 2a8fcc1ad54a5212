"""Pages of messages, rooms, users and files."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.domain.errors import DomainError
from apps.soulseek.models import Download, Room, UserRule
from apps.soulseek.selectors_people import MessageRow, message_page, unread_people
from apps.soulseek.web.messages import chat_parts
from apps.soulseek.web.people_looks import chat
from apps.soulseek.web.rooms import room_parts
from apps.soulseek.web.users import files_snapshot, user_parts, users_parts
from tests.apps.soulseek.people_rows import (
    GIF,
    HOSTILE,
    came,
    known,
    listed,
    node_that_answers,
    room,
    share_of,
    went,
)

pytestmark = pytest.mark.django_db
STILL = {"chat-log", "chat-head", "room-head", "room-members", "rooms-side"}
"""Parts that tell no time of seconds."""


def harmless(page: str) -> None:
    """What a stranger wrote is text and nothing else."""
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page


def test_a_conversation_has_days_the_newest_at_the_bottom_and_strangers_words_are_harmless(viewer: Client) -> None:
    now = timezone.now().replace(hour=12)
    came("bob", "first", server_id=1, at=now - timedelta(days=2))
    came("bob", HOSTILE, server_id=2, at=now - timedelta(minutes=2), while_away=True)
    went("bob", "mine", at=now)
    page = viewer.get("/soulseek/messages/bob").content.decode()
    harmless(page)
    log = page[page.index('id="chat-log"') :]
    assert log.index("first") < log.index("&lt;script&gt;") < log.index("mine")
    assert page.count('class="day"') == 2
    assert 'class="line ours"' in page
    assert "while away" in page
    assert 'id="say"' not in page, "who may only look can't write"
    assert unread_people() == 1, "and reads nothing for the others"


def test_runs_of_one_author_are_joined_and_lines_of_the_ignored_are_left_out() -> None:
    now = timezone.now().replace(hour=12)

    def row(number: int, user: str, minutes: int, **more: bool) -> MessageRow:
        ours = more.get("ours", False)
        at = now + timedelta(minutes=minutes)
        return MessageRow(id=number, user=user, text="x", ours=ours, at=at, muted=more.get("muted", False))

    rows = [row(1, "bob", 0), row(2, "bob", 1), row(3, "troll", 2, muted=True), row(4, "bob", 3), row(5, "bob", 30)]
    said = chat([*reversed([*rows, row(6, "bob", 31, ours=True)])])
    assert [(one.row.id, one.day, one.follows) for one in said] == [
        (1, True, False),
        (2, False, True),
        (4, False, True),
        (5, False, False),
        (6, False, False),
    ]


def test_who_may_answer_has_read_what_is_shown_and_the_rail_counts_people(operator: Client, viewer: Client) -> None:
    came("bob", "hi", server_id=1)
    came("carol", "hi", server_id=2)
    page = viewer.get("/soulseek/messages").content.decode()
    assert '<span class="soft">2</span>' in page
    assert operator.get("/soulseek/messages/bob").status_code == 200
    assert unread_people() == 1
    came("bob", "again", server_id=3)
    assert unread_people() == 2
    chat_parts("bob", reads=False)
    assert unread_people() == 2
    chat_parts("bob", reads=True)
    assert unread_people() == 1
    assert operator.post("/soulseek/messages/bob/close").status_code == 302
    assert 'href="/soulseek/messages/bob"' not in operator.get("/soulseek/messages").content.decode()
    assert 'action="/soulseek/messages/carol/delete"' in operator.get("/soulseek/messages/carol").content.decode()
    assert "/delete" not in viewer.get("/soulseek/messages/carol").content.decode()
    assert viewer.post("/soulseek/messages/carol/delete").status_code == 403
    gone = operator.post("/soulseek/messages/carol/delete", follow=True).content.decode()
    assert "1 message was deleted." in gone
    assert message_page("carol").items == []


@pytest.mark.django_db(transaction=True)
def test_sending_by_page_and_by_htmx_and_a_refusal_keeps_the_words(operator: Client) -> None:
    def message(payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["user"] == "ghost":
            raise DomainError("no", code="soulseek_user_unknown", user="ghost")
        return {"id": went(str(payload["user"]), str(payload["text"])), "status": "online"}

    with node_that_answers({"soulseek_message": message, "soulseek_room_say": lambda _payload: {}}):
        assert operator.post("/soulseek/messages/bob/send", {"text": "hello"}).status_code == 302
        part = operator.post("/soulseek/messages/bob/send", {"text": "again"}, headers={"HX-Request": "true"})
        body = part.content.decode()
        assert "<html" not in body
        assert 'id="chat"' in body
        assert body.index("hello") < body.index("again")
        refused = operator.post("/soulseek/messages/ghost/send", {"text": "are you real"}).content.decode()
        assert "There is no user ghost on Soulseek." in refused
        assert 'value="are you real"' in refused
        room("tea", users=[("bob", "online")])
        assert operator.post("/soulseek/rooms/tea/say", {"text": "hi"}).status_code == 302
    assert [row.text for row in message_page("bob").items] == ["again", "hello"]


def test_rooms_are_found_joined_left_and_a_refusal_is_explained(operator: Client, viewer: Client) -> None:
    listed({"Indie & Vinyl": 30, "<b>bold</b>": 3})
    page = viewer.get("/soulseek/rooms").content.decode()
    assert "Indie &amp; Vinyl" in page
    assert "<b>bold" not in page
    assert "You are in no room." in page
    assert viewer.post("/soulseek/rooms-join", {"name": "x"}).status_code == 403
    assert operator.post("/soulseek/rooms-join", {"name": "Indie & Vinyl"}).status_code == 302
    assert Room.objects.get().joined
    room("Indie & Vinyl", users=[("bob", "online"), ("troll", "away")], lines=[("bob", HOSTILE), ("troll", "grr")])
    UserRule.objects.create(effect="ignore", match="user", pattern="troll")
    page = operator.get("/soulseek/rooms/Indie & Vinyl").content.decode()
    harmless(page)
    assert "grr" not in page, "lines of the ignored are hidden"
    assert 'class="dimmed"' in page
    assert operator.post("/soulseek/rooms/Indie & Vinyl/leave").status_code == 302
    assert not Room.objects.get().joined
    assert operator.get("/soulseek/rooms/nowhere").status_code == 404


def test_a_user_shows_what_they_say_and_rules_are_a_click(operator: Client, viewer: Client) -> None:
    known("bob", description=HOSTILE, picture=GIF)
    page = viewer.get("/soulseek/users/bob").content.decode()
    harmless(page)
    assert 'src="/soulseek/users/bob/picture?v=' in page
    assert "12345" in page
    for effect, expected in (("buddy", {"buddy"}), ("ban", {"ban"}), ("ignore", {"ignore"}), ("no-ignore", set())):
        operator.post("/soulseek/users/bob/rule", {"effect": effect, "note": "met at a fair"})
        assert set(UserRule.objects.values_list("effect", flat=True)) == expected
    assert viewer.post("/soulseek/users/bob/rule", {"effect": "ban"}).status_code == 403
    assert operator.post("/soulseek/users/bob/look").status_code == 302
    assert "They are being asked" in operator.get("/soulseek/users/bob").content.decode()
    assert viewer.get("/soulseek/users?user=a/b").headers["Location"] == "/soulseek/users/a~2Fb"
    assert viewer.get("/soulseek/users/stranger").status_code == 200


def test_files_are_looked_at_folder_by_folder_filtered_and_downloaded(operator: Client, viewer: Client) -> None:
    empty = viewer.get("/soulseek/users/bob/files")
    assert "it appears here when it came" in empty.content.decode()
    assert operator.post("/soulseek/users/bob/files/browse").status_code == 302
    assert "They are being asked" in str(files_snapshot(empty.wsgi_request, "bob")()["files-state"])
    share_of("bob", {"Music\\A & B": [("<i>01</i>.flac", 5), ("02.flac", 6)], "Music\\A & B\\Scans": [("1.jpg", 1)]})
    page = viewer.get("/soulseek/users/bob/files?folder=Music%5CA%20%26%20B").content.decode()
    assert "<i>01" not in page
    assert "&lt;i&gt;01&lt;/i&gt;.flac" in page
    assert "folder=Music%5CA%20%26%20B%5CScans" in page
    assert 'type="checkbox"' not in page, "who may only look has nothing to choose"
    found = viewer.get("/soulseek/users/bob/files?q=scans").content.decode()
    assert "1.jpg" in found
    assert "02.flac" not in found
    address = "/soulseek/users/bob/files/download"
    assert viewer.post(address, {"folder": "Music\\A & B", "how": "deep"}).status_code == 403
    operator.post(address, {"folder": "Music\\A & B", "how": "chosen", "file": ["<i>01</i>.flac"]})
    assert [row.remote_path for row in Download.objects.all()] == ["Music\\A & B\\<i>01</i>.flac"]
    operator.post(address, {"folder": "Music\\A & B", "how": "deep"})
    assert Download.objects.count() == 3
    answer = operator.post(address, {"folder": "Elsewhere", "how": "folder"}, follow=True)
    assert "There are no such files" in answer.content.decode()


def test_a_list_appears_in_the_page_that_waits_for_it_and_a_newer_one_takes_its_place(operator: Client) -> None:
    page = operator.get("/soulseek/users/bob/files?folder=Music%5CA&q=")
    assert 'data-live="/live/soulseek/users/bob/files?folder=Music%5CA&amp;q="' in page.content.decode()
    live = files_snapshot(page.wsgi_request, "bob")
    assert "it appears here when it came" in str(live()["list"])
    came_at = timezone.now() - timedelta(minutes=5)
    share_of("bob", {"Music\\A": [("01.flac", 5)], "Music\\B": [("02.flac", 5)]}, at=came_at)
    first = str(live()["list"])
    assert "01.flac" in first
    assert "02.flac" not in first, "only the folder that is looked at"
    assert 'type="checkbox" form="files-take"' in first
    assert live()["list"] == first
    share_of("bob", {"Music\\A": [("03.flac", 5)]}, at=came_at + timedelta(minutes=1))
    second = str(live()["list"])
    assert "03.flac" in second
    inner = re.compile(r'<div id="list">.*?<div id="(list-[^"]+)"')
    assert inner.findall(first) != inner.findall(second), "ticked boxes must not stay beside other names"


def test_buddies_have_a_list_that_says_who_is_there_and_follows_it(viewer: Client) -> None:
    empty = viewer.get("/soulseek/users?show=buddies")
    assert "No buddies" in empty.content.decode()
    assert 'data-live="/live/soulseek/users?show=buddies"' in empty.content.decode()
    UserRule.objects.create(effect="buddy", match="user", pattern="bob", note=HOSTILE)
    page = viewer.get("/soulseek/users?show=buddies")
    harmless(page.content.decode())
    assert 'href="/soulseek/users/bob"' in page.content.decode()
    assert "Online" not in str(users_parts(page.wsgi_request)["users-list"])
    known("bob")
    assert "Online" in str(users_parts(page.wsgi_request)["users-list"])
    known("carol")
    assert "carol" not in str(users_parts(page.wsgi_request)["users-list"])
    assert "carol" in viewer.get("/soulseek/users").content.decode()


def test_fifty_thousand_files_are_shown_and_searched_page_by_page(
    viewer: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    share_of(
        "bob",
        {
            f"Music\\Artist {number // 10:03}\\Album {number:04}": [(f"{track:02} Song.flac", 9) for track in range(12)]
            for number in range(4200)
        },
    )
    seen: list[int] = []
    for address in ("", "?folder=Music", "?q=song+07", "?folder=Music%5CArtist%20001%5CAlbum%200010"):
        with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
            page = viewer.get(f"/soulseek/users/bob/files{address}").content
        seen.append(page.count(b"<tr data-row"))
        assert len(page) < 300_000
    assert seen == [1, 200, 200, 12]
    following = re.search(rb'rel="next" href="([^"]+)"', viewer.get("/soulseek/users/bob/files?q=song+07").content)
    assert following is not None
    more = viewer.get("/soulseek/users/bob/files" + html.unescape(following[1].decode())).content
    assert more.count(b"<tr data-row") == 200


def test_live_parts_are_in_their_pages_and_equal_while_nothing_changes(viewer: Client, olga: User) -> None:
    came("bob", "hi", server_id=1, at=timezone.now() - timedelta(hours=3))
    known("bob")
    room("tea", users=[("bob", "online")], lines=[("bob", "hi")])
    files = "/soulseek/users/bob/files"
    pages: list[tuple[str, Callable[[], Mapping[str, object]]]] = [
        ("/soulseek/messages/bob", lambda: chat_parts("bob", reads=False)),
        ("/soulseek/rooms/tea", lambda: room_parts("tea", reads=False)),
        ("/soulseek/users/bob", lambda: user_parts("bob")),
        (files, files_snapshot(viewer.get(files).wsgi_request, "bob")),
    ]
    for address, parts in pages:
        page = viewer.get(address).content.decode()
        first = parts()
        assert {key: first[key] for key in STILL & first.keys()} == {key: parts()[key] for key in STILL & first.keys()}
        assert all(f'id="{part}"' in page for part in first), address


def test_pages_take_a_fixed_number_of_queries(
    viewer: Client, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(60):
        went(f"user{number}", "x")
    for number in range(120):
        came("bob", "x", server_id=number)
    room("tea", users=[(f"user{number}", "online") for number in range(200)], lines=[("bob", "hi")] * 150)
    for address in (
        "/soulseek/messages",
        "/soulseek/messages/bob",
        "/soulseek/rooms",
        "/soulseek/rooms/tea",
        "/soulseek/users",
    ):
        with django_assert_max_num_queries(28):  # type: ignore[attr-defined]
            assert viewer.get(address).status_code == 200
