"""What other users' messages may be, before they are read into objects: bounded in bytes, lists of files left as they came for a thread to read.

aioslsk reads whatever length a peer states, and decompresses on the loop without a limit: a message of a few KiB could become gigabytes. A list of files of
an honest user is megabytes, and reading it there would stop everything else for seconds.
"""

from __future__ import annotations

import functools
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aioslsk.exceptions import MessageDeserializationError
from aioslsk.network.connection import HEADER_SIZE_OBFUSCATED, HEADER_SIZE_UNOBFUSCATED, PeerConnectionType
from aioslsk.network.connection import PeerConnectionState as State
from aioslsk.protocol import obfuscation
from aioslsk.protocol.messages import PeerSearchReply

log = logging.getLogger(__name__)

SHARES_REPLY: Final = 5
SEARCH_REPLY: Final = 9
FOLDER_REPLY: Final = 37
MAX_INIT_BYTES: Final = 16 << 10
MAX_MESSAGE_BYTES: Final = 8 << 20
"""Search replies and pictures are the largest that come unasked."""
MAX_LISTING_BYTES: Final = 32 << 20
"""A list of files that was asked for, as it comes: compressed."""
MAX_REPLY_BYTES: Final = 32 << 20
"""A search reply, decompressed."""
_U32: Final = struct.Struct("<I")

Awaits = Callable[[str], bool]
"""Whether a list of files of this user was asked for."""


@dataclass(frozen=True, slots=True)
class PeerListing:
    """A list of files (`code` SHARES_REPLY or FOLDER_REPLY) as it came: compressed, not looked at."""

    code: int
    payload: bytes = field(repr=False)


def guard(connection: Any, awaits: Awaits | None) -> None:
    """Bound what this connection of a peer may send. With `awaits`, lists of files are passed on as PeerListing."""
    connection._read_message = functools.partial(_read_message, connection, awaits)
    connection.receive_message_object = functools.partial(_receive, connection, awaits)


def _limit(connection: Any, awaits: Awaits | None) -> int:
    if connection.connection_state == State.AWAITING_INIT:
        return MAX_INIT_BYTES
    if awaits is not None and awaits(str(connection.username or "")):
        return MAX_LISTING_BYTES
    return MAX_MESSAGE_BYTES if awaits is not None else MAX_LISTING_BYTES


async def _read_message(connection: Any, awaits: Awaits | None) -> bytes:
    """As the library's, with a limit. What is raised ends the connection."""
    size = HEADER_SIZE_OBFUSCATED if connection.obfuscated else HEADER_SIZE_UNOBFUSCATED
    header: bytes = await connection._reader.readexactly(size)
    (length,) = _U32.unpack_from(obfuscation.decode(header) if connection.obfuscated else header)
    if length > _limit(connection, awaits):
        log.warning("peer_message_too_long user=%r bytes=%d", connection.username, length)
        raise ConnectionError("a message beyond all bounds")
    body: bytes = await connection._reader.readexactly(length)
    return header + body


async def _receive(connection: Any, awaits: Awaits | None) -> Any:
    """The next message; None at the end. Raises MessageDeserializationError."""
    data = await connection.receive_message()
    if not data:
        return None
    peer = connection.connection_state == State.ESTABLISHED and connection.connection_type == PeerConnectionType.PEER
    plain = obfuscation.decode(data) if connection.obfuscated else data
    code = _U32.unpack_from(plain, 4)[0] if peer and len(plain) >= 8 else -1
    if awaits is not None and code in (SHARES_REPLY, FOLDER_REPLY):
        return PeerListing(code, bytes(plain[8:]))
    if code != SEARCH_REPLY:
        return connection.decode_message_data(data)
    try:
        reader = zlib.decompressobj()
        body = reader.decompress(plain[8:], MAX_REPLY_BYTES)
        if reader.unconsumed_tail:
            raise ValueError("a search reply beyond all bounds")
        return PeerSearchReply.Request.deserialize(0, plain[:8] + body, False)  # noqa: FBT003  (not compressed any more)
    except Exception as error:
        raise MessageDeserializationError(data, "failed to deserialize message") from error
