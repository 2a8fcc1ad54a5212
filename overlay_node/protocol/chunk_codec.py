"""The short way for the two messages that a transfer consists of: chunk_request, and chunk_response with data.

Both travel once per chunk, and the general way (strict JSON, a check per field) costs more than everything else that is done for a chunk. Here a
message is written from a template, and text that follows that very template to the byte is read by one pattern that admits valid values only.
Whatever differs in the least (order, spaces, another field, a number out of range, an error) is left to the general way, which alone decides: so
both accept and refuse the same, which the tests check by property. Nothing of this is part of the protocol.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final, TypeVar

from overlay_node.protocol import limits
from overlay_node.protocol.messages import ChunkRequest, ChunkResponse, Message

_U: Final = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_N: Final = "(0|[1-9][0-9]{0,15})"  # never more digits than MAX_WIRE_INTEGER has
_BEGIN: Final = '{"type":"chunk_re'
_REQUEST: Final = re.compile(
    rf'{{"type":"{ChunkRequest.TYPE}","version":{ChunkRequest.VERSION},"message_id":"{_U}","transfer_id":"{_U}",'
    rf'"payload_root":"([0-9a-f]{{{2 * limits.ROOT_BYTES}}})","offset":{_N},"length":{_N},"priority":{_N},"deadline_ms":{_N},'
    rf'"admission_token":"([0-9a-f]{{{2 * limits.ADMISSION_TOKEN_BYTES}}})"}}'
)
_RESPONSE: Final = re.compile(
    rf'{{"type":"{ChunkResponse.TYPE}","version":{ChunkResponse.VERSION},"message_id":"{_U}","in_reply_to":"{_U}","transfer_id":"{_U}",'
    rf'"offset":{_N},"length":{_N},"eof":(true|false),"attachment_bytes":{_N}}}'
)

_FIELDS: Final[dict[type[Message], tuple[str, ...]]] = {}
"""names, by class; filled as they come, bounded by the number of classes"""

MessageT = TypeVar("MessageT", bound=Message)
_set: Final = object.__setattr__  # fields of a frozen class that is being made


def quick_text(message: Message, attachment_bytes: int) -> bytes | None:
    """The envelope of a message as the general way would write it; None: only that way can. The attachment travels as it is."""
    if not message.message_id:
        return None
    if type(message) is ChunkRequest:
        if message.in_reply_to is not None or message.admission_token is None or attachment_bytes:
            return None
        return (
            f'{{"type":"{ChunkRequest.TYPE}","version":{ChunkRequest.VERSION},"message_id":"{message.message_id}",'
            f'"transfer_id":"{message.transfer_id}","payload_root":"{message.payload_root.hex()}","offset":{message.offset},'
            f'"length":{message.length},"priority":{message.priority},"deadline_ms":{message.deadline_ms},'
            f'"admission_token":"{message.admission_token.hex()}"}}'
        ).encode("ascii")
    if type(message) is not ChunkResponse or message.error_code is not None or message.retry_after_s is not None:
        return None
    if not 0 < attachment_bytes <= limits.MAX_CHUNK_BYTES:
        return None
    return (
        f'{{"type":"{ChunkResponse.TYPE}","version":{ChunkResponse.VERSION},"message_id":"{message.message_id}",'
        f'"in_reply_to":"{message.in_reply_to}","transfer_id":"{message.transfer_id}","offset":{message.offset},'
        f'"length":{message.length},"eof":{"true" if message.eof else "false"},"attachment_bytes":{attachment_bytes}}}'
    ).encode("ascii")


def quick_message(envelope: bytes | bytearray) -> tuple[ChunkRequest | ChunkResponse, int] | None:
    """The message of an envelope and the bytes of its attachment (identity); None: ask the general way."""
    try:
        text = envelope.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not text.startswith(_BEGIN):
        return None
    if (found := _RESPONSE.fullmatch(text)) is not None:
        return _response(found)
    if (found := _REQUEST.fullmatch(text)) is not None:
        return _request(found)
    return None


def stamped(message: MessageT, **stamps: object) -> MessageT:
    """The same message with some fields set. The others were checked when it was made; the new values must be good ones of this node's."""
    copy = object.__new__(type(message))
    names = _FIELDS.get(type(message))
    if names is None:
        names = _FIELDS[type(message)] = tuple(field.name for field in dataclasses.fields(message))
    for name in names:
        _set(copy, name, stamps[name] if name in stamps else getattr(message, name))
    return copy


def _request(found: re.Match[str]) -> tuple[ChunkRequest, int] | None:
    message_id, transfer_id, root, offset, length, priority, deadline_ms, token = found.groups()
    values = (int(offset), int(length), int(priority), int(deadline_ms))
    if (
        values[0] > limits.MAX_WIRE_INTEGER
        or not 1 <= values[1] <= limits.MAX_CHUNK_BYTES
        or values[2] > limits.MAX_PRIORITY
        or not 1 <= values[3] <= limits.MAX_DEADLINE_MS
    ):
        return None
    message = object.__new__(ChunkRequest)
    _set(message, "message_id", message_id)
    _set(message, "in_reply_to", None)
    _set(message, "transfer_id", transfer_id)
    _set(message, "payload_root", bytes.fromhex(root))
    _set(message, "offset", values[0])
    _set(message, "length", values[1])
    _set(message, "priority", values[2])
    _set(message, "deadline_ms", values[3])
    _set(message, "admission_token", bytes.fromhex(token))
    return message, 0


def _response(found: re.Match[str]) -> tuple[ChunkResponse, int] | None:
    message_id, in_reply_to, transfer_id, offset, length, eof, attachment = found.groups()
    values = (int(offset), int(length), int(attachment))
    if (
        values[0] > limits.MAX_WIRE_INTEGER
        or not 1 <= values[1] <= limits.MAX_CHUNK_BYTES
        or not 1 <= values[2] <= limits.MAX_CHUNK_BYTES
    ):
        return None
    message = object.__new__(ChunkResponse)
    _set(message, "message_id", message_id)
    _set(message, "in_reply_to", in_reply_to)
    _set(message, "transfer_id", transfer_id)
    _set(message, "offset", values[0])
    _set(message, "length", values[1])
    _set(message, "eof", eof == "true")
    _set(message, "error_code", None)
    _set(message, "retry_after_s", None)
    return message, values[2]
