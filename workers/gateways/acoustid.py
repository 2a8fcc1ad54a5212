"""AcoustID: which recordings have this fingerprint? One POST per lookup or batch, with status codes, a deadline and our limiter.

(pyacoustid's own `lookup` hides the HTTP status, knows no deadline for the whole answer and limits per process.)
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import requests
from urllib3.exceptions import HTTPError

from apps.domain.catalog.fields import clean
from apps.domain.library.offers import MAX_OFFERS, Offer
from workers.gateways.acoustid_offers import read_offers
from workers.gateways.errors import Permanent, Transient
from workers.gateways.http import BodyTooLong, read_bounded, retry_after_s
from workers.gateways.limiter import Limiter

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 20.0
INTERVAL_MS: Final = 350
"""AcoustID allows three requests a second; a little less, so that jitter never makes it more."""
MAX_RESULTS: Final = 50
BATCH: Final = 10
"""Fingerprints of one request. The service takes 20; ten answers with releases and tracks of popular songs stay below 10 MB."""
_META_FULL: Final = "recordings releasegroups releases tracks sources compress"
_BUSY_CODES: Final = frozenset({5, 13, 14})
"""acoustid-server api/errors.py: internal error, service unavailable, too many requests."""
_KEY_CODES: Final = frozenset({4, 6})
_ITEM_CODES: Final = frozenset({2, 3, 8})
"""Missing parameter, invalid fingerprint, invalid duration: one item's fault. (The whole request's faults have other codes.)"""
BUSY_PUSH_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcoustidMatch:
    """A recording that has (nearly) this fingerprint. Texts are anybody's, but harmless and short."""

    recording_mbid: uuid.UUID
    score: float
    """0..1, of the fingerprint's match, not of the recording's."""
    acoustid: str
    title: str = ""
    artist: str = ""


@dataclass(frozen=True, slots=True)
class AcoustidQuery:
    """A fingerprint to ask for: compressed text of the first 120 s, and the length of the whole file."""

    fingerprint: str
    duration_s: int


class AcoustidPort(Protocol):
    """What verification needs of AcoustID. Raises Transient and Permanent alone."""

    def lookup(self, fingerprint: str, *, duration_s: int) -> tuple[AcoustidMatch, ...]:
        """Recordings by score, best first; () if it knows none. `fingerprint`: compressed text of the first 120 s."""


class AcoustidBatchPort(Protocol):
    """What identification needs of AcoustID. Raises Transient and Permanent alone."""

    def lookup_batch(self, queries: Sequence[AcoustidQuery]) -> tuple[tuple[Offer, ...] | None, ...]:
        """For each query its offers, best first; (): none known; None: AcoustID can't read this one. At most BATCH queries."""


class Acoustid:
    """The real thing. `timeout_s` is for tests."""

    def __init__(self, *, host: str, client_id: str, limiter: Limiter, timeout_s: float = TIMEOUT_S) -> None:
        self._url = host.rstrip("/") + "/v2/lookup"
        self._client_id = client_id
        self._limiter = limiter
        self._timeout_s = timeout_s

    def lookup(self, fingerprint: str, *, duration_s: int) -> tuple[AcoustidMatch, ...]:
        """See AcoustidPort. Permanent: `acoustid_key_invalid`, `acoustid_refused`. Transient: `acoustid_unavailable`, `acoustid_garbled`."""
        form = {"duration": str(max(1, duration_s)), "fingerprint": fingerprint, "meta": "recordings"}
        return read_matches(self._ask(form))

    def lookup_batch(self, queries: Sequence[AcoustidQuery]) -> tuple[tuple[Offer, ...] | None, ...]:
        """See AcoustidBatchPort. A batch that is refused for one fingerprint's sake is asked for in halves, so that the others get their answer."""
        if not queries or len(queries) > BATCH:
            raise ValueError(f"1..{BATCH} queries")
        form = {"batch": "1", "meta": _META_FULL}
        for index, query in enumerate(queries):
            form[f"duration.{index}"] = str(max(1, query.duration_s))
            form[f"fingerprint.{index}"] = query.fingerprint
        try:
            value = self._ask(form)
        except Permanent as error:
            if error.code != "acoustid_refused" or error.params.get("error") not in _ITEM_CODES:
                raise
            if len(queries) == 1:
                return (None,)
            half = len(queries) // 2
            return self.lookup_batch(queries[:half]) + self.lookup_batch(queries[half:])
        return read_batch(value, count=len(queries))

    def _ask(self, form: Mapping[str, str]) -> Mapping[str, object]:
        """One request. Raises as `lookup` says."""
        self._limiter.acquire()
        status, after, body = self._post({"format": "json", "client": self._client_id, **form})
        try:
            value: object = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(status, after) from error
        if isinstance(value, Mapping) and value.get("status") == "ok" and status == 200:
            return value
        raise self._refusal(status, after, value)

    def _post(self, form: Mapping[str, str]) -> tuple[int, float | None, bytes]:
        deadline = time.monotonic() + self._timeout_s
        headers = {"Accept-Encoding": "identity", "User-Agent": "slskdn"}
        try:
            with requests.post(
                self._url, data=form, headers=headers, timeout=self._timeout_s, stream=True, allow_redirects=False
            ) as answer:
                body = read_bounded(answer.raw.read1, deadline=deadline)
                return answer.status_code, retry_after_s(answer.headers.get("Retry-After")), body
        except BodyTooLong as error:
            raise Transient("AcoustID's answer has no end.", code="acoustid_garbled", reason="too_long") from error
        # Reading the raw stream lets urllib3's own errors through (a body that is cut off, say).
        except (requests.RequestException, HTTPError, OSError) as error:
            raise Transient(
                "AcoustID does not answer right now.", code="acoustid_unavailable", reason=type(error).__name__
            ) from error

    def _unreadable(self, status: int, after: float | None) -> Transient:
        if status >= 500 or status == 429:
            self._limiter.push_back(after if after is not None else BUSY_PUSH_S)
            return Transient(
                "AcoustID does not answer right now.", code="acoustid_unavailable", retry_after_s=after, status=status
            )
        return Transient("AcoustID answered with something that is no answer.", code="acoustid_garbled", status=status)

    def _refusal(self, status: int, after: float | None, value: object) -> Transient | Permanent:
        error = value.get("error") if isinstance(value, Mapping) else None
        code = error.get("code") if isinstance(error, Mapping) else None
        message = clean(str(error.get("message", "")))[:200] if isinstance(error, Mapping) else ""
        log.info("acoustid: status=%s code=%s", status, code)
        if not isinstance(code, int):
            return self._unreadable(status, after)
        if code in _BUSY_CODES or status >= 500 or status == 429:
            return self._unreadable(503, after)
        if code in _KEY_CODES:
            return Permanent("AcoustID does not accept the client id.", code="acoustid_key_invalid", message=message)
        return Permanent("AcoustID refused the request.", code="acoustid_refused", message=message, error=code)


def read_batch(value: Mapping[str, object], *, count: int) -> tuple[tuple[Offer, ...] | None, ...]:
    """The answers of a batch in the order asked; None where the service left one out (it does so for what it can't read).

    Raises Transient `acoustid_garbled`.
    """
    listed = value.get("fingerprints")
    if not isinstance(listed, list):
        raise Transient("AcoustID answered with something of another shape.", code="acoustid_garbled", reason="shape")
    answers: list[tuple[Offer, ...] | None] = [None] * count
    for one in listed[: 2 * BATCH]:
        index = str(one.get("index")) if isinstance(one, Mapping) else ""
        results = one.get("results") if isinstance(one, Mapping) else None
        if index.isascii() and index.isdigit() and len(index) < 4 and int(index) < count and isinstance(results, list):
            answers[int(index)] = read_offers(results[:MAX_RESULTS])[:MAX_OFFERS]
    return tuple(answers)


def read_matches(value: Mapping[str, object]) -> tuple[AcoustidMatch, ...]:
    """The recordings of a lookup, by score; a recording that several results name counts once. Raises Transient `acoustid_garbled`."""
    results = value.get("results")
    if not isinstance(results, list):
        raise Transient("AcoustID answered with something of another shape.", code="acoustid_garbled", reason="shape")
    best: dict[uuid.UUID, AcoustidMatch] = {}
    for result in results[:MAX_RESULTS]:
        score = result.get("score") if isinstance(result, Mapping) else None
        if not isinstance(score, int | float) or not abs(score) < 1e12:  # no NaN, nor an integer beyond any float
            continue
        recordings = result.get("recordings")
        for recording in recordings[:200] if isinstance(recordings, list) else []:
            match = _match(recording, float(score), acoustid=clean(str(result.get("id", "")))[:36])
            if match and (match.recording_mbid not in best or best[match.recording_mbid].score < match.score):
                best[match.recording_mbid] = match
    return tuple(sorted(best.values(), key=lambda match: -match.score))


def _match(recording: object, score: float, *, acoustid: str) -> AcoustidMatch | None:
    if not isinstance(recording, Mapping):
        return None
    try:
        mbid = uuid.UUID(str(recording.get("id")))
    except ValueError:
        return None
    artists = recording.get("artists")
    credit = "".join(
        str(artist.get("name", "")) + str(artist.get("joinphrase", ""))
        for artist in (artists[:20] if isinstance(artists, list) else [])
        if isinstance(artist, Mapping)
    )
    title = recording.get("title")
    return AcoustidMatch(
        recording_mbid=mbid,
        score=min(max(score, 0.0), 1.0),
        acoustid=acoustid,
        title=clean(title)[:200] if isinstance(title, str) else "",
        artist=clean(credit)[:200],
    )
