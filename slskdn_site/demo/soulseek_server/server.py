"""The server: one asyncio task per connection, everything it knows in memory. Messages are read and written by aioslsk's protocol classes.

What a real one does and clients depend on: login with its refusals, addresses, presence for whoever watches, private messages (kept for who is away),
rooms, relay of searches and of requests to connect, the wishlist interval, phrases that are not searched for. What a test wants of it on top: kicks, bans,
a restart, and an account of every search with its time.

Searches go straight to everybody who is online, as the server of the real network does for users without a parent; there is no distributed tree here.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aioslsk.exceptions import MessageDeserializationError, UnknownMessageError
from aioslsk.protocol import messages as m
from aioslsk.protocol.primitives import UserStats

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 1 << 20
OFFLINE, AWAY, ONLINE = 0, 1, 2
CANT_CONNECT: Final = 1001
Handler = Callable[["SoulseekServer", "User", Any], Awaitable[None]]


@dataclass(slots=True)
class User:
    """Somebody who is logged in."""

    name: str
    writer: asyncio.StreamWriter
    host: str
    port: int = 0
    status: int = ONLINE
    folders: int = 0
    files: int = 0
    speed: int = 0
    watches: set[str] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)

    @property
    def stats(self) -> UserStats:
        """As others see them."""
        return UserStats(
            avg_speed=self.speed, uploads=0, shared_file_count=self.files, shared_folder_count=self.folders
        )


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was relayed. `at`: monotonic seconds."""

    user: str
    query: str
    kind: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`accounts`: name → password; None: every new name is an account from its first login on, as on the real network."""

    accounts: Mapping[str, str] | None = None
    wishlist_interval_s: int = 720
    excluded_phrases: tuple[str, ...] = ()
    greeting: str = "Welcome to a server on loopback."
    search_limit: tuple[int, float] | None = None
    """(searches, seconds): who sends more is banned, as the real one does"""
    ban_s: float = 1800.0
    private_rooms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """room → who may be in it; the first is its owner, nobody else is let in or told of it"""


class SoulseekServer:
    """See the module."""

    def __init__(self, settings: ServerSettings = ServerSettings()) -> None:
        self.settings: Final = settings
        self.users: dict[str, User] = {}
        self.searches: list[Search] = []
        self.logins: list[tuple[str, str]] = []
        """(name, outcome) of every attempt: ok, INVALIDPASS, banned …"""
        self.banned: dict[str, float] = {}
        self._passwords: dict[str, str] = dict(settings.accounts or {})
        self._mail: dict[str, list[m.PrivateChatMessage.Response]] = {}
        self._chats = itertools.count(1)
        self._server: asyncio.Server | None = None
        self.port = 0

    # ---- its life

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, host, port or self.port, reuse_address=True)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close everything, as a crash or a restart does. Accounts and mail stay; it may be started again on its port."""
        if self._server is not None:
            self._server.close()
            for user in list(self.users.values()):
                user.writer.close()
            await self._server.wait_closed()
            self._server = None
        self.users.clear()

    def kick(self, name: str) -> bool:
        """Throw somebody out: the message first, then the end of the connection."""
        user = self.users.get(name)
        if user is None:
            return False
        self._send(user, m.Kicked.Response())
        user.writer.close()
        return True

    def ban(self, name: str, *, seconds: float | None = None) -> None:
        """Close their connection without a word and take no other for a while, as the real server does with whoever asks too much."""
        self.banned[name] = time.monotonic() + (self.settings.ban_s if seconds is None else seconds)
        if (user := self.users.get(name)) is not None:
            user.writer.close()

    def say(self, text: str) -> None:
        """A message of the operator to everybody."""
        for user in self.users.values():
            self._send(user, m.AdminMessage.Response(message=text))

    # ---- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user: User | None = None
        try:
            while True:
                message = await _read(reader)
                if isinstance(message, m.Login.Request):
                    user = self._login(message, writer)
                    if user is None:
                        return
                elif user is not None and message is not None:
                    await self._handle(user, message)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, MessageDeserializationError):
            pass
        finally:
            writer.close()
            if user is not None and self.users.get(user.name) is user:
                self._left(user)

    def _login(self, message: m.Login.Request, writer: asyncio.StreamWriter) -> User | None:
        name, host = message.username, str(writer.get_extra_info("peername")[0])
        if time.monotonic() < self.banned.get(name, 0.0):
            self.logins.append((name, "banned"))
            return None
        refusal = self._refusal(name, message.password)
        self.logins.append((name, refusal or "ok"))
        if refusal:
            writer.write(m.Login.Response(success=False, reason=refusal).serialize())
            return None
        if (other := self.users.get(name)) is not None:  # the newer login wins
            self.kick(name)
            self._left(other)
        user = User(name, writer, host)
        self.users[name] = user
        self._send(
            user,
            m.Login.Response(
                success=True,
                greeting=self.settings.greeting,
                ip=host,
                md5hash=_digest(message.password),
                privileged=False,
            ),
        )
        self._send(user, self._room_list(user))
        self._send(user, m.PrivilegedUsers.Response(users=[]))
        self._send(user, m.WishlistInterval.Response(interval=self.settings.wishlist_interval_s))
        if self.settings.excluded_phrases:
            self._send(user, m.ExcludedSearchPhrases.Response(phrases=list(self.settings.excluded_phrases)))
        self._tell_presence(user, ONLINE)
        for kept in self._mail.get(name, []):
            self._send(user, kept)
        return user

    def _refusal(self, name: str, password: str) -> str:
        if not name or len(name) > 30 or not name.isascii() or not name.isprintable() or name != name.strip():
            return "INVALIDUSERNAME"
        known = self._passwords.get(name)
        if known is None and self.settings.accounts is None:
            self._passwords[name] = known = password
        return "" if known is not None and known == password else "INVALIDPASS"

    async def _handle(self, user: User, message: object) -> None:
        handler = _HANDLERS.get(type(message))
        if handler is not None:
            await handler(self, user, message)

    # ---- what it is asked

    async def _listens(self, user: User, message: m.SetListenPort.Request) -> None:
        user.port = message.port

    async def _address(self, user: User, message: m.GetPeerAddress.Request) -> None:
        other = self.users.get(message.username)
        host, port = (other.host, other.port) if other else ("0.0.0.0", 0)  # noqa: S104  (what the real one says of who is away)
        self._send(
            user,
            m.GetPeerAddress.Response(
                username=message.username, ip=host, port=port, obfuscated_port_amount=0, obfuscated_port=0
            ),
        )

    async def _watch(self, user: User, message: m.AddUser.Request) -> None:
        user.watches.add(message.username)
        other = self.users.get(message.username)
        exists = other is not None or message.username in self._passwords
        self._send(
            user,
            m.AddUser.Response(
                username=message.username,
                exists=exists,
                status=(other.status if other else OFFLINE) if exists else None,
                user_stats=(other.stats if other else UserStats(0, 0, 0, 0)) if exists else None,
                country_code="" if exists and other is not None else None,
            ),
        )

    async def _unwatch(self, user: User, message: m.RemoveUser.Request) -> None:
        user.watches.discard(message.username)

    async def _status(self, user: User, message: m.GetUserStatus.Request) -> None:
        other = self.users.get(message.username)
        status = other.status if other else OFFLINE
        self._send(user, m.GetUserStatus.Response(username=message.username, status=status, privileged=False))

    async def _stats(self, user: User, message: m.GetUserStats.Request) -> None:
        other = self.users.get(message.username)
        stats = other.stats if other else UserStats(0, 0, 0, 0)
        self._send(user, m.GetUserStats.Response(username=message.username, user_stats=stats))

    async def _shares(self, user: User, message: m.SharedFoldersFiles.Request) -> None:
        user.folders, user.files = message.shared_folder_count, message.shared_file_count

    async def _speed(self, user: User, message: m.SendUploadSpeed.Request) -> None:
        user.speed = message.speed

    async def _set_status(self, user: User, message: m.SetStatus.Request) -> None:
        user.status = message.status
        self._tell_presence(user, message.status)

    async def _search(self, user: User, message: m.FileSearch.Request) -> None:
        self._relay(user, message.ticket, message.query, "network", list(self.users.values()))

    async def _wish(self, user: User, message: m.WishlistSearch.Request) -> None:
        self._relay(user, message.ticket, message.query, "wishlist", list(self.users.values()))

    async def _user_search(self, user: User, message: m.UserSearch.Request) -> None:
        other = self.users.get(message.username)
        self._relay(user, message.ticket, message.query, "user", [other] if other else [])

    async def _room_search(self, user: User, message: m.RoomSearch.Request) -> None:
        inside = [one for one in self.users.values() if message.room in one.rooms]
        self._relay(user, message.ticket, message.query, "room", inside)

    async def _connect(self, user: User, message: m.ConnectToPeer.Request) -> None:
        other = self.users.get(message.username)
        if other is None:
            self._send(user, m.CannotConnect.Response(ticket=message.ticket))
            return
        self._send(
            other,
            m.ConnectToPeer.Response(
                username=user.name,
                typ=message.typ,
                ip=user.host,
                port=user.port,
                ticket=message.ticket,
                privileged=False,
                obfuscated_port_amount=0,
                obfuscated_port=0,
            ),
        )

    async def _cannot_connect(self, user: User, message: m.CannotConnect.Request) -> None:
        if message.username and (other := self.users.get(message.username)) is not None:
            self._send(other, m.CannotConnect.Response(ticket=message.ticket, username=user.name))

    async def _private(self, user: User, message: m.PrivateChatMessage.Request) -> None:
        other = self.users.get(message.username)
        kept = m.PrivateChatMessage.Response(
            chat_id=next(self._chats),
            timestamp=int(time.time()),
            username=user.name,
            message=message.message,
            is_direct=other is not None,
        )
        self._mail.setdefault(message.username, []).append(kept)
        if other is not None:
            self._send(other, kept)

    async def _private_ack(self, user: User, message: m.PrivateChatMessageAck.Request) -> None:
        kept = self._mail.get(user.name, [])
        self._mail[user.name] = [one for one in kept if one.chat_id != message.chat_id]

    async def _join(self, user: User, message: m.JoinRoom.Request) -> None:
        room = message.room
        members = self.settings.private_rooms.get(room)
        if members is not None and user.name not in members:
            self._send(user, m.CannotCreateRoom.Response(room=room))
            return
        inside = [one for one in self.users.values() if room in one.rooms and one is not user]
        user.rooms.add(room)
        everybody = [*inside, user]
        self._send(
            user,
            m.JoinRoom.Response(
                room=room,
                users=[one.name for one in everybody],
                users_status=[one.status for one in everybody],
                users_stats=[one.stats for one in everybody],
                users_slots_free=[1] * len(everybody),
                users_countries=[""] * len(everybody),
                owner=members[0] if members else None,
                operators=[] if members else None,
            ),
        )
        self._send(user, m.RoomTickers.Response(room=room, tickers=[]))
        for one in inside:
            self._send(
                one,
                m.UserJoinedRoom.Response(
                    room=room,
                    username=user.name,
                    status=user.status,
                    user_stats=user.stats,
                    slots_free=1,
                    country_code="",
                ),
            )

    async def _leave(self, user: User, message: m.LeaveRoom.Request) -> None:
        self._leave_room(user, message.room)
        self._send(user, m.LeaveRoom.Response(room=message.room))

    async def _room_says(self, user: User, message: m.RoomChatMessage.Request) -> None:
        if message.room not in user.rooms:
            return
        for one in self.users.values():
            if message.room in one.rooms:
                self._send(
                    one, m.RoomChatMessage.Response(room=message.room, username=user.name, message=message.message)
                )

    async def _rooms(self, user: User, message: m.RoomList.Request) -> None:
        self._send(user, self._room_list(user))

    async def _privileges(self, user: User, message: m.CheckPrivileges.Request) -> None:
        self._send(user, m.CheckPrivileges.Response(time_left=0))

    async def _ping(self, user: User, message: m.Ping.Request) -> None:
        self._send(user, m.Ping.Response())

    # ---- inside

    def _relay(self, user: User, ticket: int, query: str, kind: str, to: list[User]) -> None:
        self.searches.append(Search(user.name, query, kind, time.monotonic()))
        if self._too_many(user.name):
            self.ban(user.name)
            return
        for one in to:
            if one is not user:
                self._send(one, m.FileSearch.Response(username=user.name, ticket=ticket, query=query))

    def _too_many(self, name: str) -> bool:
        if self.settings.search_limit is None:
            return False
        most, seconds = self.settings.search_limit
        since = time.monotonic() - seconds
        return sum(1 for one in self.searches if one.user == name and one.at > since and one.kind != "wishlist") > most

    def _room_list(self, asker: User) -> m.RoomList.Response:
        counts: dict[str, int] = {}
        for user in self.users.values():
            for room in user.rooms:
                counts[room] = counts.get(room, 0) + 1
        private = self.settings.private_rooms
        public = {room: count for room, count in counts.items() if room not in private}
        owned = [room for room, members in private.items() if members[:1] == (asker.name,)]
        member = [room for room, members in private.items() if asker.name in members[1:]]
        return m.RoomList.Response(
            rooms=list(public),
            rooms_user_count=list(public.values()),
            rooms_private_owned=owned,
            rooms_private_owned_user_count=[counts.get(room, 0) for room in owned],
            rooms_private=member,
            rooms_private_user_count=[counts.get(room, 0) for room in member],
            rooms_private_operated=[],
        )

    def _leave_room(self, user: User, room: str) -> None:
        user.rooms.discard(room)
        for one in self.users.values():
            if room in one.rooms:
                self._send(one, m.UserLeftRoom.Response(room=room, username=user.name))

    def _left(self, user: User) -> None:
        self.users.pop(user.name, None)
        for room in list(user.rooms):
            self._leave_room(user, room)
        self._tell_presence(user, OFFLINE)

    def _tell_presence(self, user: User, status: int) -> None:
        for one in self.users.values():
            if user.name in one.watches:
                self._send(one, m.GetUserStatus.Response(username=user.name, status=status, privileged=False))

    @staticmethod
    def _send(user: User, message: Any) -> None:
        if not user.writer.is_closing():
            user.writer.write(message.serialize())


def _digest(password: str) -> str:
    """As the login's answer holds it: proof that the server knows the password. The protocol's MD5, not ours."""
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


async def _read(reader: asyncio.StreamReader) -> object | None:
    """The next message; None for one that this server does not know. Raises IncompleteReadError at the end, ConnectionError for a monster."""
    head = await reader.readexactly(4)
    size = int.from_bytes(head, "little")
    if size > MAX_MESSAGE_BYTES:
        raise ConnectionError("a message beyond all bounds")
    body = await reader.readexactly(size)
    try:
        found: object = m.ServerMessage.deserialize_request(head + body)
    except UnknownMessageError:
        log.info("unknown message: code=%s", int.from_bytes(body[:4], "little"))
        return None
    return found


_HANDLERS: Mapping[type, Handler] = {
    m.SetListenPort.Request: SoulseekServer._listens,
    m.GetPeerAddress.Request: SoulseekServer._address,
    m.AddUser.Request: SoulseekServer._watch,
    m.RemoveUser.Request: SoulseekServer._unwatch,
    m.GetUserStatus.Request: SoulseekServer._status,
    m.GetUserStats.Request: SoulseekServer._stats,
    m.SharedFoldersFiles.Request: SoulseekServer._shares,
    m.SendUploadSpeed.Request: SoulseekServer._speed,
    m.SetStatus.Request: SoulseekServer._set_status,
    m.FileSearch.Request: SoulseekServer._search,
    m.WishlistSearch.Request: SoulseekServer._wish,
    m.UserSearch.Request: SoulseekServer._user_search,
    m.RoomSearch.Request: SoulseekServer._room_search,
    m.ConnectToPeer.Request: SoulseekServer._connect,
    m.CannotConnect.Request: SoulseekServer._cannot_connect,
    m.PrivateChatMessage.Request: SoulseekServer._private,
    m.PrivateChatMessageAck.Request: SoulseekServer._private_ack,
    m.JoinRoom.Request: SoulseekServer._join,
    m.LeaveRoom.Request: SoulseekServer._leave,
    m.RoomChatMessage.Request: SoulseekServer._room_says,
    m.RoomList.Request: SoulseekServer._rooms,
    m.CheckPrivileges.Request: SoulseekServer._privileges,
    m.Ping.Request: SoulseekServer._ping,
}
