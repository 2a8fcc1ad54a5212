"""`musicbrainzngs` with its rate limiter, its silent retries and its redirects replaced: one HTTP request a call, every outcome told.

The library keeps its settings in module variables and tries each request up to eight times with growing sleeps, inside `_safe_read`. Here that one
function is replaced, once at import, by `_read`: it hands the request to whoever is asking in this thread (`asking`). Redirects are not followed by
urllib, whose second request no limiter would count: they are told like any other outcome.
"""

from __future__ import annotations

import functools
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import IO, Final

import musicbrainzngs
from musicbrainzngs import musicbrainz as _library
from typing_extensions import override

from apps.domain.catalog.validators import HttpValidator
from workers.gateways.http import BodyTooLong, read_bounded, retry_after_s

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Unanswered(Exception):
    """One attempt ended without a usable body. `status` 0: no HTTP answer at all. `location`: of a redirect."""

    def __init__(
        self,
        reason: str,
        *,
        status: int = 0,
        retry_after: float | None = None,
        garbled: bool = False,
        location: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after
        self.garbled = garbled
        self.location = location


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes, and by what it is known again."""

    data: bytes
    validator: HttpValidator = HttpValidator()  # noqa: RUF009  (frozen)


@contextmanager
def asking(read: Callable[[urllib.request.Request], Body]) -> Iterator[None]:
    """Requests that the library makes in this thread go to `read`."""
    _asking.read = read
    try:
        yield
    finally:
        del _asking.read


def send_once(request: urllib.request.Request, *, timeout_s: float) -> Body:
    """One request: `timeout_s` for the whole answer. Raises Unanswered."""
    deadline = time.monotonic() + timeout_s
    try:
        with _opener().open(request, timeout=timeout_s) as answer:
            data = read_bounded(answer.read1, deadline=deadline)
            return Body(data, _validator(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            after = retry_after_s(error.headers.get("Retry-After"))
            location = error.headers.get("Location") or ""
        raise Unanswered(f"http_{error.code}", status=error.code, retry_after=after, location=location) from error
    except (http.client.IncompleteRead, BodyTooLong) as error:
        reason = "truncated" if isinstance(error, http.client.IncompleteRead) else "too_long"
        raise Unanswered(reason, garbled=True) from error
    except TimeoutError as error:
        raise Unanswered("timeout") from error
    except urllib.error.URLError as error:
        reason = "timeout" if isinstance(error.reason, TimeoutError) else "connection"
        raise Unanswered(reason) from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        # A status line that is none, a reset in the middle: nobody who speaks HTTP is there.
        raise Unanswered("connection") from error


class _Asking(threading.local):
    read: Callable[[urllib.request.Request], Body]


_asking = _Asking()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Tells a redirect as the answer it is."""

    @override
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects())


def _validator(headers: Message) -> HttpValidator:
    """Only what can go into a header again."""
    etag, modified = (headers.get("ETag") or "").strip(), (headers.get("Last-Modified") or "").strip()
    return HttpValidator(
        etag=etag if etag.isascii() and etag.isprintable() and len(etag) <= 200 else "",
        last_modified=modified if modified.isascii() and modified.isprintable() and len(modified) <= 60 else "",
    )


def _read(_opener: object, req: urllib.request.Request, _body: bytes | None = None) -> bytes:
    return _asking.read(req).data


def _parse(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "html" if body.lstrip()[:1] == b"<" else "json"
        raise Unanswered(reason, garbled=True) from error
    if not isinstance(value, dict):
        raise Unanswered("shape", garbled=True)
    return value


def _install() -> None:
    """Replace what the library does too much of. Its own list of includes lacks one that WS/2 has (recording: release-groups)."""
    _library._safe_read = _read
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "The json format is non-official": WS/2 documents it today
        musicbrainzngs.set_format("json")
    musicbrainzngs.set_parser(_parse)
    musicbrainzngs.set_rate_limit(False)
    if "release-groups" not in _library.VALID_INCLUDES["recording"]:
        _library.VALID_INCLUDES["recording"].append("release-groups")


_install()
