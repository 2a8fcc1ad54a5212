"""A link: one authenticated connection with one peer, as everything above ``net`` sees it; and the Twisted protocol that pumps its bytes.

``LinkProtocol`` lives from TCP's first byte: TLS, its deadline, who the peer proved to be. From then on ``Link`` joins a sans-IO
``Connection`` to the transport: bytes, timers, back-pressure, answers to requests. No rule of the protocol is decided here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from typing_extensions import override
from zope.interface import implementer  # type: ignore[import-untyped]

from overlay_node.net.addresses import group_of
from overlay_node.net.errors import RequestFailed
from overlay_node.net.ports import Clock, DelayedCall
from overlay_node.net.tls import peer_id_of_connection, speaks_overlay
from overlay_node.protocol import limits
from overlay_node.protocol.connection import Connection, Role
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.protocol.events import ConnectionClosed, Event, HandshakeCompleted, MessageReceived
from overlay_node.protocol.messages import ErrorReply, Hello, Message, Purpose
from overlay_node.protocol.states import ConnectionState

if TYPE_CHECKING:
    from twisted.python.failure import Failure

log = logging.getLogger(__name__)

_WRITE_BATCH_BYTES: Final = (
    limits.MAX_CHUNK_BYTES + limits.KIB
)  # a whole chunk with its head leaves at once; from 1 MiB on it would not fit into one flush of the TLS layer


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request."""

    message: Message
    attachment: Attachment


class LinkHost(Protocol):
    """What a link needs of the overlay that owns it."""

    clock: Clock

    def link_identified(self, protocol: LinkProtocol, peer_id: str) -> str | None:
        """TLS has proven ``peer_id``. None = go on; otherwise the code why not."""

    def connection_for(self, role: Role, peer_id: str) -> Connection:
        """A fresh core for this peer."""

    def link_opened(self, link: Link) -> None:
        """Hello is done."""

    def link_received(self, link: Link, message: Message, attachment: Attachment) -> None:
        """A message that is no answer to a request."""

    def link_violated(self, link: Link, error: RemoteProtocolError) -> None:
        """The peer broke a rule; the link is being closed."""

    def link_ended(self, link: Link, reason_code: str) -> None:
        """The transport is gone."""

    def connection_ended(self, protocol: LinkProtocol, reason_code: str) -> None:
        """The transport of any connection, identified or not, is gone."""


@implementer(IPushProducer)
class Link:
    """One live link. Made by the listener and the dialer; never by hand.

    All methods are for the reactor's thread. Deferreds can be awaited in coroutines run by ``Deferred.fromCoroutine``; asyncio tasks use
    ``deferred.asFuture(loop)``.
    """

    path: Final = "direct"

    def __init__(
        self,
        *,
        host: LinkHost,
        connection: Connection,
        transport: Any,
        dialled_by_me: bool,
        tls_role: Role,
        remote_addr: tuple[str, int] | None,
    ) -> None:
        self.peer_id: Final = connection.peer_id
        """proven by TLS"""
        self.dialled_by_me: Final = dialled_by_me
        self.tls_role: Final = tls_role
        self.remote_addr: Final = remote_addr
        """for logs and for the address book; decisions read ``group``"""
        self.group: Final = group_of(remote_addr[0]) if remote_addr is not None else "unknown"
        """/24 or /56 of the peer, as text"""
        self.hello: Hello | None = None
        """what the peer says of itself; None until the handshake is done"""
        self.features: frozenset[str] = frozenset()
        """features both sides named"""
        self.draining = False
        """lost against another link of the same peer: finish what runs, begin nothing"""
        self.bytes_sent = 0
        """of frames, before TLS; monotone"""
        self.bytes_received = 0
        """likewise"""
        self.close_reason: str | None = None
        """code, once it is closing"""
        self.get_buffer: Final = connection.get_buffer
        """where decrypted bytes belong"""
        self._host: Final = host
        self._connection: Final = connection
        self._transport: Final = transport
        self._queue: Final[deque[Attachment | memoryview]] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._pumping = False
        self._timer: DelayedCall | None = None
        self._timer_at = 0.0
        self._linger: DelayedCall | None = None
        self._waiting: Final[dict[str, tuple[Deferred[Reply], DelayedCall]]] = {}
        self._drain_waiters: list[Deferred[None]] = []
        self._stall: DelayedCall | None = None
        self._taken_at = 0.0
        """when the transport last took something of what waits, or when that began to wait"""
        self._gone = False

    def __repr__(self) -> str:
        return f"<Link {self.peer_id[:8]} {'out' if self.dialled_by_me else 'in'} {self.state}>"

    # ---- what others use ------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """handshake, open or closed."""
        return self._connection.state

    @property
    def is_open(self) -> bool:
        """True while messages may be sent."""
        return self._connection.state is ConnectionState.OPEN and not self._gone

    @property
    def purpose(self) -> Purpose:
        """Duplicate links are a question within one purpose."""
        return self._connection.purpose

    @property
    def boot_id(self) -> str | None:
        """The peer's current boot, if it told."""
        return self.hello.boot_id if self.hello is not None else None

    @property
    def is_idle(self) -> bool:
        """True when nothing waits for an answer in either direction and everything is written."""
        return self._connection.is_idle and not self._waiting and not self._queued_bytes

    @property
    def chunks_in_flight(self) -> int:
        """Chunk requests we sent that are neither answered nor cancelled; at most 8."""
        return self._connection.chunks_in_flight

    @property
    def queued_bytes(self) -> int:
        """Bytes given to ``send`` that the socket did not take yet."""
        return self._queued_bytes

    @property
    def counts(self) -> dict[str, int]:
        """What the core ignored, by kind."""
        return dict(self._connection.counts)

    def send(self, message: Message, attachment: Attachment | memoryview = b"") -> str:
        """Send and forget; returns the message_id. The attachment must not change until it is written.

        LocalProtocolError as ``Connection.send``. A peer that lets more than WRITE_BUFFER_MAX_BYTES pile up is cut off.
        """
        message_id = self._connection.send(message, attachment, now=self._host.clock.seconds())
        self._flush()
        return message_id

    def request(self, message: Message, timeout_s: float) -> Deferred[Reply]:
        """Send and wait for the answer. Fails with RequestFailed: link_closed, request_timeout, or the code of the peer's ``error``.

        A timeout of a chunk request frees no slot in flight: send ChunkCancel for it.
        """
        result: Deferred[Reply] = Deferred(lambda _cancelled: self._give_up(message_id))
        message_id = self._connection.send(message, now=self._host.clock.seconds())
        call = self._host.clock.callLater(timeout_s, self._time_out, message_id)
        self._waiting[message_id] = (result, call)
        self._flush()
        return result

    def drained(self) -> Deferred[None]:
        """Fires when no more than WRITE_BUFFER_HIGH_BYTES wait for the socket (at once, if so), or when the link is gone.

        A peer that takes nothing for WRITE_STALL_S while something waits is cut off (``reads_too_slowly``), so it always fires.
        """
        result: Deferred[None] = Deferred()
        if self._gone or self._queued_bytes <= limits.WRITE_BUFFER_HIGH_BYTES:
            result.callback(None)
        else:
            self._drain_waiters.append(result)
        return result

    def close(self, reason_code: str, *, retry_after_s: int | None = None) -> None:
        """Say bye and close. The listener hears of it when the transport is gone."""
        self._connection.close(reason_code, now=self._host.clock.seconds(), retry_after_s=retry_after_s)
        self._work()

    # ---- called by the protocol -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """TLS is up and the peer welcome: begin the handshake."""
        self._transport.registerProducer(self, streaming=True)
        self._work()

    def buffer_updated(self, count: int) -> None:
        """``count`` bytes were put there."""
        self.bytes_received += count
        try:
            self._connection.buffer_updated(count, self._host.clock.seconds())
        except RemoteProtocolError as error:
            self._violated(error)
        if self._connection.has_events or self._connection.has_data_to_send:
            self._work()
        elif (due := self._connection.frame_due) is not None and due < self._timer_at:
            self._set_timer()

    def data_received(self, data: bytes) -> None:
        """As ``buffer_updated``, for a TLS layer that brings its own bytes."""
        self.bytes_received += len(data)
        try:
            self._connection.receive_data(data, self._host.clock.seconds())
        except RemoteProtocolError as error:
            self._violated(error)
        self._work()

    def transport_lost(self) -> None:
        """The transport is gone, for whatever reason."""
        if self._gone:
            return
        self._gone = True
        reason = self.close_reason or "connection_lost"
        self._connection.close(reason, now=self._host.clock.seconds())
        self._stop(self._timer)
        self._stop(self._linger)
        self._stop(self._stall)
        self._queue.clear()
        self._queued_bytes = 0
        for message_id in list(self._waiting):
            self._fail(message_id, RequestFailed("The link closed before the answer came.", code="link_closed"))
        self._wake_drained()
        self._host.link_ended(self, reason)

    # ---- IPushProducer: the transport tells when it is full ---------------------------------------------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802
        """The socket is full."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        """The socket took everything."""
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:  # noqa: N802
        """The socket is gone."""
        self._paused = True

    # ---- private --------------------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Deliver what is new, write what is waiting, and set the clock."""
        while (event := self._connection.next_event()) is not None:
            try:
                self._deliver(event)
            except Exception:
                log.exception("The listener of %r failed on %s", self, type(event).__name__)
                self._connection.close("internal_error", now=self._host.clock.seconds())
        if self._connection.has_data_to_send or self._connection.state is not ConnectionState.OPEN:
            self._flush()

    def _deliver(self, event: Event) -> None:
        match event:
            case HandshakeCompleted():
                self.hello = event.hello
                self.features = event.features
                self._host.link_opened(self)
            case MessageReceived(message=message, attachment=attachment):
                waiting = self._waiting.pop(message.in_reply_to, None) if message.in_reply_to is not None else None
                if waiting is None:
                    self._host.link_received(self, message, attachment)
                    return
                result, call = waiting
                self._stop(call)
                if isinstance(message, ErrorReply):
                    result.errback(
                        RequestFailed(
                            "The peer refused the request.", code=message.code, retry_after_s=message.retry_after_s
                        )
                    )
                else:
                    result.callback(Reply(message, attachment))
            case ConnectionClosed(reason_code=reason_code):
                self._begin_close(reason_code)

    def _violated(self, error: RemoteProtocolError) -> None:
        self._begin_close(error.code)
        self._host.link_violated(self, error)

    def _begin_close(self, reason_code: str) -> None:
        if self.close_reason is None:
            self.close_reason = reason_code
            self._linger = self._host.clock.callLater(limits.CLOSE_LINGER_S, self._transport.abortConnection)

    def _flush(self) -> None:
        if not self._queue:
            self._taken_at = self._host.clock.seconds()
        for piece in self._connection.data_to_send():
            size = len(piece)
            self._queued_bytes += size
            self.bytes_sent += size
            self._queue.append(piece)
        if self._queued_bytes > limits.WRITE_BUFFER_MAX_BYTES and not self._gone:
            self._cut_slow_reader()
            return
        self._pump()
        if self._timer is None or self._connection.holds_back or self._connection.state is not ConnectionState.OPEN:
            self._set_timer()  # otherwise what is due moves on only

    def _pump(self) -> None:
        """Write until the transport says stop: some 512 KiB at a time, small pieces with large ones; chunks are never copied here."""
        if self._pumping:  # the transport may call resumeProducing from within write
            return
        self._pumping = True
        wrote = False
        try:
            while self._queue and not self._paused and not self._gone:
                batch: list[Attachment | memoryview] = []
                size = 0
                while self._queue and (not batch or size + len(self._queue[0]) <= _WRITE_BATCH_BYTES):
                    piece = self._queue.popleft()
                    if len(piece) > _WRITE_BATCH_BYTES:
                        view = memoryview(piece)
                        self._queue.appendleft(view[_WRITE_BATCH_BYTES:])
                        piece = view[:_WRITE_BATCH_BYTES]
                    batch.append(piece)
                    size += len(piece)
                self._queued_bytes -= size
                self._transport.writeSequence(batch)
                wrote = True
        finally:
            self._pumping = False
        if self._queue:
            if wrote:
                self._taken_at = self._host.clock.seconds()
            if self._stall is None:
                self._stall = self._host.clock.callLater(self._connection.limits.write_stall_s, self._stalled)
        if self._queued_bytes <= limits.WRITE_BUFFER_HIGH_BYTES and self._drain_waiters:
            self._wake_drained()
        if self._connection.state is ConnectionState.CLOSED and not self._queue and not self._gone:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def _stalled(self) -> None:
        """The peer is cut off when it took nothing for long. Comes too early when it took something meanwhile, and then asks again."""
        self._stall = None
        if not self._queue or self._gone:
            return
        left = self._taken_at + self._connection.limits.write_stall_s - self._host.clock.seconds()
        if left > 0:
            self._stall = self._host.clock.callLater(left, self._stalled)
        else:
            self._cut_slow_reader()

    def _cut_slow_reader(self) -> None:
        self.close_reason = self.close_reason or "reads_too_slowly"
        self._transport.abortConnection()

    def _wake_drained(self) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def _set_timer(self) -> None:
        """Keep one call pending, no later than what is due. One that comes early does nothing but ask again: cheaper than moving it."""
        due = self._connection.next_timer()
        if due is None or self._gone:
            self._stop(self._timer)
            self._timer = None
        elif self._timer is None or due < self._timer_at:
            self._stop(self._timer)
            self._timer_at = due
            delay = max(0.0, due - self._host.clock.seconds())
            self._timer = self._host.clock.callLater(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._connection.handle_timer(self._host.clock.seconds())
        self._work()
        self._set_timer()

    @staticmethod
    def _stop(call: DelayedCall | None) -> None:
        if call is not None and call.active():
            call.cancel()

    def _time_out(self, message_id: str) -> None:
        self._connection.forget(message_id)
        self._fail(message_id, RequestFailed("The peer did not answer in time.", code="request_timeout"))

    def _give_up(self, message_id: str) -> None:
        """The caller cancelled the Deferred."""
        self._connection.forget(message_id)
        waiting = self._waiting.pop(message_id, None)
        if waiting is not None:
            self._stop(waiting[1])

    def _fail(self, message_id: str, error: RequestFailed) -> None:
        waiting = self._waiting.pop(message_id, None)
        if waiting is not None:
            self._stop(waiting[1])
            waiting[0].errback(error)


@implementer(IHandshakeListener)
class LinkProtocol(TwistedProtocol):
    """The Twisted end: inside a TLS wrapper, which calls either ``dataReceived`` or ``get_buffer`` + ``buffer_updated``."""

    def __init__(
        self,
        host: LinkHost,
        *,
        role: Role,
        dialled_by_me: bool,
        remote_addr: tuple[str, int] | None,
        expected_peer_id: str | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> None:
        self.role: Final = role
        self.dialled_by_me: Final = dialled_by_me
        self.remote_addr: Final = remote_addr
        self.expected_peer_id: Final = expected_peer_id
        self.link: Link | None = None
        self.end_reason: str | None = None
        self._host: Final = host
        self._on_end: Final = on_end
        self._tls_timer: DelayedCall | None = None
        self._scratch: bytearray | None = None
        # For BulkTLS. The link's own, once there is one: they are called several times for each chunk.
        self.get_buffer: Callable[[], memoryview] = self._scratch_buffer
        self.buffer_updated: Callable[[int], None] = lambda _count: None

    @override
    def connectionMade(self) -> None:
        self._tls_timer = self._host.clock.callLater(limits.TLS_TIMEOUT_S, self._refuse, "tls_timeout")

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS is up: who is it?"""
        self._stop_timer()
        transport: Any = self.transport
        handle = transport.getHandle()
        if not speaks_overlay(handle):
            self._refuse("other_protocol")
            return
        peer_id = peer_id_of_connection(handle)
        if peer_id is None:
            self._refuse("tls_failed")
            return
        if self.expected_peer_id is not None and peer_id != self.expected_peer_id:
            self._refuse("wrong_peer")
            return
        refusal = self._host.link_identified(self, peer_id)
        if refusal is not None:
            self._refuse(refusal)
            return
        self.link = Link(
            host=self._host,
            connection=self._host.connection_for(self.role, peer_id),
            transport=transport,
            dialled_by_me=self.dialled_by_me,
            tls_role=self.role,
            remote_addr=self.remote_addr,
        )
        self.get_buffer, self.buffer_updated = self.link.get_buffer, self.link.buffer_updated
        self.link.start()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self.link is not None:
            self.link.data_received(data)

    def _scratch_buffer(self) -> memoryview:
        if self._scratch is None:
            self._scratch = bytearray(limits.SKIP_BUFFER_BYTES)
        return memoryview(self._scratch)

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        self._stop_timer()
        if self.link is not None:
            self.link.transport_lost()
            self.end_reason = self.link.close_reason or "connection_lost"
        elif self.end_reason is None:
            self.end_reason = "tls_failed"
        self._host.connection_ended(self, self.end_reason)
        if self._on_end is not None:
            self._on_end(self.end_reason)

    def abort(self, reason_code: str) -> None:
        """Cut the connection now: the node stops."""
        self._refuse(reason_code)

    def _refuse(self, reason_code: str) -> None:
        self._stop_timer()
        if self.end_reason is None:
            self.end_reason = reason_code
        if self.link is not None and self.link.close_reason is None:
            self.link.close_reason = reason_code
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _stop_timer(self) -> None:
        if self._tls_timer is not None and self._tls_timer.active():
            self._tls_timer.cancel()
        self._tls_timer = None
