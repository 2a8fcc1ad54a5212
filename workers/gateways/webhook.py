"""One POST to somebody's address: only there (no redirect is followed), bounded in time and bytes, every outcome told, nothing raised.

The name is resolved first and the connection made to the very address that was allowed, so that a name can't answer with another one in between.
No proxy of the environment is used. The body and its signature come from the caller; the address is never logged (it may hold a token).
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import urlsplit

from apps.common.text import display_text
from apps.domain.jobs.webhooks import address_allowed
from apps.jobs.services_webhooks import Answered
from workers.gateways.http import retry_after_s

MAX_ANSWER_BYTES: Final = 2000
"""Read of an answer's body: enough to show what it says, whatever its length."""
ANSWER_CHARS: Final = 300
MAX_RETRY_AFTER_S: Final = 3600.0


def post(url: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float, allow_private: bool) -> Answered:
    """Send `body`. `timeout_s` bounds the whole of it, however slowly the receiver reads or answers (not the look-up of its name)."""
    began = time.monotonic()
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    try:
        addresses = _resolve(host, parts.port or (443 if secure else 80))
    except (OSError, UnicodeError):
        return _away(began, "webhook_name_unknown", host=host)
    allowed = [one for one in addresses if address_allowed(ipaddress.ip_address(str(one[0])), private=allow_private)]
    if not allowed:
        return _away(began, "webhook_address_refused", host=host)
    try:
        with _Deadline(timeout_s) as deadline:
            return _exchange(url, allowed[0], body=body, headers=headers, began=began, deadline=deadline)
    except TimeoutError:
        return _away(began, "webhook_timeout", seconds=round(timeout_s))
    except ssl.SSLError as error:
        return _away(began, "webhook_tls", reason=_said(error))
    except OSError as error:
        return _away(began, "webhook_unreachable", reason=_said(error))
    except (http.client.HTTPException, ValueError):
        return _away(began, "webhook_garbled")


class _Deadline:
    """Ends whatever the socket does when the time is up: a socket's own timeout starts anew with every byte."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.over = False
        self._sock: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        with self._lock:
            sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()
        # Also when it looks like an answer: http.client takes the end of the stream for the end of the headers.
        if self.over:
            raise TimeoutError from error

    def watch(self, sock: socket.socket) -> None:
        """This is the socket to end."""
        with self._lock:
            self._sock = sock
        if self.over:
            raise TimeoutError

    def _end(self) -> None:
        self.over = True
        with self._lock:
            if self._sock is not None:
                # Not the TLS object's own shutdown, which talks: the descriptor's, which ends a read in another thread.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def _resolve(host: str, port: int) -> list[tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(where[0]).partition("%")[0], int(where[1])) for *_rest, where in found]


def _exchange(
    url: str,
    address: tuple[str, int],
    *,
    body: bytes,
    headers: Mapping[str, str],
    began: float,
    deadline: _Deadline,
) -> Answered:
    parts = urlsplit(url)
    host = parts.hostname or ""
    sock = socket.create_connection(address, timeout=deadline.seconds)
    deadline.watch(sock)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, parts.port, timeout=deadline.seconds)
        secured = ssl.create_default_context().wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        deadline.watch(secured)
        secured.do_handshake()
        sock = secured
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=deadline.seconds)
    connection.sock = sock
    connection.auto_open = 0
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body=body, headers={**headers, "Connection": "close"})
    with connection.getresponse() as response:
        said = display_text(response.read(MAX_ANSWER_BYTES).decode("utf-8", "replace"), limit=ANSWER_CHARS)
        return _judged(response.status, said, response.getheader("Retry-After"), ms=_ms(began))


def _judged(status: int, said: str, retry_after: str | None, *, ms: int) -> Answered:
    if 200 <= status < 300:
        return Answered(status=status, params={}, answer=said, ms=ms)
    if 300 <= status < 400:
        return Answered(status=status, code="webhook_redirected", params={"status": status}, answer=said, ms=ms)
    after = retry_after_s(retry_after)
    busy = status in {429, 503}
    return Answered(
        status=status,
        code="webhook_answered",
        params={"status": status},
        answer=said,
        ms=ms,
        away=busy and after is not None,
        retry_after_s=min(after, MAX_RETRY_AFTER_S) if busy and after is not None else None,
    )


def _away(began: float, code: str, **params: str | int) -> Answered:
    return Answered(code=code, params=params, ms=_ms(began), away=True)


def _said(error: OSError) -> str:
    words = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return display_text(str(words or type(error).__name__), limit=80)


def _ms(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
