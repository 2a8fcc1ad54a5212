"""Somebody's list of files, and the contents of one folder: asked for by a command, read in a thread, kept in a row.

Two lists at a time: at its bounds one takes seconds of a core and a hundred MiB. What comes unasked is not read.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from apps.domain.contracts.soulseek_people import ShareTold
from apps.domain.errors import DomainError
from apps.domain.soulseek.people import user_name
from apps.domain.soulseek.share_pack import folder_read, shares_packed
from overlay_node.soulseek.people_rows import PeopleRows
from overlay_node.soulseek.plane import Part
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.soulseek.presence import session_of

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
SHARES: Final = 5
FOLDER: Final = 37
MAX_PATH: Final = 4000


class BrowsePart(Part):
    """See the module."""

    def __init__(self, context: PlaneContext, rows: PeopleRows) -> None:
        self._context, self._rows = context, rows
        self._client: SoulseekClient | None = None
        self._threads: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browse")
        self._slots: Final = asyncio.Semaphore(AT_ONCE)
        self._awaited: Final[dict[tuple[str, int], asyncio.Future[bytes]]] = {}
        self._ticket = 0
        self._counts: Final = {"done": 0, "failed": 0}
        context.errands.register("soulseek_browse", self._browse)
        context.errands.register("soulseek_folder", self._folder)

    def attach(self, client: SoulseekClient) -> None:
        """Listen; lists of files come to us as they are."""
        from aioslsk import events

        client.network.awaits_listing = self.awaits
        client.events.register(events.MessageReceivedEvent, self._on_message)
        client.events.register(events.ConnectionStateChangedEvent, self._on_connection)

    async def online(self, client: SoulseekClient) -> None:
        """A session stands."""
        self._client = client

    async def offline(self, code: str) -> None:
        """What is on its way still comes: from the users, not from the server."""
        del code
        self._client = None

    async def stop(self) -> None:
        """The thread ends with what it does."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def metrics(self) -> Mapping[str, float]:
        """See `Part.metrics`."""
        return {f"slskdn_soulseek_browses_{name}_total": float(count) for name, count in self._counts.items()}

    def awaits(self, user: str) -> bool:
        """Whether a list of this user was asked for."""
        return (user, SHARES) in self._awaited or (user, FOLDER) in self._awaited

    # ---- commands

    async def _browse(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{user}` → `{files, folders}`; the list is in the user's row."""
        from aioslsk.protocol.messages import PeerSharesRequest

        name = user_name(str(payload["user"]))
        session_of(self._client)
        try:
            async with self._slots, self._asked(name, SHARES, PeerSharesRequest.Request()) as answer:
                pack = await self._thread(functools.partial(shares_packed, await answer))
        except DomainError:
            self._counts["failed"] += 1
            raise
        await self._rows.share_write(
            ShareTold(name=name, at=self._context.wall(), blob=pack.blob, files=pack.files, folders=pack.folders)
        )
        self._counts["done"] += 1
        return {"files": pack.files, "folders": pack.folders}

    async def _folder(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """`{user, folder}` → `{files: [[name, size, attributes], …]}`."""
        from aioslsk.protocol.messages import PeerDirectoryContentsRequest

        name, folder = user_name(str(payload["user"])), str(payload["folder"])
        if not folder or len(folder) > MAX_PATH:
            raise DomainError("This is no folder.", code="folder_invalid")
        self._ticket += 1
        request = PeerDirectoryContentsRequest.Request(self._ticket, folder)
        async with self._asked(name, FOLDER, request) as answer:
            files = await self._thread(functools.partial(folder_read, await answer, folder=folder))
        return {"files": [[one.name, one.size_bytes, one.attributes] for one in files]}

    @asynccontextmanager
    async def _asked(self, name: str, code: int, request: Any) -> AsyncIterator[asyncio.Future[bytes]]:
        from aioslsk.exceptions import AioSlskException

        client = session_of(self._client)
        if (name, code) in self._awaited:
            raise DomainError("They are being asked.", code="browse_running", retryable=True, user=name)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._awaited[name, code] = answer
        try:
            await client.network.send_peer_messages(name, request)
            yield answer
        except AioSlskException as error:
            raise _unreachable(name) from error
        finally:
            del self._awaited[name, code]
            answer.cancel()

    async def _thread(self, call: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # ---- what comes

    def _on_message(self, event: Any) -> None:
        from overlay_node.soulseek.guarded import PeerListing

        if isinstance(event.message, PeerListing):
            answer = self._awaited.get((str(event.connection.username or ""), event.message.code))
            if answer is not None and not answer.done():
                answer.set_result(event.message.payload)

    def _on_connection(self, event: Any) -> None:
        name = str(getattr(event.connection, "username", None) or "")
        if event.state.name != "CLOSED" or not name or self._client is None:
            return
        if self._client.network.get_active_peer_connections(name, "P"):
            return
        for code in (SHARES, FOLDER):
            answer = self._awaited.get((name, code))
            if answer is not None and not answer.done():
                answer.set_exception(_unreachable(name))


def _unreachable(name: str) -> DomainError:
    return DomainError("They can't be reached.", code="person_unreachable", retryable=True, user=name)
