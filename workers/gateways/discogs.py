"""Discogs' API: one GET a call with a status, a deadline and one limiter for all processes.

Its limit is a moving minute of 60 requests for who shows a token, 25 for everybody else. Besides our own pace the headers decide: what they count as
used up holds everybody back, and a Retry-After is obeyed to the second. Redirects are not followed, so that the token goes to the one address that is
configured. The token is in no log, code or parameter.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as member
from typing import Final, Protocol

import requests
from urllib3.exceptions import HTTPError

from apps.domain.catalog.discogs import DiscogsFacts, DiscogsGarbled, read_discogs
from apps.domain.catalog.links import DiscogsKind
from workers.gateways.errors import Permanent, Transient
from workers.gateways.http import BodyTooLong, read_bounded, retry_after_s
from workers.gateways.limiter import Limiter

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 20.0
"""For the whole answer."""
WINDOW_S: Final = 60.0
"""Discogs counts requests over so long."""
INTERVAL_MS: Final = 2450
"""25 a minute, a little less, so that jitter never makes it more."""
TOKEN_INTERVAL_MS: Final = 1050
"""60 a minute, likewise."""
RESERVE: Final = 2
"""When so few are left of a minute, somebody else asks with this address or token as well: everybody waits a part of it."""
SPENT_PUSH_S: Final = 10.0
MAX_BYTES: Final = 8 << 20
"""The largest releases have about 1 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscogsAnswer:
    """What was heard. `facts` None: it is as the `etag` that was sent says."""

    facts: DiscogsFacts | None
    etag: str = ""


class DiscogsPort(Protocol):
    """What the workers need of Discogs. Raises Transient and Permanent alone."""

    def entity(self, kind: DiscogsKind, number: int, *, etag: str = "") -> DiscogsAnswer:
        """A release, master, label or artist, unless it is as `etag` says.

        Permanent: `discogs_not_found`, `discogs_token_invalid`, `discogs_refused`. Transient: `discogs_unavailable`, `discogs_garbled`, and the limiter's.
        """


@dataclass(frozen=True, slots=True)
class _Heard:
    status: int
    headers: Mapping[str, str]
    body: bytes = member(repr=False)


class Discogs:
    """The real thing. `timeout_s` is for tests."""

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        contact: str,
        version: str,
        limiter: Limiter,
        interval_ms: int,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._base = base_url.rstrip("/")
        # Discogs asks for a name of one's own with an address where the program's people are to be found.
        said = f" +{contact}" if contact.isascii() and contact.isprintable() and contact else ""
        self._headers = {
            "User-Agent": f"slskdn/{version}{said}",
            "Accept": "application/vnd.discogs.v2.plaintext+json",
            "Accept-Encoding": "identity",
        }
        if token:
            self._headers["Authorization"] = f"Discogs token={token}"
        self._has_token = bool(token)
        self._limiter = limiter
        self._interval_ms = interval_ms
        self._timeout_s = timeout_s

    def entity(self, kind: DiscogsKind, number: int, *, etag: str = "") -> DiscogsAnswer:
        """See DiscogsPort."""
        self._limiter.acquire()
        heard = self._get(f"/{kind.value}s/{number}", etag)
        self._keep_pace(heard)
        log.info("discogs: %s %s status=%s", kind.value, number, heard.status)
        if heard.status == 304 and etag:
            return DiscogsAnswer(facts=None, etag=etag)
        value = self._value(heard, kind=kind, number=number)
        try:
            facts = read_discogs(kind, value)
        except DiscogsGarbled as error:
            field = error.params.get("field")
            raise Transient(error.sentence, code=error.code, reason="shape", field=field) from error
        if facts.id != number:
            raise Transient("Discogs answered with something else.", code="discogs_garbled", reason="other_id")
        return DiscogsAnswer(facts=facts, etag=_header(heard.headers.get("ETag")))

    def _get(self, path: str, etag: str) -> _Heard:
        deadline = time.monotonic() + self._timeout_s
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        try:
            with requests.get(
                self._base + path, headers=headers, timeout=self._timeout_s, stream=True, allow_redirects=False
            ) as answer:
                body = read_bounded(answer.raw.read1, deadline=deadline, most=MAX_BYTES)
                stated = answer.headers.get("Content-Length", "")
                if stated.isdecimal() and int(stated) != len(body) and answer.status_code != 304:
                    raise Transient("Discogs' answer was cut off.", code="discogs_garbled", reason="truncated")
                return _Heard(answer.status_code, dict(answer.headers), body)
        except BodyTooLong as error:
            raise Transient("Discogs' answer has no end.", code="discogs_garbled", reason="too_long") from error
        # Reading the raw stream lets urllib3's own errors through (a body that is cut off, say).
        except (requests.RequestException, HTTPError, OSError) as error:
            reason = "timeout" if isinstance(error, requests.Timeout | TimeoutError) else "connection"
            raise Transient("Discogs does not answer right now.", code="discogs_unavailable", reason=reason) from error

    def _keep_pace(self, heard: _Heard) -> None:
        """Hold everybody back where the service says so; it counts all that comes from this address or token, not only us."""
        after = retry_after_s(heard.headers.get("Retry-After"))
        if heard.status in (429, 503):
            self._limiter.push_back(after if after is not None else WINDOW_S if heard.status == 429 else SPENT_PUSH_S)
            return
        limit = _count(heard.headers.get("X-Discogs-Ratelimit"))
        left = _count(heard.headers.get("X-Discogs-Ratelimit-Remaining"))
        if left is not None and left < RESERVE:
            self._limiter.push_back(SPENT_PUSH_S)
        elif limit and 1000 * WINDOW_S / limit > self._interval_ms + 50:
            # It grants less than we take it for: a token that does not count, or a limit that was lowered.
            self._limiter.push_back(WINDOW_S / limit)

    def _value(self, heard: _Heard, *, kind: DiscogsKind, number: int) -> object:
        """The JSON of a good answer. Raises Permanent and Transient."""
        status = heard.status
        try:
            value: object = json.loads(heard.body)
        except (ValueError, RecursionError):
            value = None
        if status == 200 and isinstance(value, Mapping):
            return value
        if status in (404, 410) and isinstance(value, Mapping):
            raise Permanent(
                f"Discogs knows no {kind.value} with this number.", code="discogs_not_found", kind=kind.value, id=number
            )
        if status in (401, 403) and isinstance(value, Mapping):
            if self._has_token:
                raise Permanent("Discogs does not accept the token.", code="discogs_token_invalid", status=status)
            raise Permanent("Discogs wants a token for this.", code="discogs_refused", status=status)
        if status == 429 or status >= 500:
            after = retry_after_s(heard.headers.get("Retry-After"))
            raise Transient(
                "Discogs does not answer right now.", code="discogs_unavailable", retry_after_s=after, status=status
            )
        if 400 <= status < 500 and isinstance(value, Mapping):
            raise Permanent("Discogs refused the request.", code="discogs_refused", status=status)
        # A page of a proxy or a portal, a redirect, half a JSON: nobody whom we asked.
        reason = "html" if heard.body.lstrip()[:1] == b"<" else "redirect" if 300 <= status < 400 else "json"
        raise Transient(
            "Discogs answered with something that is no answer.", code="discogs_garbled", reason=reason, status=status
        )


def _header(text: str | None) -> str:
    """Only what can go into a header again."""
    said = (text or "").strip()
    return said if said.isascii() and said.isprintable() and len(said) <= 200 else ""


def _count(text: str | None) -> int | None:
    said = (text or "").strip()
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 6 else None
