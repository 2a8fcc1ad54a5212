"""The client of a plane that shares: aioslsk's managers, with what they tell peers of our files coming from `SharePart` and `UploadPart`.

The library's own share scanner, reply builders and uploader are not used: they stall the loop, ask the disk for each answer, and leave questions for a place
in the queue unanswered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from aioslsk.events import on_message
from aioslsk.exceptions import AioSlskException
from aioslsk.network.connection import PeerConnection
from aioslsk.peer import PeerManager
from aioslsk.protocol.messages import (
    PeerDirectoryContentsRequest,
    PeerPlaceInQueueReply,
    PeerPlaceInQueueRequest,
    PeerSharesRequest,
    PeerTransferQueue,
    PeerTransferQueueFailed,
    PeerTransferReply,
    PeerTransferRequest,
    PeerUserInfoRequest,
)
from aioslsk.search.manager import SearchManager
from aioslsk.shares.manager import SharesManager
from aioslsk.transfer.model import TransferDirection
from typing_extensions import override

from overlay_node.soulseek.client import Account, SoulseekClient
from overlay_node.soulseek.share_replies import folder_reply, search_reply
from overlay_node.soulseek.shares import SharePart
from overlay_node.soulseek.standing import Standings
from overlay_node.soulseek.streams import StreamTransferManager
from overlay_node.soulseek.uploading import UploadPart

log = logging.getLogger(__name__)

MAX_REPLIES: Final = 30
"""Answers to searches that are being delivered; more wait."""
MAX_REPLIES_WAITING: Final = 200
"""… and beyond those they are not given."""
MAX_LISTINGS: Final = 4
LISTING_S: Final = 300.0
"""A list of files is taken by then, or the connection is closed."""


class Sharing:
    """What the managers below need, together."""

    def __init__(self, shares: SharePart, uploads: UploadPart, standings: Standings) -> None:
        self.shares: Final = shares
        self.uploads: Final = uploads
        self.standings: Final = standings
        self.replies: Final = asyncio.Semaphore(MAX_REPLIES)
        self.listings: Final = asyncio.Semaphore(MAX_LISTINGS)
        self.replies_waiting = 0
        self.listed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def make_client(self, account: Account) -> SoulseekClient:
        """For `SoulseekPlane(make_client=…)`."""
        return SharingClient(account, sharing=self)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside a connection's reader, which must not wait."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refuses(self, connection: PeerConnection) -> bool:
        """Whether this peer gets no answers."""
        user = connection.username
        return not user or self.standings.standing(str(user), str(connection.hostname)).refused


class SharingClient(SoulseekClient):
    """A SoulseekClient whose peers hear of our library."""

    def __init__(self, account: Account, *, sharing: Sharing, **more: Any) -> None:
        self._sharing: Final = sharing
        super().__init__(account, **more)

    @override
    def create_shares_manager(self, cache: Any, executor_factory: Any = None) -> SharesManager:
        return _Shares(self.settings, self.events, self.network, sharing=self._sharing)

    @override
    def create_transfer_manager(self, cache: Any) -> StreamTransferManager:
        return _Transfers(
            self.settings, self.events, self.users, self.shares, self.network, cache=cache, sharing=self._sharing
        )

    @override
    def create_peer_manager(self) -> PeerManager:
        return _Peers(
            self.settings, self.events, self.users, self.shares, self.transfers, self.network, sharing=self._sharing
        )

    @override
    def create_search_manager(self) -> SearchManager:
        return _Searches(self.settings, self.events, self.shares, self.transfers, self.network, sharing=self._sharing)


class _Shares(SharesManager):  # type: ignore[misc]  # aioslsk has no types
    """No folders of its own, so whatever the library asks of it, it has nothing; it only tells the server our counts."""

    def __init__(self, *args: Any, sharing: Sharing) -> None:
        self._sharing: Final = sharing
        super().__init__(*args)

    @override
    async def load_data(self) -> None:
        return None

    @override
    async def store_data(self) -> None:
        return None

    @override
    async def scan(self) -> None:
        return None

    @override
    def get_stats(self) -> tuple[int, int]:
        folders, files = self._sharing.shares.index.counts()
        return folders, files


class _Transfers(StreamTransferManager):
    """Downloads as before; what peers ask of us goes to `UploadPart`."""

    def __init__(self, *args: Any, sharing: Sharing, **more: Any) -> None:
        self._sharing: Final = sharing
        super().__init__(*args, **more)

    @override
    def get_upload_slots(self) -> int:
        return self._sharing.uploads.slots()

    @override
    def get_free_upload_slots(self) -> int:
        return self._sharing.uploads.free_slots()

    @override
    def get_queue_size(self) -> int:
        return self._sharing.uploads.waiting()

    @override
    def get_average_upload_speed(self) -> float:
        return float(self._sharing.uploads.average_speed())

    @on_message(PeerTransferQueue.Request)
    @override
    async def _on_peer_transfer_queue(self, message: Any, connection: PeerConnection) -> None:
        refusal = await self._asked(message.filename, connection)
        if refusal:
            connection.queue_message(PeerTransferQueueFailed.Request(filename=message.filename, reason=refusal))

    @on_message(PeerTransferRequest.Request)
    @override
    async def _on_peer_transfer_request(self, message: Any, connection: PeerConnection) -> None:
        if TransferDirection(message.direction) is not TransferDirection.UPLOAD:
            await super()._on_peer_transfer_request(message, connection)
            return
        refusal = await self._asked(message.filename, connection)
        if refusal is not None:  # we call when it is their turn: never at once
            connection.queue_message(
                PeerTransferReply.Request(ticket=message.ticket, allowed=False, reason=refusal or "Queued")
            )

    @on_message(PeerPlaceInQueueRequest.Request)
    @override
    async def _on_peer_place_in_queue_request(self, message: Any, connection: PeerConnection) -> None:
        if not connection.username or self._sharing.uploads.ignores(str(connection.username), str(connection.hostname)):
            return
        place = self._sharing.uploads.place(str(connection.username), message.filename)
        if place is not None:
            connection.queue_message(PeerPlaceInQueueReply.Request(message.filename, place))

    async def _asked(self, path: str, connection: PeerConnection) -> str | None:
        """The refusal; "" = it is queued; None: no answer."""
        user, address = str(connection.username or ""), str(connection.hostname)
        if not user or self._sharing.uploads.ignores(user, address):
            return None
        return await self._sharing.uploads.asked(user, path, address=address)


class _Peers(PeerManager):  # type: ignore[misc]
    """Lists of our files."""

    def __init__(self, *args: Any, sharing: Sharing) -> None:
        self._sharing: Final = sharing
        super().__init__(*args)

    @on_message(PeerSharesRequest.Request)
    @override
    async def _on_peer_shares_request(self, message: Any, connection: PeerConnection) -> None:
        del message
        sharing, user = self._sharing, str(connection.username or "")
        if sharing.refuses(connection) or user in sharing.listed:
            return
        sharing.listed.add(user)
        sharing.spawn(self._list(user, connection))

    async def _list(self, user: str, connection: PeerConnection) -> None:
        sharing = self._sharing
        try:
            async with sharing.listings, asyncio.timeout(LISTING_S):
                data = connection.encode_message_data(await sharing.shares.listing(user))
                await connection._send(data, timeout=LISTING_S)
        except (AioSlskException, TimeoutError) as error:
            log.debug("listing_not_taken user=%s error=%r", user, error)
        finally:
            sharing.listed.discard(user)

    @on_message(PeerDirectoryContentsRequest.Request)
    @override
    async def _on_peer_directory_contents_req(self, message: Any, connection: PeerConnection) -> None:
        if self._sharing.refuses(connection):
            return
        entries = self._sharing.shares.folder(str(connection.username), message.directory)
        connection.queue_message(folder_reply(ticket=message.ticket, folder=message.directory, entries=entries))

    @on_message(PeerUserInfoRequest.Request)
    @override
    async def _on_peer_user_info_request(self, message: Any, connection: PeerConnection) -> None:
        if not self._sharing.refuses(connection):
            await super()._on_peer_user_info_request(message, connection)


class _Searches(SearchManager):  # type: ignore[misc]
    """Answers to others' searches. What the server forbids is in none of them."""

    def __init__(self, *args: Any, sharing: Sharing) -> None:
        self._sharing: Final = sharing
        super().__init__(*args)

    @override
    async def _query_shares_and_reply(self, ticket: int, username: str, query: str) -> None:
        if self._session is None or username == self._session.user.name:
            return
        sharing = self._sharing
        if sharing.replies_waiting >= MAX_REPLIES_WAITING:
            return
        found = sharing.shares.search(username, query, excluded=self.excluded_search_phrases)
        if not found.visible and not found.locked:
            return
        uploads = sharing.uploads
        reply = search_reply(
            username=self._session.user.name,
            ticket=ticket,
            visible=found.visible,
            locked=found.locked,
            free_slot=uploads.free_slots() > 0,
            speed_bps=uploads.average_speed(),
            queue=uploads.waiting(),
        )
        sharing.replies_waiting += 1
        sharing.spawn(self._deliver(username, reply))

    async def _deliver(self, username: str, reply: bytes) -> None:
        sharing = self._sharing
        try:
            async with sharing.replies:
                connection = await self._network.get_peer_connection(username)
                if not sharing.standings.standing(username, str(connection.hostname)).refused:
                    await connection.send_message(reply)
        except AioSlskException as error:
            log.debug("answer_not_delivered user=%s error=%r", username, error)
        finally:
            sharing.replies_waiting -= 1
