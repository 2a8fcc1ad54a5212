"""Messages, rooms, users and files over the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from apps.domain.contracts.soulseek_people import RoomReport
from apps.domain.errors import DomainError
from apps.nodelink.models import NodeCommand
from apps.soulseek.models import Batch, Conversation, Download, Room, RoomState, UserRule
from apps.soulseek.selectors_people import unread_people
from apps.soulseek.services_node_people import rooms_report
from tests.apps.soulseek.conftest import ClientOf
from tests.apps.soulseek.people_rows import (
    GIF,
    HOSTILE,
    NAMES,
    came,
    known,
    listed,
    node_that_answers,
    room,
    share_of,
    went,
)

pytestmark = pytest.mark.django_db
JSON = "application/json"


def test_conversations_are_listed_with_what_is_unread_and_closed_ones_come_back(client_of: ClientOf) -> None:
    now = timezone.now()
    came("bob", "one", server_id=1, at=now - timedelta(minutes=5))
    came("bob", "two", server_id=2)
    went("carol", HOSTILE)
    known("bob", status="away")
    viewer, operator = client_of("viewer"), client_of("operator")
    body = viewer.get("/api/soulseek/messages").json()
    assert body["unread_people"] == 1
    assert [(one["user"], one["text"], one["unread"], one["status"], one["incoming"]) for one in body["items"]] == [
        ("carol", HOSTILE, 0, "", False),
        ("bob", "two", 2, "away", True),
    ]
    assert viewer.post("/api/soulseek/messages/bob/read").status_code == 403
    assert operator.post("/api/soulseek/messages/bob/read").status_code == 204
    assert unread_people() == 0
    assert operator.post("/api/soulseek/messages/bob/close").status_code == 204
    assert [one["user"] for one in viewer.get("/api/soulseek/messages").json()["items"]] == ["carol"]
    came("bob", "three", server_id=3)
    body = viewer.get("/api/soulseek/messages").json()
    assert [(one["user"], one["unread"]) for one in body["items"]] == [("bob", 1), ("carol", 0)]


def test_a_conversation_is_deleted_by_those_who_may_answer(client_of: ClientOf) -> None:
    came("bob", "one", server_id=1)
    went("bob", "two")
    came("carol", "three", server_id=2)
    viewer, operator = client_of("viewer"), client_of("operator")
    operator.post("/api/soulseek/messages/bob/read")
    assert viewer.delete("/api/soulseek/messages/bob").status_code == 403
    assert operator.delete("/api/soulseek/messages/bob").status_code == 204
    assert operator.delete("/api/soulseek/messages/bob").status_code == 404
    assert [one["user"] for one in viewer.get("/api/soulseek/messages").json()["items"]] == ["carol"]
    assert viewer.get("/api/soulseek/messages/bob").json()["items"] == []
    came("bob", "four", server_id=3)
    (fresh,) = (one for one in viewer.get("/api/soulseek/messages").json()["items"] if one["user"] == "bob")
    assert (fresh["text"], fresh["unread"]) == ("four", 1)


def test_messages_come_in_pages_the_newest_first(client_of: ClientOf) -> None:
    for number in range(7):
        came("vinyl/cat", str(number), server_id=number)
    viewer = client_of("viewer")
    first = viewer.get("/api/soulseek/messages/vinyl~2Fcat?limit=5").json()
    assert [one["text"] for one in first["items"]] == ["6", "5", "4", "3", "2"]
    rest = viewer.get(f"/api/soulseek/messages/vinyl~2Fcat?limit=5&cursor={first['next']}").json()
    assert [one["text"] for one in rest["items"]] == ["1", "0"]
    assert viewer.get("/api/soulseek/messages/bob?cursor=nonsense").status_code == 400
    assert unread_people() == 1


@pytest.mark.django_db(transaction=True)
def test_sending_waits_for_the_node_and_its_refusal_is_the_answers_code(client_of: ClientOf) -> None:
    operator = client_of("operator")

    def message(payload: object) -> dict[str, object]:
        assert isinstance(payload, dict)
        if payload["user"] == "ghost":
            raise DomainError("no", code="soulseek_user_unknown", user="ghost")
        return {"id": went(str(payload["user"]), str(payload["text"])), "status": "offline"}

    with node_that_answers({"soulseek_message": message, "soulseek_room_say": lambda _payload: {}}) as asked:
        answer = operator.post("/api/soulseek/messages/bob", {"text": "hi\nthere"}, JSON)
        assert (answer.status_code, answer.json()["status"]) == (201, "offline")
        refused = operator.post("/api/soulseek/messages/ghost", {"text": "hi"}, JSON).json()
        assert (refused["code"], refused["message"]) == ("soulseek_user_unknown", "There is no user ghost on Soulseek.")
        assert operator.post("/api/soulseek/rooms/tea/lines", {"text": "hello"}, JSON).status_code == 204
        long = operator.post("/api/soulseek/messages/bob", {"text": "x" * 1001}, JSON).json()
        assert long["code"] == "chat_too_long"
    assert asked == [
        ("soulseek_message", {"user": "bob", "text": "hi there"}),
        ("soulseek_message", {"user": "ghost", "text": "hi"}),
        ("soulseek_room_say", {"room": "tea", "text": "hello"}),
    ]
    assert Conversation.objects.get(user="bob").read_up_to > 0
    assert client_of("viewer").post("/api/soulseek/messages/bob", {"text": "x"}, JSON).status_code == 403


def test_rooms_are_listed_looked_through_joined_and_left(client_of: ClientOf) -> None:
    viewer, operator = client_of("viewer"), client_of("operator")
    listed({f"room {number:03}": number for number in range(120)} | {"Tea": 5000})
    room("Tea", users=[("bob", "online"), ("troll", "away")], lines=[("bob", "hi"), ("alice", "hello"), ("troll", "x")])
    UserRule.objects.create(effect="ignore", match="user", pattern="troll")
    body = viewer.get("/api/soulseek/rooms?limit=50").json()
    assert [(one["name"], one["unread"], one["here"]) for one in body["joined"]] == [("Tea", 2, True)]
    assert [one["name"] for one in body["items"][:2]] == ["room 119", "room 118"]
    more = viewer.get(f"/api/soulseek/rooms?limit=50&cursor={body['next']}").json()
    assert more["items"][0]["name"] == "room 069"
    assert [one["name"] for one in viewer.get("/api/soulseek/rooms?q=tEA").json()["items"]] == ["Tea"]
    one = viewer.get("/api/soulseek/rooms/Tea").json()
    assert [(user["name"], user["ignored"]) for user in one["users"]] == [("bob", False), ("troll", True)]
    lines = viewer.get("/api/soulseek/rooms/Tea/lines").json()["items"]
    assert [(line["user"], line["ours"], line["muted"]) for line in lines] == [
        ("troll", False, True),
        ("alice", True, False),
        ("bob", False, False),
    ]
    assert operator.post("/api/soulseek/rooms", {"name": "club"}, JSON).status_code == 202
    rooms_report([RoomReport(name="club", here=False, code="room_refused")])
    refused = viewer.get("/api/soulseek/rooms/club").json()
    assert (refused["wanted"], refused["here"]) == (True, False)
    assert "private" in refused["says"]
    assert operator.delete("/api/soulseek/rooms/club").status_code == 204
    assert operator.delete("/api/soulseek/rooms/club").status_code == 404
    assert not Room.objects.get(name="club").joined
    unknown = viewer.get("/api/soulseek/rooms/nowhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "room_unknown")
    assert operator.post("/api/soulseek/rooms", {"name": "\t"}, JSON).status_code == 400
    assert RoomState.objects.get(name="Tea").last_line > 0


def test_buddies_are_listed_with_presence_and_notes_known_or_not(
    client_of: ClientOf, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for name in ("Zoe", "adam", "bob", "carol"):
        UserRule.objects.create(
            effect="buddy", match="user", pattern=name, note=f"note {name}" if name == "adam" else ""
        )
    UserRule.objects.create(effect="buddy", match="regex", pattern="x.*")
    UserRule.objects.create(effect="ignore", match="user", pattern="troll")
    known("carol")
    known("bob", status="away")
    known("troll")
    viewer = client_of("viewer")
    with django_assert_max_num_queries(9):  # type: ignore[attr-defined]
        items = viewer.get("/api/soulseek/users?show=buddies").json()["items"]
    assert [(one["name"], one["status"], one["known"], one["note"]) for one in items] == [
        ("carol", "online", True, ""),
        ("bob", "away", True, ""),
        ("adam", "", False, "note adam"),
        ("Zoe", "", False, ""),
    ]
    assert all(one["buddy"] for one in items)
    assert [one["name"] for one in viewer.get("/api/soulseek/users?show=buddies&q=AR").json()["items"]] == ["carol"]
    assert viewer.get("/api/soulseek/users?show=foes").status_code == 400


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_an_address(client_of: ClientOf, name: str) -> None:
    from django.urls import reverse

    known(name, description=HOSTILE)
    viewer = client_of("viewer")
    body = viewer.get(reverse("api-soulseek-user", kwargs={"name": name})).json()
    assert (body["name"], body["status"], body["files"], body["description"]) == (name, "online", 12_345, HOSTILE)
    assert viewer.get(reverse("soulseek-user", kwargs={"name": name})).status_code == 200


def test_a_picture_is_nothing_but_a_picture(client_of: ClientOf) -> None:
    known("bob", picture=GIF)
    known("mallory", picture=b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    viewer = client_of("viewer")
    for address in ("/api/soulseek/users/bob/picture", "/soulseek/users/bob/picture"):
        answer = viewer.get(address)
        assert answer.content == GIF
        assert answer["Content-Type"] == "image/gif"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
    assert viewer.get("/api/soulseek/users/mallory/picture").status_code == 404
    assert viewer.get("/soulseek/users/mallory/picture").status_code == 404
    assert Client().get("/soulseek/users/bob/picture").status_code in (302, 401, 403)


SHARE = {
    "Music\\Björk\\Post": [("02 Hyperballad.flac", 30), ("01 Army of Me.flac", 20)],
    "Music\\Björk\\Post\\Scans": [("front.jpg", 3)],
    "Music\\Many": [(f"{number:04}.mp3", number) for number in range(450)],
}


def test_a_list_is_asked_for_in_the_background_looked_through_and_downloaded(client_of: ClientOf) -> None:
    viewer, operator = client_of("viewer"), client_of("operator")
    assert viewer.get("/api/soulseek/users/bob/files").json()["known"] is False
    asked = operator.post("/api/soulseek/users/bob/files")
    again = operator.post("/api/soulseek/users/bob/files")
    assert (asked.status_code, asked.json()) == (202, again.json())
    assert NodeCommand.objects.get().payload == {"user": "bob"}
    assert viewer.get("/api/soulseek/users/bob").json()["browsed"]["running"] is True
    share_of("bob", SHARE)
    top = viewer.get("/api/soulseek/users/bob/files").json()
    assert [(one["name"], one["files"]) for one in top["branches"]] == [("Music", 453)]
    folder = quote("Music\\Björk\\Post")
    here = viewer.get(f"/api/soulseek/users/bob/files?folder={folder}").json()
    assert [one["name"] for one in here["branches"]] == ["Scans"]
    assert next((one["name"], one["attributes"]) for one in here["here"]) == (
        "01 Army of Me.flac",
        {"1": 245, "0": 1011},
    )
    many: list[str] = []
    cursor = ""
    for _page in range(3):
        body = viewer.get(f"/api/soulseek/users/bob/files?folder=Music%5CMany&cursor={quote(cursor)}").json()
        many += [one["name"] for one in body["here"]]
        cursor = body["next"] or ""
    assert many == [f"{number:04}.mp3" for number in range(450)]
    assert cursor == ""
    found = viewer.get("/api/soulseek/users/bob/files?q=bj%C3%B6rk+hyper").json()["found"]
    assert [one["file"]["name"] for one in found] == ["02 Hyperballad.flac"]
    chosen = {"folder": "Music\\Björk\\Post", "names": ["02 Hyperballad.flac"]}
    assert viewer.post("/api/soulseek/users/bob/download", chosen, JSON).status_code == 403
    taken = operator.post("/api/soulseek/users/bob/download", chosen, JSON)
    assert (taken.status_code, taken.json()["files"]) == (201, 1)
    deep = operator.post("/api/soulseek/users/bob/download", {"folder": "Music\\Björk", "deep": True}, JSON).json()
    assert deep["files"] == 3
    rows = {row.remote_path: row for row in Download.objects.all()}
    assert sorted(rows) == [
        "Music\\Björk\\Post\\01 Army of Me.flac",
        "Music\\Björk\\Post\\02 Hyperballad.flac",
        "Music\\Björk\\Post\\Scans\\front.jpg",
    ]
    assert rows["Music\\Björk\\Post\\02 Hyperballad.flac"].size_bytes == 30
    assert rows["Music\\Björk\\Post\\02 Hyperballad.flac"].duration_ms == 245_000
    assert {(row.user, row.title) for row in Batch.objects.all()} == {("bob", "Post"), ("bob", "Björk")}
    nothing = operator.post("/api/soulseek/users/bob/download", {"folder": "Elsewhere"}, JSON)
    assert nothing.json()["code"] == "shared_folder_unknown"
    history = viewer.get("/api/soulseek/users/bob").json()["history"]
    assert len(history) == 3


def test_lists_take_a_fixed_number_of_queries(
    client_of: ClientOf, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for number in range(60):
        went(f"user{number}", "x")
    listed({f"room {number:03}": number for number in range(120)})
    viewer = client_of("viewer")
    for address in ("/api/soulseek/messages", "/api/soulseek/rooms", "/api/soulseek/users"):
        with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
            assert viewer.get(address).status_code == 200
