"""`./slskdn chat`, `rooms` and `users` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.domain.contracts.soulseek_people import RoomReport
from apps.domain.errors import DomainError
from apps.soulseek.models import Conversation, Correspondent, Download, PrivateMessage, Room, UserRule
from apps.soulseek.services_node_people import rooms_report
from slskdn_site.cli.main import main
from tests.apps.soulseek.people_rows import HOSTILE, came, known, listed, node_that_answers, room, share_of, went

pytestmark = pytest.mark.django_db(transaction=True)

SHARE = {
    "Music\\Björk\\Post": [("02 Hyperballad.flac", 30), ("01 Army of Me.flac", 20)],
    "Music\\Björk\\Post\\Scans": [("front.jpg", 3)],
}


class Typed:
    """Commands, and what they said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def shown(self, *words: str, status: int = 0) -> str:
        """For people: never a control character."""
        assert main(list(words)) == status
        said = self._capsys.readouterr().out
        assert not {"\x1b", "\u202e", "\x00"} & set(said)
        return said

    def told(self, *words: str, status: int = 0) -> dict[str, Any]:
        """For programs: one object and nothing else."""
        assert main([*words, "--json"]) == status
        answer = json.loads(self._capsys.readouterr().out)
        assert isinstance(answer, dict)
        return answer

    def refused(self, *words: str) -> str:
        """What stands on the standard error, with its code."""
        assert main(list(words)) == 1
        captured = self._capsys.readouterr()
        assert captured.out == ""
        return captured.err.strip()


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


def test_conversations_are_listed_and_one_is_read(typed: Typed) -> None:
    assert typed.shown("chat", "list") == "No messages yet.\n"
    start = timezone.now() - timedelta(hours=1)
    came("bob", "one", server_id=1, at=start)
    came("bob", HOSTILE + "\x1b[2J", server_id=2, at=start + timedelta(minutes=1), while_away=True)
    went("carol", "hello", at=start + timedelta(minutes=2))
    carol, bob = typed.shown("chat", "list").splitlines()
    assert carol.startswith("carol")
    assert carol.endswith("> hello")
    assert "[2]" in bob
    items = typed.told("chat", "list")["items"]
    assert [(one["user"], one["unread"], one["incoming"]) for one in items] == [("carol", 0, False), ("bob", 2, True)]
    assert items[0]["at"] == (start + timedelta(minutes=2)).isoformat()
    first, second = typed.shown("chat", "show", "bob").splitlines()
    assert first.endswith("bob: one")
    assert "bob (while you were away): hi " in second
    assert typed.told("chat", "show", "bob", "--read")["items"][0]["text"] == HOSTILE + "\x1b[2J"
    assert [one["unread"] for one in typed.told("chat", "list")["items"]] == [0, 0]
    assert typed.shown("chat", "show", "nobody") == "Nothing was said yet.\n"
    assert typed.refused("chat", "show", "bob", "--cursor", "nonsense").endswith("[cursor_invalid]")


def test_pages_of_a_conversation_say_how_to_go_on(typed: Typed) -> None:
    for number in range(5):
        came("bob", f"line {number}", server_id=number)
    shown = typed.shown("chat", "show", "bob", "--limit", "3").splitlines()
    assert [line[-6:] for line in shown[:3]] == ["line 2", "line 3", "line 4"]
    cursor = shown[3].removeprefix("More: --cursor ")
    assert [one["text"] for one in typed.told("chat", "show", "bob", "--cursor", cursor)["items"]] == [
        "line 1",
        "line 0",
    ]


def test_a_message_is_sent_through_the_node_or_refused_with_a_code(typed: Typed) -> None:
    def message(payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["user"] == "ghost":
            raise DomainError("no", code="soulseek_user_unknown", user="ghost")
        status = "offline" if payload["user"] == "carol" else "online"
        return {"id": went(str(payload["user"]), str(payload["text"])), "status": status}

    with node_that_answers({"soulseek_message": message}) as asked:
        assert typed.shown("chat", "send", "bob", "good", "evening") == "Sent.\n"
        assert "the server keeps it" in typed.shown("chat", "send", "carol", "hi")
        assert typed.told("chat", "send", "bob", "more")["status"] == "online"
        assert typed.refused("chat", "send", "ghost", "hi").endswith("[soulseek_user_unknown]")
        assert typed.refused("chat", "send", "bob", " ").endswith("[chat_empty]")
        assert typed.refused("chat", "send", "bob", "x" * 1001).endswith("[chat_too_long]")
    assert [payload["text"] for _kind, payload in asked] == ["good evening", "hi", "more", "hi"]
    assert typed.shown("chat", "show", "bob").splitlines()[0].endswith("you: good evening")


def test_a_conversation_is_closed_and_comes_back_or_is_deleted_for_good(typed: Typed) -> None:
    came("bob", "one", server_id=1)
    came("carol", "two", server_id=2)
    assert typed.shown("chat", "close", "bob") == "Closed.\n"
    assert [one["user"] for one in typed.told("chat", "list")["items"]] == ["carol"]
    came("bob", "three", server_id=3)
    assert [one["user"] for one in typed.told("chat", "list")["items"]] == ["bob", "carol"]
    assert typed.told("chat", "delete", "bob") == {"deleted": 2}
    assert typed.told("chat", "delete", "bob", status=1) == {"deleted": 0}
    assert typed.told("chat", "close", "bob", status=1) == {"closed": False}
    assert [row.user for row in PrivateMessage.objects.all()] == ["carol"]
    assert [row.user for row in Correspondent.objects.all()] == ["carol"]
    assert not Conversation.objects.exists()
    came("bob", "four", server_id=4)
    assert [(one["user"], one["unread"]) for one in typed.told("chat", "list")["items"]] == [("bob", 1), ("carol", 1)]


def test_rooms_are_listed_filtered_joined_shown_and_left(typed: Typed) -> None:
    assert "No rooms are known" in typed.shown("rooms", "list")
    listed({"Tea": 12, "Coffee": 30, "Coffee & Cake": 3})
    room(
        "Tea",
        users=[("bob", "online"), ("troll", "away")],
        lines=[("bob", "hi\x1b[2J"), ("alice", "hello"), ("troll", "x")],
    )
    UserRule.objects.create(effect="ignore", match="user", pattern="troll")
    first, *rest = typed.shown("rooms", "list").splitlines()
    assert first.split() == ["*", "Tea", "2", "here", "[2]"]
    assert [line.strip().split("  ")[0] for line in rest] == ["Coffee", "Coffee & Cake", "Tea"]
    found = typed.told("rooms", "list", "--search", "cake")
    assert [one["name"] for one in found["items"]] == ["Coffee & Cake"]
    assert [one["name"] for one in found["joined"]] == ["Tea"]
    shown = typed.shown("rooms", "show", "Tea")
    assert shown.splitlines()[0] == "Tea: here, 2 people"
    assert "bob, troll" in shown
    assert "you: hello" in shown
    assert "troll: x" not in shown
    whole = typed.told("rooms", "show", "Tea")
    assert [(one["user"], one["muted"]) for one in whole["items"]] == [
        ("troll", True),
        ("alice", False),
        ("bob", False),
    ]
    assert typed.shown("rooms", "join", "club") == "club is joined in a moment.\n"
    assert Room.objects.get(name="club").joined
    rooms_report([RoomReport(name="club", here=False, code="room_refused")])
    assert "private" in typed.shown("rooms", "show", "club")
    assert typed.told("rooms", "leave", "club") == {"left": True}
    assert typed.shown("rooms", "leave", "club") == "You were not in this room.\n"
    assert typed.refused("rooms", "show", "nowhere").endswith("[room_unknown]")
    assert typed.refused("rooms", "join", "\t").endswith("[room_invalid]")


def test_a_line_is_said_and_the_list_refreshed_through_the_node(typed: Typed) -> None:
    def say(payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["room"] != "tea":
            raise DomainError("no", code="room_not_here", room=str(payload["room"]))
        return {}

    def rooms(_payload: Mapping[str, object]) -> Mapping[str, object]:
        listed({"tea": 7})
        return {"rooms": 1}

    with node_that_answers({"soulseek_room_say": say, "soulseek_rooms": rooms}) as asked:
        assert typed.shown("rooms", "say", "tea", "good", "day") == "Said.\n"
        assert typed.told("rooms", "say", "tea", "more") == {"said": True}
        assert typed.refused("rooms", "say", "club", "hi").endswith("[room_not_here]")
        assert [one["name"] for one in typed.told("rooms", "list", "--refresh")["items"]] == ["tea"]
    assert asked[0] == ("soulseek_room_say", {"room": "tea", "text": "good day"})


def test_users_are_listed_and_one_is_shown_with_what_was_exchanged(typed: Typed) -> None:
    assert typed.shown("users", "list") == "Nobody.\n"
    known("bob", description=HOSTILE)
    known("carol", status="away")
    UserRule.objects.create(effect="buddy", match="user", pattern="carol")
    assert {line.split()[0]: line.split()[1] for line in typed.shown("users", "list").splitlines()} == {
        "bob": "online",
        "carol": "away",
    }
    (carol,) = typed.told("users", "list", "--search", "CAR")["items"]
    assert (carol["name"], carol["buddy"], carol["files"]) == ("carol", True, 12_345)
    assert typed.shown("users", "show", "carol").splitlines()[0] == "carol: away, buddy"
    UserRule.objects.create(effect="buddy", match="user", pattern="zoe", note="met in Leipzig")
    assert typed.shown("users", "list", "--buddies").splitlines()[1].endswith("buddy  (met in Leipzig)")
    items = typed.told("users", "list", "--buddies")["items"]
    assert [(one["name"], one["status"], one["note"]) for one in items] == [
        ("carol", "away", ""),
        ("zoe", "", "met in Leipzig"),
    ]
    shown = typed.shown("users", "show", "bob")
    assert "12345 files in 678 folders" in shown
    assert "3 upload slots, 7 in the queue, one is free" in shown
    told = typed.told("users", "show", "bob")
    assert (told["description"], told["asked"]["running"], told["history"]) == (HOSTILE, False, [])
    assert typed.shown("users", "show", "stranger").splitlines()[0] == "stranger: presence not known"


def test_a_user_is_asked_and_browsed_and_a_refusal_has_its_code(typed: Typed) -> None:
    def look(payload: Mapping[str, object]) -> Mapping[str, object]:
        if payload["user"] == "ghost":
            raise DomainError("no", code="user_offline", user="ghost")
        known(str(payload["user"]), description="I like tea")
        return {"status": "online"}

    def browse(payload: Mapping[str, object]) -> Mapping[str, object]:
        share_of(str(payload["user"]), SHARE)
        return {"files": 3}

    with node_that_answers({"soulseek_user": look, "soulseek_browse": browse}) as asked:
        assert "I like tea" in typed.shown("users", "show", "bob", "--ask")
        assert typed.refused("users", "show", "ghost", "--ask").endswith("[user_offline]")
        top = typed.shown("users", "browse", "bob")
        assert "Music\\  (3 files)" in top
        assert typed.told("users", "browse", "bob")["files"] == 3
    assert [kind for kind, _payload in asked] == ["soulseek_user", "soulseek_user", "soulseek_browse"]
    folder = "Music\\Björk\\Post"
    here = typed.shown("users", "browse", "bob", "--folder", folder).splitlines()
    assert [line.split()[1] for line in here] == [f"{folder}\\Scans\\", "01", "02"]
    assert typed.shown("users", "browse", "bob", "--folder", folder, "--limit", "1").splitlines()[1].startswith("More:")
    (found,) = typed.told("users", "browse", "bob", "--search", "björk hyper")["found"]
    assert found["file"]["name"] == "02 Hyperballad.flac"
    assert typed.told("users", "download", "bob", folder, "--file", "02 Hyperballad.flac")["files"] == 1
    assert "1 in the queue" in typed.shown("users", "download", "bob", "Music\\Björk\\Post\\Scans", "--deep")
    assert Download.objects.count() == 2
    assert typed.refused("users", "download", "bob", "Elsewhere").endswith("[shared_folder_unknown]")
