"""Framing: u32 big-endian length, strict JSON envelope, optional raw attachment. Bytes to frames and back, incrementally.

The decoder never allocates what a length from the wire says before that length is within the limit of its type, and never for an
attachment that nobody asked for: such a one, like the attachment of an unknown type, runs through a fixed scratch buffer. It offers its
target buffer (``get_buffer`` / ``buffer_updated``), so that a transport can decrypt a chunk straight into place.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from overlay_node.protocol import limits
from overlay_node.protocol.chunk_codec import quick_message, quick_text
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.fields import Json, has_forbidden_character, is_uuid
from overlay_node.protocol.messages import Message, decode_message
from overlay_node.protocol.registry import REGISTRY, TYPE_GRAMMAR, MessageSpec

Attachment: TypeAlias = bytes | bytearray
"""Bytes that came with a message. A bytearray belongs to the receiver alone for as long as it holds it, or a view of it."""


class Encoding(StrEnum):
    """How an attachment travels."""

    IDENTITY = "identity"
    ZLIB = "zlib"


@dataclass(frozen=True, slots=True)
class AttachmentHeader:
    """What an envelope announces about its attachment. Sizes are in bytes; equal when the encoding is identity."""

    wire_bytes: int
    encoding: Encoding
    decoded_bytes: int


@dataclass(slots=True)
class Frame:
    """A message of a known type, with its attachment (b"" = none, or skipped because ``kept`` is False).

    Mutable, because the decoder fills in the attachment when it has arrived; nobody else changes it.
    """

    message: Message
    spec: MessageSpec
    attachment: Attachment
    kept: bool


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A message of a type or version that this dialect does not know. Its attachment was skipped."""

    type: str
    version: int


AnyFrame: TypeAlias = Frame | UnknownFrame
Admit: TypeAlias = Callable[[Message, MessageSpec, int], bool]
"""(message, its row, decoded attachment bytes) -> keep it? Called before anything is allocated; may raise RemoteProtocolError."""


def encode_frame(
    message: Message, attachment: Attachment | memoryview = b"", *, encoding: Encoding = Encoding.IDENTITY
) -> tuple[bytes, Attachment | memoryview]:
    """(length prefix + envelope, attachment as it travels). The attachment is not copied unless it is compressed.

    LocalProtocolError when a limit of the registry does not allow it.
    """
    spec = REGISTRY.get(message.TYPE)
    if spec is None or spec.message is not type(message):
        raise LocalProtocolError("unknown_type", f"{type(message).__name__} is not in the registry.")
    if encoding is Encoding.IDENTITY:
        quick = quick_text(message, memoryview(attachment).nbytes)
        if quick is not None:
            return len(quick).to_bytes(limits.LENGTH_PREFIX_BYTES, "big") + quick, attachment
    envelope = message.to_json()
    body = attachment
    size = memoryview(attachment).nbytes
    if size:
        if not spec.max_attachment_bytes:
            raise LocalProtocolError("bad_attachment", f"{spec.type} has no attachment.")
        if encoding is Encoding.ZLIB:
            body = zlib.compress(attachment)
            envelope["attachment_encoding"] = encoding.value
            envelope["attachment_decoded_bytes"] = size
        sent = memoryview(body).nbytes
        if sent > spec.max_attachment_bytes or size > limits.MAX_DECODED_ATTACHMENT_BYTES:
            raise LocalProtocolError("attachment_too_large", f"The attachment of {spec.type} is too large.")
        envelope["attachment_bytes"] = sent
    text = json.dumps(envelope, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")
    if len(text) > spec.max_envelope_bytes:
        raise LocalProtocolError("envelope_too_large", f"{spec.type} takes {len(text)} bytes; it must be split.")
    return len(text).to_bytes(limits.LENGTH_PREFIX_BYTES, "big") + text, body


class ChunkBuffers:
    """Buffers of MAX_CHUNK_BYTES that are used again once nobody holds them, nor a view of them: a fresh one is zeroed and mapped first.

    For one thread. CPython's reference counts tell; the one that a list holds and the one of the question itself are `_FREE`.
    """

    _FREE: Final = 2

    def __init__(self, *, most: int = 32) -> None:
        self._most: Final = most
        self._buffers: Final[list[bytearray]] = []

    def take(self, size: int) -> bytearray:
        """One of exactly that many bytes. What stands in it means nothing."""
        if size != limits.MAX_CHUNK_BYTES:
            return bytearray(size)
        buffers = self._buffers
        for at in range(len(buffers)):
            if sys.getrefcount(buffers[at]) == self._FREE and len(buffers[at]) == size:
                return buffers[at]
        fresh = bytearray(size)
        if len(buffers) < self._most:
            buffers.append(fresh)
        return fresh


class _Phase(StrEnum):
    PREFIX = "prefix"
    ENVELOPE = "envelope"
    ATTACHMENT = "attachment"
    SKIP = "skip"


class FrameDecoder:
    """Turns a byte stream into frames, one ``buffer_updated`` at a time. After it has raised it must not be used again."""

    def __init__(
        self,
        admit: Admit,
        *,
        max_envelope_bytes: int = limits.MAX_ENVELOPE_BYTES,
        buffers: ChunkBuffers | None = None,
    ) -> None:
        self._buffers: Final = buffers or ChunkBuffers(most=1)
        self.max_envelope_bytes: int = max_envelope_bytes
        """may be raised when the handshake is done"""
        self._admit: Final = admit
        self._prefix: Final = bytearray(limits.LENGTH_PREFIX_BYTES)
        self._scratch: bytearray | None = None
        self._phase = _Phase.PREFIX
        self._target: bytearray = self._prefix
        self._goal = limits.LENGTH_PREFIX_BYTES
        self._filled = 0
        self._skip_left = 0
        self._pending: AnyFrame | None = None
        self._header = AttachmentHeader(0, Encoding.IDENTITY, 0)

    @property
    def mid_frame(self) -> bool:
        """True while a frame has begun and is not whole."""
        return self._phase is not _Phase.PREFIX or self._filled > 0

    @property
    def announced_bytes(self) -> int:
        """Bytes of the frame that has begun, as far as it has told its lengths; 0 between frames."""
        match self._phase:
            case _Phase.PREFIX:
                return self._filled
            case _Phase.ENVELOPE:
                return self._goal
            case _Phase.ATTACHMENT | _Phase.SKIP:
                return self._header.wire_bytes

    def get_buffer(self) -> memoryview:
        """Where the next bytes belong. Never empty; valid until ``buffer_updated``."""
        return memoryview(self._target)[self._filled : self._goal]

    def buffer_updated(self, count: int) -> AnyFrame | None:
        """``count`` bytes were written into ``get_buffer()``. Returns the frame they complete, if they do."""
        self._filled += count
        if self._filled < self._goal:
            return None
        match self._phase:
            case _Phase.PREFIX:
                self._begin_envelope()
                return None
            case _Phase.ENVELOPE:
                return self._begin_attachment(self._target)
            case _Phase.ATTACHMENT:
                return self._finish(self._target)
            case _Phase.SKIP:
                self._skip_left -= self._filled
                return self._skip_on()

    def _reset(self) -> None:
        self._phase = _Phase.PREFIX
        self._target = self._prefix
        self._goal = limits.LENGTH_PREFIX_BYTES
        self._filled = 0

    def _begin_envelope(self) -> None:
        length = int.from_bytes(self._prefix, "big")
        if not 2 <= length <= self.max_envelope_bytes:
            raise RemoteProtocolError("bad_length", f"An envelope must have 2 to {self.max_envelope_bytes} bytes.")
        self._phase = _Phase.ENVELOPE
        self._target = bytearray(length)
        self._goal = length
        self._filled = 0

    def _begin_attachment(self, text: bytearray) -> AnyFrame | None:
        frame: AnyFrame
        if (quick := quick_message(text)) is not None:
            message, size = quick
            spec = REGISTRY[message.TYPE]
            frame = Frame(message, spec, b"", kept=self._admit(message, spec, size))
            header = AttachmentHeader(size, Encoding.IDENTITY, size)
        else:
            envelope = parse_envelope(bytes(text))
            frame, header = _read_envelope(envelope, len(text), self._admit)
        self._header = header
        self._pending = frame
        if header.wire_bytes == 0:
            return self._finish(b"")
        self._filled = 0
        if isinstance(frame, Frame) and frame.kept:
            self._phase = _Phase.ATTACHMENT
            self._target = self._buffers.take(header.wire_bytes)
            self._goal = header.wire_bytes
            return None
        self._phase = _Phase.SKIP
        self._skip_left = header.wire_bytes
        return self._skip_on()

    def _skip_on(self) -> AnyFrame | None:
        if self._skip_left == 0:
            return self._finish(b"")
        if self._scratch is None:
            self._scratch = bytearray(limits.SKIP_BUFFER_BYTES)
        self._target = self._scratch
        self._goal = min(self._skip_left, limits.SKIP_BUFFER_BYTES)
        self._filled = 0
        return None

    def _finish(self, attachment: Attachment) -> AnyFrame | None:
        frame, self._pending = self._pending, None
        self._reset()
        if isinstance(frame, Frame) and frame.kept and attachment:
            if self._header.encoding is Encoding.ZLIB:
                attachment = inflate(attachment, self._header.decoded_bytes)
            frame.attachment = attachment
        return frame


def _read_envelope(envelope: Mapping[str, Json], length: int, admit: Admit) -> tuple[AnyFrame, AttachmentHeader]:
    """The frame that an envelope begins (its attachment still to come), and what it announces."""
    name, version = envelope.get("type"), envelope.get("version")
    if type(name) is not str or TYPE_GRAMMAR.match(name) is None:
        raise RemoteProtocolError("bad_envelope", "The type of a message must follow its grammar.")
    if type(version) is not int or not 1 <= version <= 65535:
        raise RemoteProtocolError("bad_envelope", "The version of a message must be an integer from 1 to 65535.")
    if not is_uuid(envelope.get("message_id")):
        raise RemoteProtocolError("bad_envelope", "A message needs a lower-case UUID as message_id.")
    if envelope.get("in_reply_to") is not None and not is_uuid(envelope["in_reply_to"]):
        raise RemoteProtocolError("bad_envelope", "in_reply_to must be a lower-case UUID.")
    header = _attachment_header(envelope)
    spec = REGISTRY.get(name)
    if spec is None or version != spec.version:
        return UnknownFrame(name, version), header
    if length > spec.max_envelope_bytes:
        raise RemoteProtocolError("envelope_too_large", f"{name}: the envelope exceeds the limit of its type.")
    if header.wire_bytes > spec.max_attachment_bytes:
        raise RemoteProtocolError("attachment_too_large", f"{name}: the attachment exceeds the limit of its type.")
    message = decode_message(spec.message, envelope)
    return Frame(message, spec, b"", kept=admit(message, spec, header.decoded_bytes)), header


def _attachment_header(envelope: Mapping[str, Json]) -> AttachmentHeader:
    sent = envelope.get("attachment_bytes", 0)
    if type(sent) is not int or not 0 <= sent <= limits.MAX_ATTACHMENT_BYTES:
        raise RemoteProtocolError(
            "bad_attachment", f"attachment_bytes must be an integer from 0 to {limits.MAX_ATTACHMENT_BYTES}."
        )
    name = envelope.get("attachment_encoding", "identity")
    decoded = envelope.get("attachment_decoded_bytes", sent)
    if type(decoded) is not int or not 0 <= decoded <= limits.MAX_DECODED_ATTACHMENT_BYTES:
        raise RemoteProtocolError(
            "bad_attachment",
            f"attachment_decoded_bytes must be an integer from 0 to {limits.MAX_DECODED_ATTACHMENT_BYTES}.",
        )
    if name == "identity":
        if decoded != sent:
            raise RemoteProtocolError("bad_attachment", "An identity attachment has one size.")
        return AttachmentHeader(sent, Encoding.IDENTITY, sent)
    if name == "zlib":
        if "attachment_decoded_bytes" not in envelope or sent == 0:
            raise RemoteProtocolError("bad_attachment", "A zlib attachment must declare its decoded size.")
        return AttachmentHeader(sent, Encoding.ZLIB, decoded)
    raise RemoteProtocolError("bad_attachment", "attachment_encoding must be identity or zlib.")


def inflate(data: Attachment, decoded_bytes: int) -> bytes:
    """Inflate to exactly ``decoded_bytes``; stops one byte after, so a bomb costs no more than it declared."""
    machine = zlib.decompressobj()
    try:
        result = machine.decompress(data, decoded_bytes + 1)
    except zlib.error:
        raise RemoteProtocolError("bad_attachment", "The attachment is not valid zlib.") from None
    if len(result) != decoded_bytes or not machine.eof or machine.unused_data:
        raise RemoteProtocolError("bad_attachment", "The attachment does not inflate to its declared size.")
    return result


# ---- strict JSON --------------------------------------------------------------------------------------------------------------------


def parse_envelope(text: bytes) -> Mapping[str, Json]:
    """Parse strict JSON: UTF-8, an object, depth <= 16, no duplicate keys, NaN, Infinity, surrogates or U+0000."""
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError("bad_json", "An envelope must be UTF-8.") from None
    if text.count(b"[") + text.count(b"{") > limits.MAX_JSON_DEPTH and _depth(text) > limits.MAX_JSON_DEPTH:
        raise RemoteProtocolError("bad_json", f"An envelope must not nest deeper than {limits.MAX_JSON_DEPTH}.")
    try:
        value = json.loads(
            source, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except (ValueError, RecursionError):
        raise RemoteProtocolError("bad_json", "An envelope must be valid JSON.") from None
    if type(value) is not dict:
        raise RemoteProtocolError("bad_json", "An envelope must be an object.")
    if b"\\u" in text:  # raw surrogates are not UTF-8 and a raw U+0000 is not JSON: only escapes can hold them
        _refuse_forbidden(value)
    return value


def _depth(text: bytes) -> int:
    """Deepest nesting, strings respected; counts on broken JSON too, which the parser refuses later."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise RemoteProtocolError("bad_json", "An envelope must not repeat a key.")
    return result


def _constant(_name: str) -> Json:
    raise RemoteProtocolError("bad_json", "An envelope must not hold NaN or Infinity.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RemoteProtocolError("bad_json", "An envelope must hold finite numbers only.")
    return value


def _integer(text: str) -> int:
    if len(text) > 20:  # 2**64 has 20 digits; longer ones cost quadratic time and fit no field
        raise RemoteProtocolError("bad_json", "An envelope must hold integers of at most 20 digits.")
    return int(text)


def _refuse_forbidden(value: Json) -> None:
    """Walk a parsed value (its depth is bounded) for characters that JSON escapes smuggled in."""
    if isinstance(value, str):
        if has_forbidden_character(value):
            raise RemoteProtocolError("bad_json", "An envelope must not hold U+0000 or surrogates.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_forbidden(key)
            _refuse_forbidden(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_forbidden(item)
