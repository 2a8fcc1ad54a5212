"""The loopback Soulseek server, met by clients of its real protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from aioslsk.protocol import messages as m

from slskdn_site.demo.soulseek_server.server import ServerSettings, SoulseekServer
from tests.patience import PATIENCE_S

T = TypeVar("T")


class RawClient:
    """Somebody at the other end of a socket: sends messages and keeps what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard: list[Any] = []

    @classmethod
    async def login(cls, port: int, name: str, password: str = "pw") -> RawClient:
        one = cls(*await asyncio.open_connection("127.0.0.1", port))
        one.send(m.Login.Request(name, password, 157, md5hash="0" * 32, minor_version=19))
        return one

    def send(self, message: Any) -> None:
        self.writer.write(message.serialize())

    async def hear(self, kind: type[T]) -> T:
        """The next message of a kind; what comes before it is kept in `heard`."""
        while True:
            message = await asyncio.wait_for(self._read(), PATIENCE_S)
            self.heard.append(message)
            if isinstance(message, kind):
                return message

    async def ended(self) -> list[Any]:
        """What still comes until the other side closes."""
        found = []
        while True:
            try:
                found.append(await asyncio.wait_for(self._read(), PATIENCE_S))
            except (asyncio.IncompleteReadError, ConnectionError):
                return found

    async def _read(self) -> Any:
        head = await self.reader.readexactly(4)
        return m.ServerMessage.deserialize_response(
            head + await self.reader.readexactly(int.from_bytes(head, "little"))
        )


@asynccontextmanager
async def running(settings: ServerSettings | None = None) -> AsyncIterator[SoulseekServer]:
    server = SoulseekServer(settings or ServerSettings())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def played(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_run(scene), 60))


async def _run(scene: Callable[[], Awaitable[None]]) -> None:
    await scene()


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [("carol", "wrong", "INVALIDPASS"), ("nobody", "pw", "INVALIDPASS"), (" x", "pw", "INVALIDUSERNAME")],
)
def test_wrong_names_and_passwords_are_refused_with_the_reason_of_the_real_one(
    name: str, password: str, reason: str
) -> None:
    async def scene() -> None:
        async with running(ServerSettings(accounts={"carol": "pw"})) as server:
            client = await RawClient.login(server.port, name, password)
            answer = await client.hear(m.Login.Response)
            assert (answer.success, answer.reason) == (False, reason)
            assert await client.ended() == []
            assert server.logins == [(name, reason)]

    played(scene)


def test_a_search_reaches_everybody_else_and_is_kept_account_of() -> None:
    async def scene() -> None:
        async with running(ServerSettings(wishlist_interval_s=33, excluded_phrases=("no such",))) as server:
            carol, dave = [await RawClient.login(server.port, name) for name in ("carol", "dave")]
            assert (await dave.hear(m.WishlistInterval.Response)).interval == 33
            assert (await dave.hear(m.ExcludedSearchPhrases.Response)).phrases == ["no such"]
            await carol.hear(m.WishlistInterval.Response)
            carol.send(m.FileSearch.Request(7, "winter garden"))
            heard = await dave.hear(m.FileSearch.Response)
            assert (heard.username, heard.ticket, heard.query) == ("carol", 7, "winter garden")
            assert [(one.user, one.query, one.kind) for one in server.searches] == [
                ("carol", "winter garden", "network")
            ]

    played(scene)


def test_who_searches_too_much_is_banned_without_a_word() -> None:
    async def scene() -> None:
        async with running(ServerSettings(search_limit=(3, 60.0))) as server:
            carol = await RawClient.login(server.port, "carol")
            await carol.hear(m.WishlistInterval.Response)
            for ticket in range(4):
                carol.send(m.FileSearch.Request(ticket, f"word {ticket}"))
            assert await carol.ended() == []
            again = await RawClient.login(server.port, "carol")
            assert await again.ended() == []
            assert server.logins == [("carol", "ok"), ("carol", "banned")]

    played(scene)


def test_a_second_login_kicks_the_first() -> None:
    async def scene() -> None:
        async with running() as server:
            first = await RawClient.login(server.port, "carol")
            await first.hear(m.WishlistInterval.Response)
            second = await RawClient.login(server.port, "carol")
            assert (await second.hear(m.Login.Response)).success
            assert any(isinstance(one, m.Kicked.Response) for one in await first.ended())
            assert list(server.users) == ["carol"]

    played(scene)


def test_presence_addresses_and_mail() -> None:
    async def scene() -> None:
        async with running(ServerSettings(accounts={"carol": "pw", "dave": "pw"})) as server:
            carol = await RawClient.login(server.port, "carol")
            carol.send(m.AddUser.Request("dave"))
            watched = await carol.hear(m.AddUser.Response)
            assert (watched.exists, watched.status) == (True, 0)
            carol.send(m.PrivateChatMessage.Request("dave", "hello"))
            dave = await RawClient.login(server.port, "dave")
            mail = await dave.hear(m.PrivateChatMessage.Response)
            assert (mail.username, mail.message, mail.is_direct) == ("carol", "hello", False)
            dave.send(m.PrivateChatMessageAck.Request(mail.chat_id))
            dave.send(m.SetListenPort.Request(2242))
            assert (await carol.hear(m.GetUserStatus.Response)).status == 2
            dave.send(m.Ping.Request())
            await dave.hear(m.Ping.Response)
            carol.send(m.GetPeerAddress.Request("dave"))
            assert (await carol.hear(m.GetPeerAddress.Response)).port == 2242
            dave.writer.close()
            assert (await carol.hear(m.GetUserStatus.Response)).status == 0
            again = await RawClient.login(server.port, "dave")
            await again.hear(m.WishlistInterval.Response)
            again.send(m.Ping.Request())
            await again.hear(m.Ping.Response)
            assert not any(isinstance(one, m.PrivateChatMessage.Response) for one in again.heard)

    played(scene)


def test_rooms_are_joined_spoken_in_and_left() -> None:
    async def scene() -> None:
        async with running() as server:
            carol, dave = [await RawClient.login(server.port, name) for name in ("carol", "dave")]
            carol.send(m.JoinRoom.Request("lab room"))
            await carol.hear(m.JoinRoom.Response)
            dave.send(m.JoinRoom.Request("lab room"))
            assert (await dave.hear(m.JoinRoom.Response)).users == ["carol", "dave"]
            assert (await carol.hear(m.UserJoinedRoom.Response)).username == "dave"
            dave.send(m.RoomChatMessage.Request("lab room", "hi"))
            assert (await carol.hear(m.RoomChatMessage.Response)).message == "hi"
            dave.writer.close()
            assert (await carol.hear(m.UserLeftRoom.Response)).username == "dave"

    played(scene)


def test_a_restarted_server_has_its_port_and_accounts_again() -> None:
    async def scene() -> None:
        async with running() as server:
            carol = await RawClient.login(server.port, "carol", "mine")
            await carol.hear(m.WishlistInterval.Response)
            port = server.port
            await server.stop()
            await carol.ended()
            assert await server.start() == port
            refused = await RawClient.login(port, "carol", "another")
            assert not (await refused.hear(m.Login.Response)).success

    played(scene)


def test_garbage_ends_a_connection_and_nothing_else() -> None:
    async def scene() -> None:
        async with running() as server:
            good = await RawClient.login(server.port, "good")
            await good.hear(m.WishlistInterval.Response)
            for garbage in (b"\xff\xff\xff\xff", b"\x08\0\0\0\x01\0\0\0\xff\xff\xff\xff", b"\x04\0\0\0\x63\x63\0\0"):
                bad = RawClient(*await asyncio.open_connection("127.0.0.1", server.port))
                bad.writer.write(garbage)
                bad.writer.write_eof()
                await bad.ended()
            good.send(m.Ping.Request())
            await good.hear(m.Ping.Response)

    played(scene)
