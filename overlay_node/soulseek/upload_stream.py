"""One upload over the network: ask the user to take it, call, learn the offset, send at the pace that is allowed.

Ends are told by exceptions with a code; whoever started it moves the row. Nothing here touches a path: it gets an open file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aioslsk.exceptions import AioSlskException, ConnectionReadError, ConnectionWriteError
from aioslsk.network.connection import CloseReason, PeerConnection, PeerConnectionState, PeerConnectionType
from aioslsk.protocol.messages import PeerTransferReply, PeerTransferRequest
from aioslsk.protocol.primitives import uint32
from aioslsk.transfer.model import TransferDirection

from apps.domain.errors import DomainError
from overlay_node.soulseek.share_files import SharedFile

if TYPE_CHECKING:
    from overlay_node.soulseek.client import SoulseekClient

REPLY_S: Final = 30.0
OFFSET_S: Final = 30.0
BLOCK_S: Final = 120.0
"""A user who takes nothing for so long has lost the slot."""
END_S: Final = 30.0
"""After the last byte the user has so long to close."""
BLOCK: Final = 65_536
LEAST_BLOCK: Final = 4_096
BURST_S: Final = 0.25
"""At most so much of a second's allowance goes out at once."""


class UploadStopped(DomainError):
    """It did not come to its end. Codes: `user_unreachable`, `user_declined`, `user_closed`, `user_stalled`, `offset_beyond_end`, and those of the file."""

    default_code = "user_closed"


class Pace:
    """KiB/s that one upload may use; may change while it runs. None: unlimited. For one upload; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self.kib_s: float | None = None
        self._free_at = 0.0

    def block(self) -> int:
        """Bytes to send next: small ones when it is slow, so that it flows instead of jumping."""
        if self.kib_s is None:
            return BLOCK * 4
        return int(min(BLOCK * 4, max(LEAST_BLOCK, self.kib_s * 1024 * BURST_S / 2)))

    def pause(self, count: int, now: float) -> float:
        """Seconds to wait after `count` bytes."""
        if self.kib_s is None:
            self._free_at = now
            return 0.0
        if self.kib_s <= 0:
            return 1.0
        self._free_at = max(self._free_at, now - BURST_S / 2) + count / (self.kib_s * 1024)
        return max(0.0, self._free_at - now)


async def send_file(
    client: SoulseekClient,
    *,
    user: str,
    path: str,
    file: SharedFile,
    pace: Pace,
    begun: Callable[[int], None],
    sent: Callable[[int], None],
    refused_address: Callable[[str], bool],
) -> None:
    """Send one file. `begun(offset)` once the user said where to begin, `sent(bytes)` for each block that went out.

    Raises UploadStopped; a cancellation closes the connection.
    """
    ticket = await _offer(client, user=user, path=path, size=file.size)
    try:
        connection = await client.network.create_peer_connection(user, PeerConnectionType.FILE)
    except AioSlskException as error:
        raise UploadStopped("The user can't be reached.", code="user_unreachable", retryable=True) from error
    try:
        if refused_address(str(connection.hostname)):
            raise UploadStopped("Nothing goes to this address.", code="user_banned")
        offset = await _offset(connection, ticket)
        if offset > file.size:
            raise UploadStopped("The user asks for bytes behind the end.", code="offset_beyond_end", offset=offset)
        begun(offset)
        await _send(connection, file=file, offset=offset, pace=pace, sent=sent)
    finally:
        await connection.disconnect(CloseReason.REQUESTED)


async def _offer(client: SoulseekClient, *, user: str, path: str, size: int) -> int:
    """Say that it is their turn; the ticket that their answer goes by."""
    ticket = int(next(client.ticket_generator))
    answer = client.network.create_peer_response_future(user, PeerTransferReply.Request, fields={"ticket": ticket})
    try:
        async with asyncio.timeout(REPLY_S):
            await client.network.send_peer_messages(
                user, PeerTransferRequest.Request(TransferDirection.DOWNLOAD.value, ticket, path, filesize=size)
            )
            _, reply = await answer
    except (AioSlskException, TimeoutError) as error:
        raise UploadStopped("The user can't be reached.", code="user_unreachable", retryable=True) from error
    finally:
        answer.cancel()
    if not reply.allowed:
        raise UploadStopped(
            "The user does not want it now.", code="user_declined", reason=str(reply.reason or "")[:100]
        )
    return ticket


async def _offset(connection: PeerConnection, ticket: int) -> int:
    try:
        async with asyncio.timeout(OFFSET_S):
            await connection.send_message(uint32(ticket).serialize())
            return int(await connection.receive_transfer_offset())
    except (AioSlskException, TimeoutError) as error:
        raise UploadStopped("The user said not where to begin.", code="user_unreachable", retryable=True) from error


async def _send(
    connection: PeerConnection, *, file: SharedFile, offset: int, pace: Pace, sent: Callable[[int], None]
) -> None:
    connection.set_connection_state(PeerConnectionState.TRANSFERRING)
    while offset < file.size:
        if pace.kib_s is not None and pace.kib_s <= 0:  # the schedule says: nothing now
            await asyncio.sleep(pace.pause(0, time.monotonic()))
            continue
        data = await asyncio.to_thread(file.read, offset, pace.block())
        try:
            async with asyncio.timeout(BLOCK_S):
                await connection.send_data(data)
        except TimeoutError as error:
            raise UploadStopped("The user takes nothing.", code="user_stalled") from error
        except ConnectionWriteError as error:
            raise UploadStopped("The user closed the connection.", code="user_closed") from error
        offset += len(data)
        sent(len(data))
        await asyncio.sleep(pace.pause(len(data), time.monotonic()))
    try:  # the other side closes when it has everything
        async with asyncio.timeout(END_S):
            await connection.receive_until_eof(raise_exception=False)
    except (TimeoutError, ConnectionReadError):
        pass
