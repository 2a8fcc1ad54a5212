"""A peer that speaks raw bytes over real mutual TLS to a running node: blocking sockets, a key of its own, no manners."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from OpenSSL import SSL

from overlay_node.net.identity import identity_ephemeral
from overlay_node.net.tls import make_context
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.events import HandshakeCompleted, MessageReceived
from overlay_node.protocol.messages import Message
from tests.patience import PATIENCE_S

PIECE = 65536
AGENT = "<script>alert(2)</script>\u202egnp.exe\u2066/../../"


class RawPeer:
    """One connection, TLS shaken hands; nothing said yet."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.identity = identity_ephemeral()
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)
        self._socket.settimeout(None)  # OpenSSL wants a blocking descriptor; the kernel keeps the time
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(PATIENCE_S), 0))
        self._tls = SSL.Connection(make_context(self.identity), self._socket)
        self._tls.set_connect_state()
        self._tls.do_handshake()
        ids = itertools.count(1)
        self._core = Connection(
            Role.CLIENT,
            local=LocalHello(
                features=("dream/7", "payload/1", "sleep/99"), feature_params={"dream": {"deep": [1]}}, agent=AGENT
            ),
            peer_id=self.identity.peer_id,
            now=time.monotonic(),
            admission=AdmissionTokens(b"s" * 16),
            new_id=lambda: str(uuid.UUID(int=next(ids))),
            new_nonce=lambda: b"n" * 16,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """End without a word."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def send(self, data: bytes) -> None:
        """These bytes."""
        with contextlib.suppress(SSL.Error):  # the other side may have hung up already
            self._tls.sendall(data)

    def rest(self) -> bytes:
        """Everything until the other side hangs up."""
        return b"".join(self._pieces())

    def greet(self) -> HandshakeCompleted:
        """Shake hands with features and parameters that nobody here knows."""
        found = self._pump(lambda event: isinstance(event, HandshakeCompleted))
        assert isinstance(found, HandshakeCompleted)
        return found

    def ask(self, message: Message) -> Message:
        """Send a request; its answer."""
        asked = self._core.send(message, now=time.monotonic())
        found = self._pump(lambda event: isinstance(event, MessageReceived) and event.message.in_reply_to == asked)
        assert isinstance(found, MessageReceived)
        return found.message

    def _pump(self, wanted: Callable[[object], bool]) -> object:
        while True:
            self.send(b"".join(bytes(piece) for piece in self._core.data_to_send()))
            while (event := self._core.next_event()) is not None:
                if wanted(event):
                    self.send(b"".join(bytes(piece) for piece in self._core.data_to_send()))
                    return event
            self._core.receive_data(self._tls.recv(PIECE), time.monotonic())

    def _pieces(self) -> Iterator[bytes]:
        while True:
            try:
                yield self._tls.recv(PIECE)
            except (SSL.ZeroReturnError, SSL.SysCallError):
                return


def envelope(text: bytes, attachment: bytes = b"") -> bytes:
    """Any bytes as a frame."""
    return len(text).to_bytes(4, "big") + text + attachment


def strange(kind: str, attachment: bytes = b"", **fields: object) -> bytes:
    """A message as a newer version might send it."""
    body = {"type": kind, "version": 1, "message_id": str(uuid.uuid4()), **fields}
    if attachment:
        body["attachment_bytes"] = len(attachment)
    return envelope(json.dumps(body).encode(), attachment)
