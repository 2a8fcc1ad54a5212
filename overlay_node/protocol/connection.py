"""One overlay connection, without I/O: bytes and time in, events and bytes out.

Owns the handshake, keep-alive, message rates, admission tokens and the pairing of requests with answers. It does not know sockets, TLS
(``peer_id`` has been proven before), files or swarms. Verbs: ``receive_data`` (or ``get_buffer`` + ``buffer_updated``), ``next_event``,
``send``, ``data_to_send``, ``next_timer``, ``handle_timer``, ``close``.

Handshake: the client speaks first. Both sides send one ``hello``, and answer the other's with ``hello_ack``, which carries the admission
token for requests to its sender. A side is open once it has the other's hello and the ack of its own.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from overlay_node.protocol import limits
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.chunk_codec import stamped
from overlay_node.protocol.envelope import (
    AnyFrame,
    Attachment,
    ChunkBuffers,
    Encoding,
    Frame,
    FrameDecoder,
    UnknownFrame,
    encode_frame,
    parse_envelope,
)
from overlay_node.protocol.errors import LocalProtocolError, RemoteProtocolError
from overlay_node.protocol.events import ConnectionClosed, Event, HandshakeCompleted, MessageReceived
from overlay_node.protocol.fields import Json
from overlay_node.protocol.limits import Limits
from overlay_node.protocol.messages import (
    Bye,
    ChunkCancel,
    ChunkError,
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    Hello,
    HelloAck,
    Message,
    PayloadManifest,
    PayloadRequest,
    Ping,
    Pong,
    Purpose,
)
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.registry import REGISTRY, Direction, MessageClass, MessageSpec, Rate
from overlay_node.protocol.sharing import FingerprintBundleAdvert, read_bundle
from overlay_node.protocol.states import ConnectionState

_ASKING: Final = frozenset(
    name for row in REGISTRY.values() for name in (row.answers, row.may_answer) if name is not None
)
HeldT = TypeVar("HeldT", bound=Message)
_MAX_ASKED: Final = 256  # ours. Queries whose answer we still accept; the oldest is forgotten
_HELLO_ENVELOPE_BYTES: Final = max(
    row.max_envelope_bytes for row in REGISTRY.values() if ConnectionState.HANDSHAKE in row.states
)


class Role(StrEnum):
    """Who speaks first. Usually, but not necessarily, the side that dialled."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHello:
    """What this node says of itself on every link. Features that the mode's policy forbids are not named."""

    features: tuple[str, ...] = ()
    feature_params: Mapping[str, Json] = field(default_factory=dict)
    listen_port: int = 0
    network: str = "public"
    boot_id: str | None = None
    agent: str = ""
    reach: str | None = None
    hello_limits: Mapping[str, int] | None = None
    accepted_purposes: frozenset[Purpose] = frozenset({Purpose.MAIN})


class Connection:
    """A connection with one authenticated peer.

    ``now`` is monotonic seconds throughout. ``new_id`` makes lower-case UUID text, ``new_nonce`` 16 random bytes. Raises RemoteProtocolError
    from the receiving verbs when the peer broke a rule (then a ``bye`` is waiting in ``data_to_send``), LocalProtocolError when the caller did.
    """

    def __init__(
        self,
        role: Role,
        *,
        local: LocalHello,
        peer_id: str,
        now: float,
        admission: AdmissionTokens,
        new_id: Callable[[], str],
        new_nonce: Callable[[], bytes],
        purpose: Purpose = Purpose.MAIN,
        connection_limits: Limits | None = None,
        buffers: ChunkBuffers | None = None,
    ) -> None:
        self.role: Final = role
        self.peer_id: Final = peer_id
        self.state = ConnectionState.HANDSHAKE
        self.purpose = purpose
        """of the client's choosing; the server takes it over from the client's hello"""
        self.counts: Final[Counter[str]] = Counter()
        """what was ignored: unknown_messages, unnegotiated, unasked_answers, dropped_haves, refused_chunks, refused_tokens"""
        self.limits: Final = connection_limits or Limits()
        self._local: Final = local
        self._admission: Final = admission
        self._new_id: Final = new_id
        self._nonce: Final = new_nonce()
        self._now = now
        self._decoder: Final = FrameDecoder(self._admit, max_envelope_bytes=_HELLO_ENVELOPE_BYTES, buffers=buffers)
        self._events: Final[deque[Event]] = deque()
        self._outbox: list[Attachment | memoryview] = []
        self._held_back: Final[deque[tuple[bytes, Attachment | memoryview]]] = deque()
        self._sink: bytearray | None = None
        # handshake
        self._handshake_deadline = now + self.limits.handshake_timeout_s
        self._peer_hello: Hello | None = None
        self._acknowledged = False
        self._features: frozenset[str] = frozenset()
        self._protocol = limits.PROTOCOL_MAX
        self._peer_token: bytes | None = None
        self._next_rotation = admission.next_rotation(now)
        # time
        self._heard_at = now
        self._business_at = now
        self._pong_deadline: float | None = None
        self._frame_began_at: float | None = None
        self._ping_nonce = 0
        # rates
        self._control_in: Final = TokenBucket(
            rate=self.limits.control_messages_per_s, burst=self.limits.control_burst, now=now
        )
        self._have_in: Final = TokenBucket(rate=limits.HAVE_PER_S, burst=limits.HAVE_BURST, now=now)
        self._advert_in: Final = TokenBucket(rate=limits.ADVERT_PER_S, burst=limits.ADVERT_BURST, now=now)
        self._cancel_in: Final = TokenBucket(rate=limits.CANCEL_PER_S, burst=limits.CANCEL_BURST, now=now)
        self._control_out: Final = TokenBucket(
            rate=self.limits.control_send_per_s, burst=self.limits.control_send_burst, now=now
        )
        # requests
        self._asked: Final[dict[str, Message]] = {}
        self._wanted_chunks: Final[dict[str, ChunkRequest]] = {}
        self._cancelled_wants: Final[dict[str, ChunkRequest]] = {}
        self._serving: Final[dict[str, ChunkRequest]] = {}
        self._taken_back: Final[deque[str]] = deque(maxlen=limits.MAX_OUTSTANDING_CHUNKS)
        self._refused_in_a_row = 0
        self._good_token: tuple[bytes | None, float] = (None, -math.inf)
        """the last token that was found good, and until when it is: the peer shows the same one with each request"""
        if role is Role.CLIENT:
            self._say_hello()

    # ---- bytes in -------------------------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Take bytes from the peer; events follow. Bytes after the end of the connection are ignored."""
        view = memoryview(data)
        while view:
            target = self.get_buffer()
            count = min(len(target), len(view))
            target[:count] = view[:count]
            view = view[count:]
            self.buffer_updated(count, now)

    def get_buffer(self) -> memoryview:
        """Where the transport may put the next bytes itself. Never empty; valid until ``buffer_updated``."""
        if self.state is ConnectionState.CLOSED:
            if self._sink is None:
                self._sink = bytearray(limits.SKIP_BUFFER_BYTES)
            return memoryview(self._sink)
        return self._decoder.get_buffer()

    def buffer_updated(self, count: int, now: float) -> None:
        """``count`` bytes were put into ``get_buffer()``."""
        if self.state is ConnectionState.CLOSED:
            return
        self._now = now
        self._heard_at = now
        self._pong_deadline = None
        try:
            frame = self._decoder.buffer_updated(count)
            if frame is not None:
                self._frame_began_at = None
                self._handle(frame)
            elif self._frame_began_at is None:
                self._frame_began_at = now
        except RemoteProtocolError as error:
            self._end(error.code)
            raise

    def next_event(self) -> Event | None:
        """The next fact, or None when there is nothing to tell."""
        return self._events.popleft() if self._events else None

    @property
    def has_events(self) -> bool:
        """True when ``next_event`` has something to tell."""
        return bool(self._events)

    @property
    def holds_back(self) -> bool:
        """True while control messages wait for the sending rate."""
        return bool(self._held_back)

    @property
    def has_data_to_send(self) -> bool:
        """True when ``data_to_send`` is not empty."""
        return bool(self._outbox)

    # ---- bytes out ------------------------------------------------------------------------------------------------------------------

    def send(
        self,
        message: Message,
        attachment: Attachment | memoryview = b"",
        *,
        now: float,
        encoding: Encoding = Encoding.IDENTITY,
    ) -> str:
        """Send one message; returns its message_id (assigned here when the message has none). The bytes are in ``data_to_send``.

        Control messages that are no answers are held back when they would exceed the rate a peer accepts; they leave by
        ``handle_timer``. An answer to a chunk request that the peer took back is dropped. LocalProtocolError: not open, a session
        message, a type whose feature the peer did not name, too many chunks in flight, an answer to nothing, attachment and length
        differ, queue full.
        """
        self._now = now
        spec = REGISTRY.get(message.TYPE)
        if spec is None or (spec.message_class is MessageClass.SESSION and not isinstance(message, ErrorReply)):
            raise LocalProtocolError("bad_send", f"{message.TYPE} cannot be sent by hand.")
        if self.state is not ConnectionState.OPEN:
            raise LocalProtocolError("not_open", f"{message.TYPE} cannot be sent while the connection is {self.state}.")
        if spec.feature is not None and spec.feature not in self._features:
            raise LocalProtocolError("feature_missing", f"The peer does not speak {spec.feature}.")
        stamps: dict[str, object] = {}
        if not message.message_id:
            stamps["message_id"] = self._new_id()
        if isinstance(message, PayloadRequest | ChunkRequest) and message.admission_token is None:
            stamps["admission_token"] = self._peer_token
        if stamps:
            message = stamped(message, **stamps)
        size = memoryview(attachment).nbytes
        if isinstance(message, ChunkResponse):
            if message.length != size:
                raise LocalProtocolError("bad_attachment", "A chunk must be exactly as long as its response says.")
            if message.in_reply_to in self._taken_back:
                return message.message_id
            if message.in_reply_to not in self._serving:
                raise LocalProtocolError("answers_nothing", "No such chunk request is in flight.")
        if isinstance(message, PayloadManifest) and size != message.leaf_count * limits.LEAF_HASH_BYTES:
            raise LocalProtocolError("bad_attachment", "A manifest must come with one hash per leaf.")
        if isinstance(message, ChunkRequest) and len(self._wanted_chunks) >= self.limits.chunks_in_flight_accepted:
            raise LocalProtocolError("too_many_in_flight", "The peer accepts no more chunk requests at once.")
        paced = spec.rate is Rate.CONTROL and message.in_reply_to is None
        if paced and len(self._held_back) >= self.limits.max_send_queue:
            raise LocalProtocolError("send_queue_full", "Too many control messages wait for the sending rate.")
        framed = encode_frame(message, attachment, encoding=encoding)
        self._note_sent(message)
        self._business_at = now
        if paced and (self._held_back or not self._control_out.take(now)):
            self._held_back.append(framed)
        else:
            self._put(framed)
        return message.message_id

    def data_to_send(self) -> list[Attachment | memoryview]:
        """Bytes to write now, in order; each is handed out once. Attachments are the very objects given to ``send``."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def close(self, reason_code: str, *, now: float, retry_after_s: int | None = None) -> None:
        """End the connection politely: a ``bye`` is the last thing in ``data_to_send``. Does nothing when it is over already."""
        self._now = now
        if self.state is not ConnectionState.CLOSED:
            self._end(reason_code, retry_after_s)
            self._events.append(ConnectionClosed(reason_code, by_peer=False, retry_after_s=retry_after_s))

    def forget(self, message_id: str) -> None:
        """Nobody waits for the answer to this query any more: it will be ignored when it comes. For chunks send ChunkCancel instead."""
        self._asked.pop(message_id, None)

    @property
    def chunks_in_flight(self) -> int:
        """Chunk requests we sent that are neither answered nor cancelled."""
        return len(self._wanted_chunks)

    @property
    def chunks_served(self) -> int:
        """Chunk requests of the peer that we accepted and did not answer yet."""
        return len(self._serving)

    @property
    def is_idle(self) -> bool:
        """True when no request of either side waits for its answer: a link that may be closed without loss."""
        return not (self._asked or self._wanted_chunks or self._serving or self._held_back)

    # ---- time -----------------------------------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When ``handle_timer`` wants to be called; None = never."""
        if self.state is ConnectionState.CLOSED:
            return None
        if self.state is ConnectionState.HANDSHAKE:
            return self._handshake_deadline
        times = [self._business_at + self.limits.idle_timeout_s, self._next_rotation]
        if self._pong_deadline is not None:
            times.append(self._pong_deadline)
        else:
            times.append(self._heard_at + self.limits.ping_interval_s)
        if self._held_back:
            times.append(self._now + self._control_out.wait_s(self._now))
        if (due := self.frame_due) is not None:
            times.append(due)
        return min(times)

    @property
    def frame_due(self) -> float | None:
        """When the frame that has begun must be whole; None between frames."""
        if self._frame_began_at is None:
            return None
        at_least = self._decoder.announced_bytes / limits.FRAME_MIN_BYTES_PER_S
        return self._frame_began_at + self.limits.frame_timeout_s + at_least

    def handle_timer(self, now: float) -> None:
        """Do what is due at ``now``. Calling it early or late is harmless."""
        self._now = max(now, self._now)
        if self.state is ConnectionState.HANDSHAKE:
            if now >= self._handshake_deadline:
                self.close("handshake_timeout", now=now)
            return
        if self.state is ConnectionState.CLOSED:
            return
        if self._pong_deadline is not None and now >= self._pong_deadline:
            self.close("pong_timeout", now=now)
            return
        if (due := self.frame_due) is not None and now >= due:
            self.close("frame_timeout", now=now)
            return
        if now >= self._business_at + self.limits.idle_timeout_s:
            self.close("idle", now=now)
            return
        if now >= self._next_rotation:
            self._next_rotation = self._admission.next_rotation(now)
            self._acknowledge()
        if self._pong_deadline is None and now >= self._heard_at + self.limits.ping_interval_s:
            self._ping_nonce += 1
            self._pong_deadline = now + self.limits.pong_timeout_s
            self._say(Ping(nonce=self._ping_nonce))
        while self._held_back and self._control_out.take(now):
            self._put(self._held_back.popleft())

    # ---- private: out ---------------------------------------------------------------------------------------------------------------

    def _put(self, framed: tuple[bytes, Attachment | memoryview]) -> None:
        head, body = framed
        self._outbox.append(head)
        if memoryview(body).nbytes:
            self._outbox.append(body)

    def _say(self, message: Message) -> None:
        """A message of the session, or a refusal: never held back."""
        self._put(encode_frame(stamped(message, message_id=self._new_id())))

    def _say_hello(self) -> None:
        self._say(
            Hello(
                nonce=self._nonce,
                features=self._local.features,
                feature_params=self._local.feature_params,
                listen_port=self._local.listen_port,
                network=self._local.network,
                boot_id=self._local.boot_id,
                purpose=self.purpose,
                agent=self._local.agent,
                reach=self._local.reach,
                limits=self._local.hello_limits,
            )
        )

    def _acknowledge(self) -> None:
        assert self._peer_hello is not None
        self._say(
            HelloAck(
                protocol=self._protocol,
                nonce=self._peer_hello.nonce,
                admission_token=self._admission.token(self.peer_id, self._now),
                in_reply_to=self._peer_hello.message_id,
            )
        )

    def _end(self, reason_code: str, retry_after_s: int | None = None) -> None:
        self._held_back.clear()
        self._say(Bye(reason_code=reason_code, retry_after_s=retry_after_s))
        self.state = ConnectionState.CLOSED

    def _note_sent(self, message: Message) -> None:
        """Remember what an answer may come to; forget what has been answered."""
        match message:
            case ChunkRequest():
                self._wanted_chunks[message.message_id] = message
            case ChunkResponse(in_reply_to=str(asked)):
                self._serving.pop(asked, None)
            case ErrorReply(in_reply_to=str(asked)):
                self._serving.pop(asked, None)
            case ChunkCancel():
                for key in [key for key, want in self._wanted_chunks.items() if _overlaps(message, want)]:
                    _remember(
                        self._cancelled_wants, key, self._wanted_chunks.pop(key), self.limits.max_outstanding_chunks
                    )
            case _ if message.TYPE in _ASKING and message.in_reply_to is None:
                _remember(self._asked, message.message_id, message, _MAX_ASKED)
            case _:
                pass

    # ---- private: in ----------------------------------------------------------------------------------------------------------------

    def _admit(self, message: Message, spec: MessageSpec, attachment_bytes: int) -> bool:
        """May this message come now, and is it wanted? Called before its attachment is read."""
        if self.state is ConnectionState.HANDSHAKE and self._peer_hello is None and not self._may_come_first(message):
            raise RemoteProtocolError("talk_before_hello", f"{spec.type} came before hello.")
        if self.state not in spec.states:
            raise RemoteProtocolError("wrong_state", f"{spec.type} must not come while the connection is {self.state}.")
        if spec.direction is not Direction.BOTH and spec.direction.value == self.role.value:
            raise RemoteProtocolError("wrong_direction", f"{spec.type} came from the wrong side.")
        if spec.feature is not None and spec.feature not in self._features:
            self._count_control()
            self.counts["unnegotiated"] += 1
            return False
        if isinstance(message, ChunkResponse):
            return self._admit_chunk(message, attachment_bytes)
        if isinstance(message, PayloadManifest) and attachment_bytes != message.leaf_count * limits.LEAF_HASH_BYTES:
            raise RemoteProtocolError("bad_attachment", "payload_manifest: it must come with one hash per leaf.")
        if isinstance(message, FingerprintBundleAdvert) and attachment_bytes > spec.max_attachment_bytes:
            raise RemoteProtocolError("attachment_too_large", f"{spec.type}: the attachment inflates beyond its limit.")
        answers = spec.answers or (spec.may_answer if message.in_reply_to is not None else None)
        if answers is not None or isinstance(message, ErrorReply):
            return self._admit_answer(message, answers)
        match spec.rate:
            case Rate.CONTROL:
                self._count_control()
            case Rate.CANCEL:
                if not self._cancel_in.take(self._now):
                    raise RemoteProtocolError("rate_exceeded", "Too many cancellations in too little time.")
            case Rate.HAVE:
                if not self._have_in.take(self._now):
                    self.counts["dropped_haves"] += 1
                    return False
            case Rate.ADVERT:
                if not self._advert_in.take(self._now):
                    raise RemoteProtocolError("rate_exceeded", "Too many adverts in too little time.")
            case Rate.IN_FLIGHT:
                pass
        return True

    def _may_come_first(self, message: Message) -> bool:
        if self.role is Role.SERVER:
            return isinstance(message, Hello | Bye)
        return isinstance(message, Hello | HelloAck | Bye)

    def _count_control(self) -> None:
        if not self._control_in.take(self._now):
            raise RemoteProtocolError("rate_exceeded", "Too many messages in too little time.")

    def _admit_chunk(self, message: ChunkResponse, attachment_bytes: int) -> bool:
        """Keep a chunk only when it is what we asked for: before one byte of it is allocated."""
        if attachment_bytes != message.length:
            raise RemoteProtocolError("bad_attachment", "chunk_response: the attachment must have the stated length.")
        asked = message.in_reply_to
        assert asked is not None
        want = self._wanted_chunks.pop(asked, None)
        if want is None:
            self.counts["unasked_answers"] += 1
            if self._cancelled_wants.pop(asked, None) is None:
                self._count_control()  # a flood of chunks that nobody ever asked for ends here
            return False
        if message.transfer_id != want.transfer_id or message.offset != want.offset:
            raise RemoteProtocolError("wrong_chunk", "chunk_response: it is not the range that was asked for.")
        if message.error_code is None and message.length != want.length:
            raise RemoteProtocolError("wrong_chunk", "chunk_response: it is not as long as what was asked for.")
        return True

    def _admit_answer(self, message: Message, answers: str | None) -> bool:
        asked = message.in_reply_to
        assert asked is not None
        question = self._asked.get(asked)
        if isinstance(message, ErrorReply):
            known = self._asked.pop(asked, None) or self._wanted_chunks.pop(asked, None)
            if known is None and self._cancelled_wants.pop(asked, None) is None:
                self._count_control()
            return True
        if question is None or answers != question.TYPE:
            self.counts["unasked_answers"] += 1
            self._count_control()
            return False
        if isinstance(message, PayloadManifest):
            assert isinstance(question, PayloadRequest)
            same = (message.transfer_id, message.payload_format, message.payload_root) == (
                question.transfer_id,
                question.payload_format,
                question.payload_root,
            )
            if not same:
                raise RemoteProtocolError("wrong_manifest", "payload_manifest: it is not of the payload asked for.")
        del self._asked[asked]
        return True

    def _handle(self, frame: AnyFrame) -> None:
        if isinstance(frame, UnknownFrame):
            if self._peer_hello is None:
                raise RemoteProtocolError("talk_before_hello", "A message of unknown type came before hello.")
            self._count_control()
            self.counts["unknown_messages"] += 1
            return
        if frame.kept:
            self._handle_message(frame)

    def _handle_message(self, frame: Frame) -> None:
        message = frame.message
        match message:
            case ChunkResponse():  # most of what comes
                pass
            case Hello():
                self._handle_hello(message)
                return
            case HelloAck():
                self._handle_ack(message)
                return
            case Ping():
                self._say(Pong(nonce=message.nonce, in_reply_to=message.message_id))
                return
            case Pong():
                return
            case Bye():
                self.state = ConnectionState.CLOSED
                self._events.append(
                    ConnectionClosed(message.reason_code, by_peer=True, retry_after_s=message.retry_after_s)
                )
                return
            case PayloadRequest() | ChunkRequest():
                if not self._accept_request(message):
                    return
            case FingerprintBundleAdvert():
                message = read_bundle(message, frame.attachment, parse=parse_envelope)
                self._business_at = self._now
                self._events.append(MessageReceived(message, b""))
                return
            case ChunkCancel():
                for key in [key for key, want in self._serving.items() if _overlaps(message, want)]:
                    del self._serving[key]
                    self._taken_back.append(key)
            case _:
                pass
        self._business_at = self._now
        self._events.append(MessageReceived(message, frame.attachment))

    def _accept_request(self, message: PayloadRequest | ChunkRequest) -> bool:
        """Check the token and what is in flight; refuse by an answer, without closing."""
        if not self._token_is_good(message.admission_token):
            self.counts["refused_tokens"] += 1
            self._refused_in_a_row += 1
            if self._refused_in_a_row > limits.MAX_REFUSED_TOKENS:
                raise RemoteProtocolError("admission_refused", "Too many requests came with a bad admission token.")
            self._say(ErrorReply(in_reply_to=message.message_id, code="admission_required"))
            return False
        self._refused_in_a_row = 0
        if isinstance(message, ChunkRequest):
            if message.message_id in self._serving:
                raise RemoteProtocolError("duplicate_id", "chunk_request: its message_id is in flight already.")
            if len(self._serving) >= self.limits.chunks_in_flight_accepted:
                self._count_control()
                self.counts["refused_chunks"] += 1
                self._say(
                    ChunkResponse(
                        in_reply_to=message.message_id,
                        transfer_id=message.transfer_id,
                        offset=message.offset,
                        error_code=ChunkError.RATE_LIMITED,
                    )
                )
                return False
            self._serving[message.message_id] = message
        return True

    def _token_is_good(self, token: bytes | None) -> bool:
        known, until = self._good_token
        if token is not None and token == known and self._now < until:
            return True
        until = self._admission.good_until(self.peer_id, token, self._now)
        if self._now >= until:
            return False
        self._good_token = (token, until)
        return True

    # ---- private: handshake ---------------------------------------------------------------------------------------------------------

    def _handle_hello(self, hello: Hello) -> None:
        if self._peer_hello is not None:
            raise RemoteProtocolError("second_hello", "hello must come once.")
        if hello.magic != limits.MAGIC:
            raise RemoteProtocolError("wrong_magic", "The peer speaks another protocol.")
        self._peer_hello = hello
        refusal = self._refusal(hello)
        if refusal is not None:
            self.close(refusal, now=self._now)
            return
        self._protocol = min(hello.protocol_max, limits.PROTOCOL_MAX)
        self._acknowledge()
        if self.role is Role.SERVER:
            self.purpose = hello.purpose
            self._say_hello()
        self._maybe_open()

    def _refusal(self, hello: Hello) -> str | None:
        """Why we cannot talk with this peer although it did nothing wrong; None = we can."""
        if hello.protocol_min > limits.PROTOCOL_MAX or hello.protocol_max < limits.PROTOCOL_MIN:
            return "protocol_unsupported"
        if hello.network != self._local.network:
            return "other_network"
        if hello.purpose not in self._local.accepted_purposes:
            return "purpose_unsupported"
        if self.role is Role.CLIENT and hello.purpose is not self.purpose:
            return "purpose_unsupported"
        mine = {name.rstrip("!") for name in self._local.features}
        if any(name.endswith("!") and name.rstrip("!") not in mine for name in hello.features):
            return "feature_unsupported"
        return None

    def _handle_ack(self, ack: HelloAck) -> None:
        if ack.magic != limits.MAGIC:
            raise RemoteProtocolError("wrong_magic", "The peer speaks another protocol.")
        if ack.nonce != self._nonce:
            raise RemoteProtocolError("wrong_nonce", "hello_ack must echo the nonce of our hello.")
        if not limits.PROTOCOL_MIN <= ack.protocol <= limits.PROTOCOL_MAX:
            raise RemoteProtocolError("wrong_protocol", "hello_ack chose a dialect that was not offered.")
        self._peer_token = ack.admission_token
        self._acknowledged = True
        self._maybe_open()

    def _maybe_open(self) -> None:
        hello = self._peer_hello
        if self.state is not ConnectionState.HANDSHAKE or hello is None or not self._acknowledged:
            return
        self.state = ConnectionState.OPEN
        self._business_at = self._now
        self._decoder.max_envelope_bytes = self.limits.max_envelope_bytes
        mine = {name.rstrip("!") for name in self._local.features}
        self._features = frozenset(name.rstrip("!") for name in hello.features) & mine
        self._events.append(HandshakeCompleted(hello, self._protocol, self._features))


def _overlaps(cancel: ChunkCancel, want: ChunkRequest) -> bool:
    if cancel.transfer_id != want.transfer_id:
        return False
    if not cancel.ranges:
        return True
    return any(start < want.offset + want.length and want.offset < end for start, end in cancel.ranges)


def _remember(table: dict[str, HeldT], key: str, value: HeldT, most: int) -> None:
    """Put into a table that forgets its oldest entry when it is full."""
    while len(table) >= most:
        del table[next(iter(table))]
    table[key] = value
