"""Messages, rooms, users and browsing over a real server, with clients of the library and a real Nicotine+ as the other side."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aioslsk.commands import JoinRoomCommand, PeerGetUserInfoCommand, PrivateMessageCommand, RoomMessageCommand
from aioslsk.events import MessageReceivedEvent
from aioslsk.protocol.messages import PrivateChatMessage, RoomChatMessage

from apps.domain.errors import DomainError
from apps.domain.soulseek.people import Pace
from apps.domain.soulseek.share_pack import ShareView
from apps.domain.soulseek.user_rules import Effect, MatchBy, Rule
from overlay_node.soulseek.browsing import BrowsePart
from overlay_node.soulseek.people import PeoplePart
from overlay_node.soulseek.plane import Part, SoulseekPlane
from overlay_node.soulseek.ports import PlaneContext, PlaneRows
from overlay_node.soulseek.rooms import RoomsPart
from overlay_node.soulseek.standing import Standings
from overlay_node.store.soulseek.memory_errands import MemoryErrands
from overlay_node.store.soulseek.memory_people import MemoryPeopleRows
from slskdn_site.demo.soulseek_server.server import ServerSettings
from tests.nicotine import Nicotine
from tests.overlay_node.soulseek.world import World, memory_rows, played, soulseek_world


def parts_of(context: PlaneContext) -> Sequence[Part]:
    standings = Standings(context, context.rows.sharing)
    people = PeoplePart(context, context.rows.people, standings, pace=Pace(burst=6, per_s=0.8))
    rooms = RoomsPart(context, context.rows.people, standings, paced=people.paced)
    return [standings, people, rooms, BrowsePart(context, context.rows.people)]


def memory(rows: PlaneRows) -> MemoryPeopleRows:
    assert isinstance(rows.people, MemoryPeopleRows)
    return rows.people


async def asked(rows: PlaneRows, plane: SoulseekPlane, kind: str, *, deadline_s: float = 20, **payload: object) -> Any:
    """A command and its answer's body; raises DomainError with its code."""
    assert isinstance(rows.errands, MemoryErrands)
    one = rows.errands.put(kind, payload, deadline_s=deadline_s)
    plane.wake()
    await World.until(lambda: rows.errands.answer_of(one) is not None)  # type: ignore[attr-defined]
    answer = rows.errands.answer_of(one)
    assert answer is not None
    if answer.code:
        raise DomainError(answer.code, code=answer.code, **answer.params)
    return dict(answer.body)


class Ears:
    """What a client of the library hears."""

    def __init__(self, client: Any) -> None:
        self.private: list[tuple[str, str]] = []
        self.rooms: list[tuple[str, str, str]] = []
        client.events.register(MessageReceivedEvent, self.hear)

    async def hear(self, event: Any) -> None:
        message = event.message
        if isinstance(message, PrivateChatMessage.Response):
            self.private.append((message.username, message.message))
        elif isinstance(message, RoomChatMessage.Response):
            self.rooms.append((message.room, message.username, message.message))


def test_two_people_write_to_each_other_and_a_message_is_acknowledged_once_it_is_written(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = memory_rows()
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane(parts=parts_of, rows=rows)
            await world.until(lambda: plane.online)
            async with world.user("bob") as bob:
                ears = Ears(bob)
                await bob.execute(PrivateMessageCommand("alice", "hello alice"))
                await world.until(lambda: memory(rows).messages)
                (came,) = memory(rows).messages
                assert (came.user, came.text, came.incoming, came.while_away) == ("bob", "hello alice", True, False)
                await world.until(lambda: not world.server._mail["alice"])
                answer = await asked(rows, plane, "soulseek_message", user="bob", text="hi\nbob")
                assert answer["status"] == "online"
                assert answer["id"]
                await world.until(lambda: ears.private)
                assert ears.private == [("alice", "hi bob")]
            await world.until(lambda: memory(rows).users.get("bob") and memory(rows).users["bob"].status == "offline")
            answer = await asked(rows, plane, "soulseek_message", user="bob", text="are you there?")
            assert answer["status"] == "offline"
            with pytest.raises(DomainError) as refused:
                await asked(rows, plane, "soulseek_message", user="nobody-here", text="hi")
            assert refused.value.code == "soulseek_user_unknown"
            async with world.user("bob") as bob:
                ears = Ears(bob)
                await bob.execute(PrivateMessageCommand("alice", "back"))
                await world.until(lambda: len(memory(rows).messages) == 4)

    played(scene)


class Failing(MemoryPeopleRows):
    """A database that is away at first."""

    away = True

    async def messages_write(self, messages: Any) -> tuple[int | None, ...]:
        if self.away:
            raise DomainError("away", code="store_unavailable")
        return await MemoryPeopleRows.messages_write(self, messages)


def test_what_was_not_written_is_not_acknowledged_and_comes_again_after_a_restart_once(tmp_path: Path) -> None:
    async def scene() -> None:
        people = Failing()
        rows = dataclasses.replace(memory_rows(), people=people)
        async with soulseek_world(tmp_path) as world, world.user("bob") as bob:
            config = world.config()
            plane = await world.plane(parts=parts_of, rows=rows, config=config)
            await world.until(lambda: plane.online)
            await bob.execute(PrivateMessageCommand("alice", "important"))
            await world.until(lambda: world.server._mail.get("alice"))
            await plane.stop()
            assert world.server._mail["alice"], "acknowledged and lost"
            people.away = False
            again = await world.plane(parts=parts_of, rows=rows, config=world.config(), boot_id="boot-2")
            await world.until(lambda: people.messages and not world.server._mail["alice"])
            world.server._mail["alice"] = []
            kept = people.messages[0]
            # The server repeats one that it thinks was not heard.
            user = world.server.users["alice"]
            repeat = PrivateChatMessage.Response(
                chat_id=kept.server_id,
                timestamp=int(kept.at.timestamp()),
                username="bob",
                message="important",
                is_direct=False,
            )
            world.server._send(user, repeat)
            await bob.execute(PrivateMessageCommand("alice", "second"))
            await world.until(lambda: len(people.messages) == 2)
            assert [one.text for one in people.messages] == ["important", "second"]
            await again.stop()

    played(scene)


def test_the_ignored_are_neither_heard_nor_answered_and_who_floods_is_cut(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = memory_rows()
        rows.sharing.rules = [Rule(effect=Effect.IGNORE, match=MatchBy.USER, pattern="troll")]  # type: ignore[attr-defined]
        memory(rows).wanted = ["lounge"]
        async with soulseek_world(tmp_path) as world, world.user("troll") as troll, world.user("bob") as bob:
            plane = await world.plane(parts=parts_of, rows=rows)
            await world.until(lambda: memory(rows).rooms.get("lounge") and memory(rows).rooms["lounge"].here)
            for one in (troll, bob):
                await one.execute(JoinRoomCommand("lounge"), response=True)
            await troll.execute(PrivateMessageCommand("alice", "grr"))
            await troll.execute(RoomMessageCommand("lounge", "grr"), response=True)
            await bob.execute(RoomMessageCommand("lounge", "hi all"), response=True)
            await bob.execute(PrivateMessageCommand("alice", "hi"))
            await world.until(lambda: memory(rows).lines and memory(rows).messages)
            await world.until(lambda: not world.server._mail["alice"])
            assert [one.user for one in memory(rows).messages] == ["bob"]
            assert [(one.user, one.text, one.ours) for one in memory(rows).lines] == [("bob", "hi all", False)]
            answers = await asyncio.gather(
                *(asked(rows, plane, "soulseek_message", user="bob", text=f"spam {number}") for number in range(20)),
                return_exceptions=True,
            )
            codes = [one.code for one in answers if isinstance(one, DomainError)]
            assert codes
            assert set(codes) == {"chat_too_fast"}
            assert len(codes) < 15

    played(scene)


def test_rooms_are_joined_as_wished_again_after_each_login_and_refusals_have_words(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = memory_rows()
        memory(rows).wanted = ["lounge", "secret"]
        settings = ServerSettings(private_rooms={"secret": ("carol",)})
        async with soulseek_world(tmp_path, settings) as world, world.user("bob") as bob:
            ears = Ears(bob)
            await bob.execute(JoinRoomCommand("lounge"), response=True)
            plane = await world.plane(parts=parts_of, rows=rows)
            await world.until(lambda: len(memory(rows).rooms) == 2 and memory(rows).rooms["lounge"].here)
            await world.until(lambda: memory(rows).rooms["secret"].code == "room_refused")
            assert [name for name, _ in memory(rows).rooms["lounge"].users] == ["alice", "bob"]
            assert memory(rows).listed["lounge"].members >= 1
            assert "secret" not in memory(rows).listed
            await asked(rows, plane, "soulseek_room_say", room="lounge", text="good evening")
            await world.until(lambda: ears.rooms)
            assert ears.rooms == [("lounge", "alice", "good evening")]
            assert [(one.user, one.ours) for one in memory(rows).lines] == [("alice", True)]
            with pytest.raises(DomainError) as refused:
                await asked(rows, plane, "soulseek_room_say", room="secret", text="psst")
            assert refused.value.code == "room_not_here"
            port = world.server.port
            await world.server.stop()
            await world.until(lambda: not plane.online)
            await world.until(lambda: not memory(rows).rooms["lounge"].here)
            await world.server.start(port=port)
            await world.until(lambda: memory(rows).rooms["lounge"].here)
            memory(rows).wanted = []
            plane.wake()
            await world.until(lambda: not memory(rows).rooms["lounge"].here)
            await world.until(lambda: not world.server.users["alice"].rooms)

    played(scene)


def shared(folder: Path) -> Path:
    album = folder / "Artist" / "Album"
    album.mkdir(parents=True)
    for number in range(3):
        (album / f"0{number} Söng.flac").write_bytes(b"fLaC" + bytes(1000 + number))
    (folder / "Artist" / "cover.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    return folder


def test_a_list_of_files_is_asked_for_read_in_a_thread_and_kept_and_a_folder_likewise(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = memory_rows()
        async with soulseek_world(tmp_path) as world, world.user("bob", shares=shared(tmp_path / "music")) as bob:
            plane = await world.plane(parts=parts_of, rows=rows, config=world.config(description="Vinyl and tea."))
            await world.until(lambda: plane.online)
            answer = await asked(rows, plane, "soulseek_browse", user="bob")
            assert answer["files"] == 4
            view = ShareView(memory(rows).shares["bob"].blob)
            top = view.children("")
            assert len(top) == 1
            album = next(one.path for one in view.folders if one.path.endswith("Album"))
            assert [one.name for one in view.files_of(album)] == ["00 Söng.flac", "01 Söng.flac", "02 Söng.flac"]
            assert [one.size_bytes for one in view.files_of(album)] == [1004, 1005, 1006]
            answer = await asked(rows, plane, "soulseek_folder", user="bob", folder=album)
            assert [name for name, _size, _attributes in answer["files"]] == [one.name for one in view.files_of(album)]
            answer = await asked(rows, plane, "soulseek_user", user="bob")
            assert answer == {"status": "online"}
            assert memory(rows).infos["bob"].description == ""
            told = await bob.execute(PeerGetUserInfoCommand("alice"), response=True)
            assert told.description == "Vinyl and tea."
            with pytest.raises(DomainError) as refused:
                await asked(rows, plane, "soulseek_user", user="nobody-here")
            assert refused.value.code == "soulseek_user_unknown"

    played(scene)


def test_without_a_session_everything_is_refused_in_words(tmp_path: Path) -> None:
    async def scene() -> None:
        rows = memory_rows()
        async with soulseek_world(tmp_path) as world:
            plane = await world.plane(parts=parts_of, rows=rows, off_code="soulseek_off")
            for kind, payload in (
                ("soulseek_message", {"user": "bob", "text": "hi"}),
                ("soulseek_room_say", {"room": "lounge", "text": "hi"}),
                ("soulseek_rooms", {}),
                ("soulseek_user", {"user": "bob"}),
                ("soulseek_browse", {"user": "bob"}),
                ("soulseek_folder", {"user": "bob", "folder": "a"}),
            ):
                with pytest.raises(DomainError) as refused:
                    await asked(rows, plane, kind, **payload)
                assert refused.value.code == "soulseek_not_online"

    played(scene)


@pytest.mark.parametrize("how", ["inflated", "garbled", "gone"])
def test_a_list_that_is_a_bomb_garbled_or_never_comes_is_refused_and_the_session_goes_on(
    tmp_path: Path, how: str
) -> None:
    import zlib

    from aioslsk.protocol.messages import PeerSharesRequest

    async def scene() -> None:
        rows = memory_rows()
        async with soulseek_world(tmp_path) as world, world.user("mallory") as mallory:

            async def answer(event: Any) -> None:
                if not isinstance(event.message, PeerSharesRequest.Request):
                    return
                if how == "gone":
                    await event.connection.disconnect()
                    return
                body = zlib.compress(bytes(65 << 20)) if how == "inflated" else b"no zlib at all"
                await event.connection.send_message(
                    (len(body) + 4).to_bytes(4, "little") + (5).to_bytes(4, "little") + body
                )

            mallory.peers._MESSAGE_MAP.pop(PeerSharesRequest.Request)  # nothing answers by itself
            mallory.events.register(MessageReceivedEvent, answer)
            plane = await world.plane(parts=parts_of, rows=rows)
            await world.until(lambda: plane.online)
            with pytest.raises(DomainError) as refused:
                await asked(rows, plane, "soulseek_browse", user="mallory")
            expected = {"inflated": "browse_too_big", "garbled": "browse_garbled", "gone": "person_unreachable"}
            assert refused.value.code == expected[how]
            assert plane.online
            assert not memory(rows).shares

    played(scene)


def test_a_real_nicotine_writes_hears_is_in_a_room_tells_of_itself_and_is_browsed(tmp_path: Path) -> None:
    """Its away reply is a real private message of a program nobody here wrote."""

    async def scene() -> None:
        rows = memory_rows()
        memory(rows).wanted = ["tea room"]
        async with soulseek_world(tmp_path) as world:
            peer = Nicotine(
                tmp_path / "nicotine",
                "nicpeer",
                server_port=world.server.port,
                shared=shared(tmp_path / "music"),
                away_reply="Gone fishing.",
                rooms=["tea room"],
            )
            peer.start()
            try:
                plane = await world.plane(parts=parts_of, rows=rows, config=world.config(description="Vinyl and tea."))
                room = memory(rows).rooms
                await world.until(lambda: "nicpeer" in dict(room["tea room"].users) if "tea room" in room else False)
                await asked(rows, plane, "soulseek_room_say", room="tea room", text="hello nicotine")
                answer = await asked(rows, plane, "soulseek_message", user="nicpeer", text="are you there?")
                assert answer["status"] in ("online", "away")
                await world.until(lambda: any(one.incoming for one in memory(rows).messages))
                came = next(one for one in memory(rows).messages if one.incoming)
                assert came.user == "nicpeer"
                assert "Gone fishing." in came.text
                await asked(rows, plane, "soulseek_user", user="nicpeer")
                assert memory(rows).infos["nicpeer"].upload_slots >= 1
                assert memory(rows).users["nicpeer"].status == "away"

                async def files() -> int:
                    return int((await asked(rows, plane, "soulseek_browse", user="nicpeer"))["files"])

                async with asyncio.timeout(20):
                    while await files() < 4:  # it scans its folder after the login
                        await asyncio.sleep(0.3)
                view = ShareView(memory(rows).shares["nicpeer"].blob)
                assert "Music\\Artist\\Album" in [one.path for one in view.folders]
                answer = await asked(rows, plane, "soulseek_folder", user="nicpeer", folder="Music\\Artist\\Album")
                assert len(answer["files"]) == 3
            finally:
                peer.stop()
            logs = "".join(path.read_text() for path in peer.folder.rglob("*.log"))
            assert "hello nicotine" in logs
            assert "are you there?" in logs

    played(scene)
