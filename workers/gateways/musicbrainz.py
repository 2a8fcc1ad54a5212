"""MusicBrainz by `musicbrainzngs`, in JSON, with its rate limiter and its silent retries replaced.

The library keeps its settings in module variables and tries each request up to eight times with growing sleeps, inside `_safe_read`. Here that one
function is replaced, once at import, by `_read_once`: one request, 20 s, every outcome told. Its per-process limiter is switched off; ours counts
over all processes. `tests/workers/gateways/test_musicbrainz.py` proves one HTTP request per call.
"""

from __future__ import annotations

import functools
import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.request
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

import musicbrainzngs
from musicbrainzngs import musicbrainz as _library

from apps.domain.catalog.fields import MetadataGarbled
from apps.domain.catalog.release import (
    RecordingFacts,
    ReleaseFacts,
    ReleaseRef,
    read_recording,
    read_release,
)
from workers.gateways.errors import Permanent, Transient
from workers.gateways.http import BodyTooLong, read_bounded, retry_after_s
from workers.gateways.limiter import Limiter

log = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
"""For the whole answer. MusicBrainz' own gateway gives up on a request after about that long."""
RELEASE_INCLUDES: Final = ["artist-credits", "isrcs", "labels", "media", "recordings", "release-groups"]
RECORDING_INCLUDES: Final = ["artist-credits", "isrcs", "releases", "release-groups"]
BUSY_PUSH_S: Final = 5.0
"""How long nobody asks after a 503 that states no Retry-After."""
_NOT_FOUND = {
    "release": "release_not_found",
    "recording": "recording_not_found",
    "release-group": "release_group_not_found",
    "search": "musicbrainz_refused",
}
BROWSE_LIMIT: Final = 100
"""The most WS/2 gives at once. With recordings it gives fewer where they have many tracks, so pages are followed by what came."""
MAX_EDITIONS: Final = 250
"""Of one group. The most reissued albums have about 200; more are not needed to tell one edition."""
MAX_BROWSE_PAGES: Final = 6
SEARCH_LIMIT: Final = 25
_LUCENE: Final = re.compile(r'([+\-&|!(){}\[\]^"~*?:\\/])')


class MusicbrainzPort(Protocol):
    """What the workers need of MusicBrainz. Raises Transient and Permanent alone."""

    def release(self, mbid: uuid.UUID) -> ReleaseFacts:
        """A release with its tracks. Its id differs from `mbid` if that one was merged into it. Permanent `release_not_found`."""

    def recording(self, mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
        """A recording and its releases, best first. Permanent `recording_not_found`."""

    def group_releases(self, mbid: uuid.UUID) -> tuple[ReleaseFacts, ...]:
        """The editions of a release group with their tracks, at most MAX_EDITIONS. Those that cannot be read are left out; empty for a group
        without releases. Permanent `release_group_not_found`."""

    def release_search(self, *, artist: str, album: str) -> tuple[ReleaseHit, ...]:
        """Releases by these words, the likeliest first; none where searching is switched off. `artist` "": any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHit:
    """A release that a search found. `score` 0..100, of the words alone."""

    mbid: uuid.UUID
    group_mbid: uuid.UUID | None
    title: str
    artist: str
    score: int
    tracks: int


class Musicbrainz:
    """The real thing. `searching` False: nothing is asked by words, which come from tags. `timeout_s` is for tests."""

    def __init__(
        self,
        *,
        host: str,
        contact: str,
        version: str,
        limiter: Limiter,
        searching: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._host = host
        self._contact = contact
        self._version = version
        self._limiter = limiter
        self._searching = searching
        self._timeout_s = timeout_s

    def release(self, mbid: uuid.UUID) -> ReleaseFacts:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_release, self._ask("release", mbid, RELEASE_INCLUDES))

    def recording(self, mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_recording, self._ask("recording", mbid, RECORDING_INCLUDES))

    def group_releases(self, mbid: uuid.UUID) -> tuple[ReleaseFacts, ...]:
        """See MusicbrainzPort."""
        found: dict[uuid.UUID, ReleaseFacts] = {}
        offset = 0
        for _ in range(MAX_BROWSE_PAGES):
            answer = self._ask_list(
                functools.partial(
                    musicbrainzngs.browse_releases,
                    release_group=str(mbid),
                    includes=RELEASE_INCLUDES,
                    limit=BROWSE_LIMIT,
                    offset=offset,
                ),
                "release-group",
                mbid,
            )
            page = _garbled_is_transient(_releases_of, answer)
            for one in page:
                try:
                    facts = read_release(one)
                except MetadataGarbled:
                    log.info("musicbrainz: an edition that can't be read: group=%s", mbid)
                    continue
                found.setdefault(facts.mbid, facts)
            offset += len(page)
            whole = answer.get("release-count") if isinstance(answer, dict) else None
            if not page or not isinstance(whole, int) or offset >= min(whole, MAX_EDITIONS):
                break
        return tuple(found.values())

    def release_search(self, *, artist: str, album: str) -> tuple[ReleaseHit, ...]:
        """See MusicbrainzPort."""
        if not self._searching:
            return ()
        words = [f'release:"{_escaped(album)}"', *([f'artist:"{_escaped(artist)}"'] if artist else [])]
        ask = functools.partial(musicbrainzngs.search_releases, query=" AND ".join(words), limit=SEARCH_LIMIT)
        return _garbled_is_transient(_hits, self._ask_list(ask, "search", None))

    def _ask(self, entity: str, mbid: uuid.UUID, includes: list[str]) -> object:
        lookup = musicbrainzngs.get_release_by_id if entity == "release" else musicbrainzngs.get_recording_by_id
        answer = self._ask_list(functools.partial(lookup, str(mbid), includes=includes), entity, mbid)
        if not isinstance(answer, dict) or "id" not in answer:
            raise self._told(_Answered("shape", garbled=True), entity, mbid)
        return answer

    def _ask_list(self, ask: Callable[[], object], entity: str, mbid: uuid.UUID | None) -> object:
        self._configure()
        self._limiter.acquire()
        try:
            return ask()
        except _Answered as outcome:
            raise self._told(outcome, entity, mbid) from outcome

    def _configure(self) -> None:
        """The library's module variables; set before each call, since they belong to the process and not to us."""
        parts = urlsplit(self._host)
        musicbrainzngs.set_hostname(parts.netloc + parts.path.rstrip("/"), use_https=parts.scheme == "https")
        musicbrainzngs.set_useragent("slskdn", self._version, self._contact or None)
        _read_once.timeout_s = self._timeout_s

    def _told(self, outcome: _Answered, entity: str, mbid: uuid.UUID | None) -> Transient | Permanent:
        status, after = outcome.status, outcome.retry_after_s
        log.info("musicbrainz: %s %s status=%s reason=%s", entity, mbid, status, outcome.reason)
        if status == 404:
            return Permanent(f"MusicBrainz knows no {entity} with this id.", code=_NOT_FOUND[entity], mbid=str(mbid))
        if status in (400, 401, 403, 405, 406, 410, 414):
            return Permanent("MusicBrainz refused the request.", code="musicbrainz_refused", status=status)
        if outcome.garbled:
            return Transient(
                "MusicBrainz answered with something that is no answer.",
                code="musicbrainz_garbled",
                reason=outcome.reason,
            )
        if status in (429, 503):
            self._limiter.push_back(after if after is not None else BUSY_PUSH_S)
        return Transient(
            "MusicBrainz does not answer right now.",
            code="musicbrainz_unavailable",
            retry_after_s=after,
            status=status or None,
            reason=outcome.reason,
        )


def _garbled_is_transient(read: Callable[[object], T], value: object) -> T:
    try:
        return read(value)
    except MetadataGarbled as error:
        field = error.params.get("field")
        raise Transient(error.sentence, code=error.code, reason="shape", field=field) from error


class _Answered(Exception):
    """One attempt ended without a usable body. `status` 0: no HTTP answer at all."""

    def __init__(
        self, reason: str, *, status: int = 0, retry_after: float | None = None, garbled: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after_s = retry_after
        self.garbled = garbled


class _ReadOnce:
    """Stands in for the library's `_safe_read`: one attempt, a deadline for the whole answer, no sleep."""

    timeout_s: float = TIMEOUT_S

    def __call__(
        self, opener: urllib.request.OpenerDirector, req: urllib.request.Request, body: bytes | None = None
    ) -> bytes:
        deadline = time.monotonic() + self.timeout_s
        try:
            with opener.open(req, body, timeout=self.timeout_s) as answer:
                return read_bounded(answer.read1, deadline=deadline)
        except urllib.error.HTTPError as error:
            with error:
                after = retry_after_s(error.headers.get("Retry-After"))
            raise _Answered(f"http_{error.code}", status=error.code, retry_after=after) from error
        except (http.client.IncompleteRead, BodyTooLong) as error:
            raise _Answered(
                "truncated" if isinstance(error, http.client.IncompleteRead) else "too_long", garbled=True
            ) from error
        except TimeoutError as error:
            raise _Answered("timeout") from error
        except urllib.error.URLError as error:
            reason = "timeout" if isinstance(error.reason, TimeoutError) else "connection"
            raise _Answered(reason) from error
        except (http.client.HTTPException, OSError) as error:
            # A status line that is none, a reset in the middle: nobody who speaks HTTP is there.
            raise _Answered("connection") from error


def _parse(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "html" if body.lstrip()[:1] == b"<" else "json"
        raise _Answered(reason, garbled=True) from error
    if not isinstance(value, dict):
        raise _Answered("shape", garbled=True)
    return value


def _releases_of(answer: object) -> list[object]:
    releases = answer.get("releases") if isinstance(answer, dict) else None
    if not isinstance(releases, list):
        raise MetadataGarbled("MusicBrainz answered with something of another shape.", field="releases")
    return releases


def _hits(answer: object) -> tuple[ReleaseHit, ...]:
    hits = []
    for one in _releases_of(answer):
        if not isinstance(one, dict):
            continue
        try:
            facts = read_release({key: one.get(key) for key in ("id", "title", "artist-credit", "release-group")})
        except MetadataGarbled:
            continue
        score, tracks = one.get("score"), one.get("track-count")
        hits.append(
            ReleaseHit(
                mbid=facts.mbid,
                group_mbid=facts.group.mbid if facts.group else None,
                title=facts.title,
                artist=facts.artist_credit,
                score=score if isinstance(score, int) else 0,
                tracks=tracks if isinstance(tracks, int) else 0,
            )
        )
    return tuple(hits)


def _escaped(text: str) -> str:
    """A text inside quotes of Lucene's query language, bounded."""
    return _LUCENE.sub(r"\\\1", " ".join(text.split())[:200])


@functools.cache
def _install() -> _ReadOnce:
    """Replace what the library does too much of. Its own list of includes lacks one that WS/2 has (recording: release-groups)."""
    reader = _ReadOnce()
    _library._safe_read = reader
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "The json format is non-official": WS/2 documents it today
        musicbrainzngs.set_format("json")
    musicbrainzngs.set_parser(_parse)
    musicbrainzngs.set_rate_limit(False)
    if "release-groups" not in _library.VALID_INCLUDES["recording"]:
        _library.VALID_INCLUDES["recording"].append("release-groups")
    return reader


_read_once = _install()
