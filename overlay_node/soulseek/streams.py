"""Downloads as streams: bytes of a file as they land, from the offset we choose to the byte at which we have enough.

aioslsk downloads into a file it opens itself, from that file's size to the end. Here each download has a sink instead: it is asked where to begin and is
given every block with its offset; when it wants no more, the connection is closed, which a sharer sees as an aborted upload and nothing worse. Relies on
six private names of aioslsk's TransferManager, which is why its minor version is pinned and tests/overlay_node/soulseek keeps both ends honest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final, Protocol

from aioslsk.events import PeerInitializedEvent
from aioslsk.exceptions import ConnectionReadError, ConnectionWriteError
from aioslsk.network.connection import CloseReason, PeerConnection, PeerConnectionState, PeerConnectionType
from aioslsk.protocol.messages import PeerTransferReply, PeerTransferRequest
from aioslsk.protocol.primitives import uint64
from aioslsk.transfer.manager import TransferManager
from aioslsk.transfer.model import FailReason, Transfer, TransferDirection
from typing_extensions import override

log = logging.getLogger(__name__)

TICKET_S: Final = 5.0
CALL_S: Final = 60.0
"""A sharer that called must connect within; else it is back in its queue."""
BLOCK_TIMEOUT_S: Final = 60.0
"""A sharer that sends nothing for so long has lost its turn; aioslsk would wait three minutes."""


class StreamSink(Protocol):
    """Takes one file's bytes."""

    def may_begin(self) -> bool:
        """Its sharer calls: is there a place for it now? If not, the sharer is told that the file is queued here, and it is asked for again."""

    def next_offset(self, size: int) -> int:
        """Where to begin; `size` is what the sharer says the whole file has. Anything ≥ `size`: nothing is wanted."""

    async def write(self, offset: int, data: bytes) -> bool:
        """A block, in order. False: no more is wanted, of this block or behind it. Raises OSError where it can't be kept."""


class StreamTransfer(Transfer):  # type: ignore[misc]  # aioslsk has no types
    """A download with a sink. It has no file of its own, so nothing is ever removed when it ends."""

    def __init__(self, user: str, path: str, sink: StreamSink) -> None:
        super().__init__(user, path, TransferDirection.DOWNLOAD)
        self.sink: Final = sink
        self.block_timeout_s = BLOCK_TIMEOUT_S
        self.enough = False
        """the sink wanted no more: the end that follows is a good one"""


class StreamTransferManager(TransferManager):  # type: ignore[misc]
    """aioslsk's, for which a StreamTransfer is a download like any other. The client makes it by `create_transfer_manager`.

    Tickets are numbers that each sharer counts for itself: two that call at the same time may well have the same one. The library keeps who is waited
    for by ticket alone, and the first of the two would wait for ever; here it is by user and ticket.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        self._awaited: Final[dict[tuple[str, int], asyncio.Future[PeerConnection]]] = {}
        super().__init__(*args, **more)

    @override
    async def _on_peer_initialized(self, event: PeerInitializedEvent) -> None:
        connection = event.connection
        if connection.connection_type != PeerConnectionType.FILE or event.requested:
            return
        try:
            async with asyncio.timeout(TICKET_S):
                ticket = await connection.receive_transfer_ticket()
        except (ConnectionReadError, TimeoutError):
            log.info("file_connection_without_ticket host=%s", connection.hostname)
            return
        waiting = self._awaited.get((connection.username or "", ticket)) or self._file_connection_futures.get(ticket)
        if waiting is None or waiting.done():
            await connection.disconnect(CloseReason.REQUESTED)
        else:
            waiting.set_result(connection)

    @override
    async def _initialize_download(
        self, transfer: Transfer, peer_connection: PeerConnection, request: PeerTransferRequest.Request
    ) -> None:
        if not isinstance(transfer, StreamTransfer):
            await super()._initialize_download(transfer, peer_connection, request)
            return
        if not transfer.sink.may_begin():
            reply = PeerTransferReply.Request(ticket=request.ticket, allowed=False, reason=FailReason.QUEUED)
            with contextlib.suppress(ConnectionWriteError):
                await peer_connection.send_message(reply)
            return
        await transfer.state.initialize()
        transfer.filesize = request.filesize
        key = (transfer.username, int(request.ticket))
        waiting: asyncio.Future[PeerConnection] = asyncio.get_running_loop().create_future()
        self._awaited[key] = waiting
        try:
            await peer_connection.send_message(PeerTransferReply.Request(ticket=request.ticket, allowed=True))
            async with asyncio.timeout(CALL_S):
                connection = await waiting
        except (ConnectionWriteError, TimeoutError):
            await transfer.state.queue()
            return
        finally:
            if self._awaited.get(key) is waiting:
                del self._awaited[key]
        try:
            transfer.bytes_transfered = await self._calculate_offset(transfer)
            await connection.send_message(uint64(transfer.bytes_transfered).serialize())
        except ConnectionWriteError:
            await transfer.state.queue()  # from here there is no way to `incomplete`
            return
        except asyncio.CancelledError:
            await connection.disconnect(CloseReason.REQUESTED)
            raise
        await self._download_file(transfer, connection)

    @override
    async def _prepare_download_path(self, transfer: Transfer) -> None:
        if not isinstance(transfer, StreamTransfer):
            await super()._prepare_download_path(transfer)

    @override
    async def _calculate_offset(self, transfer: Transfer) -> int:
        if not isinstance(transfer, StreamTransfer):
            return int(await super()._calculate_offset(transfer))
        size = int(transfer.filesize or 0)
        return max(0, min(transfer.sink.next_offset(size), size))

    @override
    async def _download_file(self, transfer: Transfer, connection: PeerConnection) -> None:
        if not isinstance(transfer, StreamTransfer):
            await super()._download_file(transfer, connection)
            return
        connection.set_connection_state(PeerConnectionState.TRANSFERRING)
        connection.transfer_read_timeout = transfer.block_timeout_s
        await transfer.state.start_transferring()
        try:
            await self._take(transfer, connection)
        except asyncio.CancelledError:  # paused, aborted or shut down: whoever did it moves the state
            await connection.disconnect(CloseReason.REQUESTED)
            raise
        except OSError:
            await connection.disconnect(CloseReason.REQUESTED)
            await transfer.state.fail(reason=FailReason.FILE_READ_ERROR)
        except ConnectionReadError:
            await transfer.state.incomplete()
        else:
            await connection.disconnect(CloseReason.REQUESTED)
            if transfer.enough or transfer.is_transfered():
                await transfer.state.complete()
            else:  # the sharer closed before the end, without an error of the socket
                await transfer.state.incomplete()

    @staticmethod
    async def _take(transfer: StreamTransfer, connection: PeerConnection) -> None:
        """Read until the file ends, the sharer does, or the sink has enough. Only bytes that the sink kept count as transferred."""
        size = int(transfer.filesize or 0)
        while transfer.bytes_transfered < size:
            wanted = await connection.download_rate_limiter.take_tokens()
            data = await connection.receive_data(wanted)
            if data is None:
                return
            block = bytes(data)[: size - transfer.bytes_transfered]
            kept = await transfer.sink.write(transfer.bytes_transfered, block)
            if not kept:
                transfer.enough = True
                return
            transfer._transfer_progress_callback(block)
        transfer.enough = transfer.bytes_transfered >= size
