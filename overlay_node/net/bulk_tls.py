"""Twisted's TLS protocol, tuned for chunks: the stock one costs twice the CPU on both sides.

Four changes. What is written goes into OpenSSL whole, not in 16 KiB slices. The result goes straight into the socket as far as that takes it:
no copy into a queue, no turn of the reactor, no change of what the reactor watches; only what the socket has no room for is queued the stock way.
Small writes that are made while bytes are being received leave together when these are read. Reads are decrypted straight into the buffer that the
wrapped protocol offers (``get_buffer`` / ``buffer_updated``, as asyncio's BufferedProtocol), and the socket is read 256 KiB at a time.

It leans on private names of Twisted and pyOpenSSL. ``choose_tls_protocol`` looks for them and falls back to the stock class, which
behaves the same and only costs more; the tests run both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from OpenSSL.SSL import Connection as SslConnection
from OpenSSL.SSL import Error as SslError
from OpenSSL.SSL import WantReadError
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from typing_extensions import override

try:
    from OpenSSL._util import ffi as _ffi  # type: ignore[attr-defined, unused-ignore]
    from OpenSSL._util import lib as _lib  # type: ignore[attr-defined, unused-ignore]
except ImportError:  # pragma: no cover - depends on the installed pyOpenSSL
    _ffi = _lib = None

_OUT_BYTES: Final = 1 << 20  # one flush of the send BIO; what is written at once should stay below half of it
_READ_BYTES: Final = (
    1 << 18
)  # bytes per recv of the socket; also the fill of the socket's queue at which producers pause
_HELD_BYTES: Final = 1 << 16  # what may wait encrypted while bytes are being received
_QUEUE_NAMES: Final = ("writeSomeData", "dataBuffer", "offset", "_tempDataLen", "connected", "_writeDisconnected")


class BulkTLS(TLSMemoryBIOProtocol):
    """See the module. One shared output buffer suffices: everything runs in the reactor's thread and is copied before it is left."""

    _out: Any = None
    _out_view: memoryview = memoryview(b"")
    _direct = False
    """the transport's own queue can be looked at: its socket may be written when the queue is empty"""
    _receiving = False
    _held_bytes = 0

    @override
    def makeConnection(self, transport: Any) -> None:
        if isinstance(getattr(transport, "bufferSize", None), int):
            transport.bufferSize = _READ_BYTES
        if isinstance(getattr(transport, "SEND_LIMIT", None), int):
            transport.SEND_LIMIT = _OUT_BYTES
        self._direct = all(hasattr(transport, name) for name in _QUEUE_NAMES)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    @override
    def writeSequence(self, iovec: Iterable[Any]) -> None:
        """Views are taken as well, and are encrypted when it returns; all of it leaves in one piece."""
        if self.disconnecting and self._producer is None:
            return
        for data in iovec:
            self._encrypt(data)
        self._flush_unless_held()

    @override
    def _write(self, data: Any) -> None:
        self._encrypt(data)
        self._flush_unless_held()

    def _encrypt(self, data: Any) -> None:
        if self._lostTLSConnection:
            return
        view = memoryview(data)
        self._held_bytes += len(view)
        ssl = self._tlsConnection._ssl
        while view:
            sent = _lib.SSL_write(ssl, _ffi.from_buffer(view), len(view))
            if sent > 0:
                view = view[sent:]
                continue
            try:
                sent = self._tlsConnection.send(view)  # the same again: it maps what is wrong
            except WantReadError:
                self._bufferedWrite(bytes(view))  # type: ignore[no-untyped-call]
                return
            except SslError:
                self._tlsShutdownFinished(Failure())  # type: ignore[no-untyped-call]
                return
            view = view[sent:]

    def _flush_unless_held(self) -> None:
        if not self._receiving or self._held_bytes > _HELD_BYTES:
            self._flushSendBIO()

    @override
    def _flushSendBIO(self) -> None:
        if BulkTLS._out is None:
            BulkTLS._out = _ffi.new("char[]", _OUT_BYTES)
            BulkTLS._out_view = memoryview(_ffi.buffer(BulkTLS._out)).cast("B")
        self._held_bytes = 0
        bio = self._tlsConnection._from_ssl
        while (count := _lib.BIO_read(bio, BulkTLS._out, _OUT_BYTES)) > 0:
            self._send(BulkTLS._out_view[:count])

    def _send(self, view: memoryview) -> None:
        """Into the socket, the rest into the transport's queue; also when the socket failed, which the reactor then finds out in its turn."""
        transport: Any = self.transport
        if (
            self._direct
            and transport.connected
            and not transport._writeDisconnected
            and not transport._tempDataLen
            and transport.offset == len(transport.dataBuffer)
        ):
            sent = transport.writeSomeData(view)
            if isinstance(sent, int) and sent > 0:
                view = view[sent:]
        if view:
            transport.write(bytes(view))

    @override
    def _flushReceiveBIO(self) -> None:
        wrapped: Any = self.wrappedProtocol
        self._receiving = True
        try:
            waits = False
            while not self._lostTLSConnection and not self._aborted:
                target = wrapped.get_buffer()
                room = len(target)
                ssl = self._tlsConnection._ssl
                # Released at once: kept alive by a traceback, such a view of a view takes the interpreter down (cffi 2.1, at its collection).
                with _ffi.from_buffer("char[]", target, require_writable=True) as place:
                    filled = 0
                    while filled < room:
                        count = _lib.SSL_read(ssl, place + filled, room - filled)
                        if count <= 0:
                            waits = _lib.SSL_get_error(ssl, count) == _lib.SSL_ERROR_WANT_READ
                            break
                        filled += count
                if filled:
                    wrapped.buffer_updated(filled)
                if filled < room:
                    break
        finally:
            self._receiving = False
        if waits:
            self._flushSendBIO()
        else:
            # Maps close-notify and errors, which SSL_read repeats; and flushes.
            super()._flushReceiveBIO()  # type: ignore[no-untyped-call]


def bulk_tls_is_possible() -> bool:
    """True when the installed Twisted and pyOpenSSL have the private names that BulkTLS needs."""
    overridden = ("_flushSendBIO", "_write", "_flushReceiveBIO", "_bufferedWrite", "_tlsShutdownFinished")
    functions = ("BIO_read", "SSL_read", "SSL_write", "SSL_get_error", "SSL_ERROR_WANT_READ")
    if _lib is None or _ffi is None or not all(hasattr(TLSMemoryBIOProtocol, name) for name in overridden):
        return False
    if not all(hasattr(_lib, name) for name in functions):
        return False
    return {"_ssl", "_from_ssl"} <= set(SslConnection.__init__.__code__.co_names)


def choose_tls_protocol() -> type[TLSMemoryBIOProtocol] | None:
    """BulkTLS where it works, otherwise None: leave the factory's own (stock) class."""
    return BulkTLS if bulk_tls_is_possible() else None
