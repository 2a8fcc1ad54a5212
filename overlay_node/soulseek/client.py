"""aioslsk as we need it: settings from us alone, listening where we say, streams instead of files, and none of its automatic second thoughts.

What is different from the library, and why (each met by hand): its settings read the environment (a variable DEBUG breaks them), so ours read nothing; it
listens on every address, ours where it is told; it replaces the loop's exception handler, which is put back; two equal requests in flight end in an
InvalidStateError, which is skipped; a message to a peer whose connection is just being closed vanishes without a word, which is an error here; its reconnecting swallows refused logins, so `SessionKeeper` decides; its share scan stalls the loop, so shares come
from our own tables; it writes the password into its log at DEBUG, so ours has none to show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from aioslsk.client import SoulSeekClient
from aioslsk.events import on_message
from aioslsk.exceptions import ConnectionWriteError
from aioslsk.network.connection import ListeningConnection
from aioslsk.network.network import ListeningConnectionErrorMode, Network, PeerConnectMode
from aioslsk.protocol.messages import Login, PrivateChatMessage, RoomList
from aioslsk.settings import (
    CredentialsSettings,
    ListeningSettings,
    NetworkSettings,
    PeerSettings,
    ServerSettings,
    Settings,
    SharesSettings,
    UpnpSettings,
)
from aioslsk.user.manager import UserManager
from typing_extensions import override

from overlay_node.soulseek.guarded import guard
from overlay_node.soulseek.streams import StreamTransferManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who we are at which server. The password is never in a repr."""

    username: str
    password: str
    server_host: str
    server_port: int
    listen_host: str = "0.0.0.0"  # noqa: S104  (peers come from everywhere; tests say loopback)
    listen_port: int = 0
    """0: nobody can connect to us; searches are answered and files fetched where the other side can be reached"""
    upnp: bool = False
    race: bool = True
    """try the direct and the indirect connection at once; off: one after the other (quieter on loopback)"""

    def __repr__(self) -> str:
        return f"Account({self.username!r} at {self.server_host}:{self.server_port})"


class _Settings(Settings):  # type: ignore[misc]  # aioslsk has no types
    """Only what is given: no environment, no file."""

    @classmethod
    @override
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_others: Any) -> tuple[Any, ...]:
        return (init_settings,)


def settings_of(account: Account) -> Settings:
    """aioslsk's settings for an account."""
    return _Settings(
        credentials=_Credentials(username=account.username, password=account.password),
        network=NetworkSettings(
            server=ServerSettings(hostname=account.server_host, port=account.server_port),
            listening=ListeningSettings(
                error_mode=ListeningConnectionErrorMode.ANY, port=account.listen_port, obfuscated_port=0
            ),
            peer=PeerSettings(connect_mode=PeerConnectMode.RACE if account.race else PeerConnectMode.FALLBACK),
            upnp=UpnpSettings(enabled=account.upnp),
        ),
        shares=SharesSettings(scan_on_start=False, download="/nonexistent"),
    )


class _Credentials(CredentialsSettings):  # type: ignore[misc]
    """As the library's, with nothing to read in its repr."""

    @override
    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"

    __str__ = __repr__


class _QuietLogin(Login.Request):  # type: ignore[misc]
    """The login as the library's log may show it: it writes every message out at DEBUG."""

    @override
    def __repr__(self) -> str:
        return f"Login.Request({self.username!r})"


class _Names(list[str]):
    """A list that knows at once what is in it: the library asks that for each room of a server, which took 1.3 s of the loop with 20,000 rooms."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self._known: Final = frozenset(self)

    @override
    def __contains__(self, name: object) -> bool:
        return name in self._known


class _Network(Network):  # type: ignore[misc]
    """Listens where it is told; tolerates answers to requests that are answered already; bounds what peers send.

    `awaits_listing`: set before the first connection by whoever reads lists of files (`overlay_node.soulseek.browsing`).
    """

    def __init__(self, settings: Settings, events: Any, *, listen_host: str) -> None:
        self._listen_host: Final = listen_host
        self.awaits_listing: Callable[[str], bool] | None = None
        super().__init__(settings, events)

    @override
    def create_listening_connections(self) -> tuple[ListeningConnection | None, None]:
        port = self._settings.network.listening.port
        if not port:
            return None, None
        return ListeningConnection(self._listen_host, port, self, obfuscated=False), None

    @override
    async def send_server_messages(self, *messages: Any, raise_on_error: bool = True) -> Any:
        quiet = [
            _QuietLogin(**{one.name: getattr(message, one.name) for one in fields(message)})
            if isinstance(message, Login.Request)
            else message
            for message in messages
        ]
        return await super().send_server_messages(*quiet, raise_on_error=raise_on_error)

    @override
    async def on_peer_accepted(self, connection: Any) -> None:
        guard(connection, self.awaits_listing)
        await super().on_peer_accepted(connection)

    @override
    def _finalize_peer_connection(self, connection: Any) -> None:
        guard(connection, self.awaits_listing)
        super()._finalize_peer_connection(connection)

    @override
    def get_active_peer_connections(self, username: str, typ: str) -> list[Any]:
        return [one for one in super().get_active_peer_connections(username, typ) if not one._is_closing]

    @override
    async def send_peer_messages(self, username: str, *messages: Any, raise_on_error: bool = True) -> Any:
        """As the library's, but what a connection that is being closed swallows is an error: a request that is believed delivered waits for ever."""
        connection = await self.get_peer_connection(username)
        results: list[tuple[Any, Exception | None]] = []
        for message in messages:
            try:
                if connection._is_closing:
                    raise ConnectionWriteError(f"{username} : the connection closes")
                await connection.send_message(message)
            except Exception as error:
                if raise_on_error:
                    raise
                results.append((message, error))
            else:
                results.append((message, None))
        return None if raise_on_error else results

    @override
    async def on_message_received(self, message: Any, connection: Any) -> None:
        if isinstance(message, RoomList.Response):
            for field in ("rooms", "rooms_private_owned", "rooms_private", "rooms_private_operated"):
                setattr(message, field, _Names(getattr(message, field)))
        # The base class would complete each waiting future without looking whether an equal message had done so.
        waiting: list[Any] = self._expected_response_futures
        waiting[:] = [one for one in waiting if not one.done()]
        await super().on_message_received(message, connection)


class _Users(UserManager):  # type: ignore[misc]
    """Private messages go to `heard`, which acknowledges them when they are written; without one, as the library's: at once."""

    heard: Callable[[Any], None] | None = None

    @on_message(PrivateChatMessage.Response)
    @override
    async def _on_private_message(self, message: Any, connection: Any) -> None:
        if self.heard is None:
            await super()._on_private_message(message, connection)
        else:
            self.heard(message)


class SoulseekClient(SoulSeekClient):  # type: ignore[misc]
    """One account's client. Made anew for each account; used again after a lost connection."""

    def __init__(self, account: Account, **more: Any) -> None:
        self._account: Final = account
        super().__init__(settings_of(account), **more)

    @override
    def create_network(self) -> Network:
        return _Network(self.settings, self.events, listen_host=self._account.listen_host)

    @override
    def create_user_manager(self) -> UserManager:
        return _Users(self.settings, self.events, self.network)

    @override
    def create_transfer_manager(self, cache: Any) -> StreamTransferManager:
        return StreamTransferManager(self.settings, self.events, self.users, self.shares, self.network, cache=cache)

    @override
    async def start(self, connect: bool = True) -> None:
        """As the library's, but the loop keeps its own exception handler."""
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        try:
            await super().start(connect=connect)
        finally:
            loop.set_exception_handler(handler)
