"""A link between two nodes: two real protocol cores, joined by two flows of the network. The lab's counterpart of `overlay_node.net.link`."""

from __future__ import annotations

from typing import Protocol

from overlay_node.protocol.connection import Connection
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.protocol.events import ConnectionClosed, HandshakeCompleted, MessageReceived
from overlay_node.protocol.limits import WRITE_BUFFER_MAX_BYTES
from overlay_node.protocol.messages import Message
from overlay_node.protocol.states import ConnectionState
from tests.lab.events import EventQueue, Timer
from tests.lab.network import DRAINED_BYTES, Flow


class Clock:
    """A node's own monotonic clock: it began at another time and may run a little fast or slow."""

    def __init__(self, queue: EventQueue, *, offset_s: float = 1000.0, drift: float = 0.0) -> None:
        self._queue = queue
        self._offset = offset_s
        self._rate = 1.0 + drift

    def now(self) -> float:
        """What the node's cores are told."""
        return self._offset + self._queue.now * self._rate

    def virtual(self, local: float) -> float:
        """The virtual time at which this clock shows `local`."""
        return (local - self._offset) / self._rate


class LinkOwner(Protocol):
    """A node, as its links see it."""

    def link_opened(self, link: LabLink) -> None:
        """Both sides said hello."""

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """A message."""

    def link_violated(self, link: LabLink, code: str) -> None:
        """The peer broke a rule; the link ends."""

    def link_ended(self, link: LabLink, code: str) -> None:
        """The link is gone. Called once."""

    def link_drained(self, link: LabLink) -> None:
        """There is room for more."""


class LabLink:
    """One end of a link."""

    def __init__(self, queue: EventQueue, clock: Clock, connection: Connection, out: Flow, owner: LinkOwner) -> None:
        self.peer = connection.peer_id
        self.connection = connection
        self.clock = clock
        self.other: LabLink
        self.bytes_received = 0
        self.ended = False
        self.deaf = False
        """what comes is read and thrown away: for those who keep to no protocol"""
        self._queue = queue
        self._out = out
        self._owner = owner
        self._timer: Timer | None = None
        self._working = False
        out.on_drained = self._drained

    @staticmethod
    def join(one: LabLink, other: LabLink) -> None:
        """Two ends become a link."""
        one.other, other.other = other, one
        one._out.on_segment = other._receive
        other._out.on_segment = one._receive

    @staticmethod
    def shake_hands(one: LabLink, other: LabLink) -> None:
        """Exchange hellos at once: for links that are up before the run begins."""
        busy = True
        while busy:
            busy = False
            for end in (one, other):
                for piece in end.connection.data_to_send():
                    end.other.connection.receive_data(piece, end.other.clock.now())
                    busy = True

    @property
    def delay_s(self) -> float:
        """From here to the other end."""
        return self._out.delay_s

    @property
    def is_open(self) -> bool:
        """True while messages may be sent."""
        return not self.ended and self.connection.state is ConnectionState.OPEN

    @property
    def queued_bytes(self) -> int:
        """Bytes that the network did not take yet."""
        return self._out.pending

    @property
    def drained(self) -> bool:
        """True when more may be written."""
        return self._out.pending <= DRAINED_BYTES

    def send(self, message: Message, attachment: Attachment | memoryview = b"") -> str:
        """Send; returns the message_id. LocalProtocolError as `Connection.send`."""
        message_id = self.connection.send(message, attachment, now=self.clock.now())
        self.work()
        return message_id

    def write_raw(self, data: bytes) -> None:
        """Bytes past the core: for those who keep to no protocol."""
        self._out.write(data)

    def close(self, code: str) -> None:
        """Say bye; the link ends when that was sent and heard."""
        self.connection.close(code, now=self.clock.now())
        self.work()

    def cut(self, code: str = "connection_lost") -> None:
        """The connection breaks: this side knows at once, the other one when the news has travelled."""
        if self.ended:
            return
        other = self.other
        self._out.cut()
        self._queue.after(self._out.delay_s, lambda: other._gone(code))
        self._gone(code)

    def work(self) -> None:
        """Tell the node what is new, write what waits, set the clock."""
        if self._working:
            return
        self._working = True
        try:
            connection = self.connection
            while connection.has_events or connection.has_data_to_send:
                for piece in connection.data_to_send():
                    self._write(piece)
                if self._out.pending > WRITE_BUFFER_MAX_BYTES:
                    self.cut("reads_too_slowly")
                event = connection.next_event()
                match event:
                    case HandshakeCompleted():
                        self._owner.link_opened(self)
                    case MessageReceived(message=message, attachment=attachment):
                        self._owner.link_received(self, message, attachment)
                    case ConnectionClosed(reason_code=code):
                        self._end_soon(code)
                    case None:
                        pass
        finally:
            self._working = False
        self._set_timer()

    # ---- private

    def _write(self, piece: bytes | bytearray | memoryview) -> None:
        self._out.write(piece)

    def _receive(self, views: list[memoryview]) -> None:
        if self.ended or self.deaf:
            return
        now = self.clock.now()
        try:
            for view in views:
                self.bytes_received += view.nbytes
                self.connection.receive_data(view, now)
        except RemoteProtocolError as error:
            self._owner.link_violated(self, error.code)
            self.work()
            self._end_soon(error.code)
            return
        if self.connection.has_events or self.connection.has_data_to_send:
            self.work()

    def _drained(self) -> None:
        if not self.ended:
            self._owner.link_drained(self)

    def _end_soon(self, code: str) -> None:
        """After the bye has left."""
        self._queue.after(self._out.delay_s, lambda: self.cut(code))

    def _gone(self, code: str) -> None:
        if self.ended:
            return
        self.ended = True
        self._out.cut()
        if self._timer is not None:
            self._timer.cancel()
        self.connection.close(code, now=self.clock.now())
        self._owner.link_ended(self, code)

    def _set_timer(self) -> None:
        due = self.connection.next_timer()
        if due is None or self.ended:
            return
        when = self.clock.virtual(due)
        if self._timer is None or self._timer.call is None or when < self._timer.at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._queue.at(when, self._tick)

    def _tick(self) -> None:
        if not self.ended:
            self.connection.handle_timer(self.clock.now())
            self.work()
            self._set_timer()
