"""MusicBrainz by `musicbrainzngs`, in JSON: one request a call (`musicbrainz_wire`), one limiter for all processes, equal requests asked once.

A lookup that is redirected to another MBID (a merge) is asked again there, through the limiter. `tests/workers/gateways/test_musicbrainz.py` proves
one HTTP request per call. Offline nothing is sent: everything is Transient `musicbrainz_offline`, and what is in rows has to do.
"""

from __future__ import annotations

import functools
import logging
import re
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

import musicbrainzngs

from apps.domain.catalog.discogs_links import read_linked
from apps.domain.catalog.fields import MetadataGarbled
from apps.domain.catalog.graph import (
    ArtistDetail,
    GroupDetail,
    LabelDetail,
    Page,
    ReleaseBrief,
    read_artist,
    read_brief,
    read_group,
    read_label,
    read_page,
)
from apps.domain.catalog.links import EntityKind
from apps.domain.catalog.release import RecordingFacts, ReleaseFacts, ReleaseRef, read_recording, read_release
from apps.domain.catalog.validators import HttpValidator
from apps.domain.catalog.walks import Subject, WalkKind
from workers.gateways.coalesce import Coalescer
from workers.gateways.errors import Permanent, Transient
from workers.gateways.limiter import Limiter
from workers.gateways.musicbrainz_search import (
    Found,
    ReleaseHit,
    escaped,
    found_of,
    recordings_of,
    release_hits,
    releases_of,
)
from workers.gateways.musicbrainz_wire import REDIRECTS, Body, Unanswered, asking, send_once

log = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
"""For the whole answer. MusicBrainz' own gateway gives up on a request after about that long."""
RELEASE_INCLUDES: Final = ["artist-credits", "isrcs", "labels", "media", "recordings", "release-groups"]
RELEASE_LOOKUP_INCLUDES: Final = [*RELEASE_INCLUDES, "artist-rels", "url-rels"]
"""Who produced it and where else it is described are asked for with one release, not with lists of them."""
RECORDING_INCLUDES: Final = ["artist-credits", "isrcs", "releases", "release-groups"]
BRIEF_INCLUDES: Final = ["artist-credits", "labels", "media", "release-groups"]
GROUP_LIST_INCLUDES: Final = ["artist-credits", "tags"]
ARTIST_INCLUDES: Final = ["aliases", "tags", "artist-rels", "url-rels"]
LABEL_INCLUDES: Final = ["aliases", "tags", "label-rels", "url-rels"]
GROUP_INCLUDES: Final = ["artist-credits", "tags", "release-group-rels", "url-rels"]
ISRC_INCLUDES: Final = ["artists", "releases", "isrcs"]
ADDRESS_INCLUDES: Final = ["artist-rels", "label-rels", "release-rels", "release-group-rels"]
BUSY_PUSH_S: Final = 5.0
"""How long nobody asks after a 503 that states no Retry-After."""
_NOT_FOUND = {
    "release": "release_not_found",
    "recording": "recording_not_found",
    "release-group": "release_group_not_found",
    "artist": "artist_not_found",
    "label": "label_not_found",
    "search": "musicbrainz_refused",
    "url": "url_not_found",
}
BROWSE_LIMIT: Final = 100
"""The most WS/2 gives at once. With recordings it gives fewer where they have many tracks, so pages are followed by what came."""
MAX_EDITIONS: Final = 250
"""Of one group. The most reissued albums have about 200; more are not needed to tell one edition."""
MAX_BROWSE_PAGES: Final = 6
SEARCH_LIMIT: Final = 25
MAX_QUERY_CHARS: Final = 1000
"""Longer ones don't fit into an address that every server takes."""
MAX_HOPS: Final = 3
"""Merged into something that was merged: longer chains are none."""
_LOOKUP_PATH: Final = re.compile(r"/ws/2/([a-z-]+)/([0-9a-fA-F-]{36})/?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a lookup with a validator heard. `detail` None: it is as it was. An id that differs from the asked one: merged into it."""

    detail: ArtistDetail | LabelDetail | GroupDetail | None
    validator: HttpValidator


class MusicbrainzPort(Protocol):
    """What the workers need of MusicBrainz. Raises Transient and Permanent alone; every method Transient `musicbrainz_offline` where that is wished."""

    def release(self, mbid: uuid.UUID) -> ReleaseFacts:
        """A release with its tracks. Its id differs from `mbid` if that one was merged into it. Permanent `release_not_found`."""

    def recording(self, mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
        """A recording and its releases, best first. Permanent `recording_not_found`."""

    def group_releases(self, mbid: uuid.UUID) -> tuple[ReleaseFacts, ...]:
        """The editions of a release group with their tracks, at most MAX_EDITIONS. Those that cannot be read are left out; empty for a group
        without releases. Permanent `release_group_not_found`."""

    def release_search(self, *, artist: str, album: str) -> tuple[ReleaseHit, ...]:
        """Releases by these words, the likeliest first; none where searching is switched off. `artist` "": any. For words that come from tags."""

    def artist(self, mbid: uuid.UUID) -> ArtistDetail:
        """An artist with aliases, tags, related artists and addresses. Another id: merged. Permanent `artist_not_found`."""

    def label(self, mbid: uuid.UUID) -> LabelDetail:
        """A label, as an artist. Permanent `label_not_found`."""

    def group(self, mbid: uuid.UUID) -> GroupDetail:
        """A release group with credit, tags, related groups and addresses. Another id: merged. Permanent `release_group_not_found`."""

    def look_up(self, kind: Subject, mbid: uuid.UUID, *, known: HttpValidator | None = None) -> Looked:
        """`artist`, `label` or `group`, unless it is as `known` says (then `detail` is None). Permanent as those."""

    def browse(
        self, kind: WalkKind, mbid: uuid.UUID, *, offset: int, limit: int = BROWSE_LIMIT
    ) -> tuple[Page, tuple[GroupDetail | ReleaseBrief, ...]]:
        """A page of a list. Permanent `artist_not_found`, `label_not_found`, `release_group_not_found`."""

    def search_releases(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[ReleaseBrief], ...]:
        """Releases by a query in Lucene's language (`musicbrainz_search.words_query` of plain words), the likeliest first. So the next four; words that
        come from tags go to `release_search`."""

    def search_recordings(
        self, query: str, *, limit: int = SEARCH_LIMIT
    ) -> tuple[Found[tuple[RecordingFacts, tuple[ReleaseRef, ...]]], ...]:
        """Recordings with their releases, best first."""

    def search_artists(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[ArtistDetail], ...]:
        """Artists."""

    def search_labels(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[LabelDetail], ...]:
        """Labels."""

    def search_groups(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[GroupDetail], ...]:
        """Release groups."""

    def by_barcode(self, barcode: str) -> tuple[ReleaseBrief, ...]:
        """Releases with a barcode (digits); none: empty."""

    def by_isrc(self, isrc: str) -> tuple[tuple[RecordingFacts, tuple[ReleaseRef, ...]], ...]:
        """Recordings with an ISRC and their releases; none: Permanent `isrc_not_found`."""

    def by_address(self, address: str) -> tuple[tuple[EntityKind, uuid.UUID], ...]:
        """What is linked with an address outside; none: empty."""


class Musicbrainz:
    """The real thing. `searching` False: nothing is asked by words that come from tags. `timeout_s` is for tests."""

    def __init__(
        self,
        *,
        host: str,
        contact: str,
        version: str,
        limiter: Limiter,
        coalescer: Coalescer | None = None,
        offline: bool = False,
        searching: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._host = host
        self._contact = contact
        self._version = version
        self._limiter = limiter
        self._coalescer = coalescer
        self._offline = offline
        self._searching = searching
        self._timeout_s = timeout_s

    def release(self, mbid: uuid.UUID) -> ReleaseFacts:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_release, self._entity("release", mbid, RELEASE_LOOKUP_INCLUDES)[0])

    def recording(self, mbid: uuid.UUID) -> tuple[RecordingFacts, tuple[ReleaseRef, ...]]:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_recording, self._entity("recording", mbid, RECORDING_INCLUDES)[0])

    def artist(self, mbid: uuid.UUID) -> ArtistDetail:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_artist, self._entity("artist", mbid, ARTIST_INCLUDES)[0])

    def label(self, mbid: uuid.UUID) -> LabelDetail:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_label, self._entity("label", mbid, LABEL_INCLUDES)[0])

    def group(self, mbid: uuid.UUID) -> GroupDetail:
        """See MusicbrainzPort."""
        return _garbled_is_transient(read_group, self._entity("release-group", mbid, GROUP_INCLUDES)[0])

    def look_up(self, kind: Subject, mbid: uuid.UUID, *, known: HttpValidator | None = None) -> Looked:
        """See MusicbrainzPort."""
        entity, includes, read = _SUBJECTS[kind]
        answer, validator = self._entity(entity, mbid, includes, known=known)
        if answer is None:
            return Looked(detail=None, validator=known or HttpValidator())
        return Looked(detail=_garbled_is_transient(read, answer), validator=validator)

    def browse(
        self, kind: WalkKind, mbid: uuid.UUID, *, offset: int, limit: int = BROWSE_LIMIT
    ) -> tuple[Page, tuple[GroupDetail | ReleaseBrief, ...]]:
        """See MusicbrainzPort."""
        ask: Callable[[], object]
        if kind is WalkKind.ARTIST_GROUPS:
            ask = functools.partial(
                musicbrainzngs.browse_release_groups,
                artist=str(mbid),
                includes=GROUP_LIST_INCLUDES,
                limit=limit,
                offset=offset,
            )
            groups = self._ask(ask, "artist", mbid)[0]
            return _garbled_is_transient(functools.partial(read_page, entity="release-group", read=read_group), groups)
        by = {
            WalkKind.ARTIST_RELEASES: "artist",
            WalkKind.LABEL_RELEASES: "label",
            WalkKind.GROUP_RELEASES: "release_group",
        }[kind]
        ask = functools.partial(
            musicbrainzngs.browse_releases, **{by: str(mbid)}, includes=BRIEF_INCLUDES, limit=limit, offset=offset
        )
        releases = self._ask(ask, by.replace("_", "-"), mbid)[0]
        return _garbled_is_transient(functools.partial(read_page, entity="release", read=read_brief), releases)

    def group_releases(self, mbid: uuid.UUID) -> tuple[ReleaseFacts, ...]:
        """See MusicbrainzPort."""
        found: dict[uuid.UUID, ReleaseFacts] = {}
        offset = 0
        for _ in range(MAX_BROWSE_PAGES):
            answer, _validator = self._ask(
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
            page = _garbled_is_transient(releases_of, answer)
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
        words = [f'release:"{escaped(album)}"', *([f'artist:"{escaped(artist)}"'] if artist else [])]
        return _garbled_is_transient(release_hits, self._search("release", " AND ".join(words), SEARCH_LIMIT))

    def search_releases(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[ReleaseBrief], ...]:
        """See MusicbrainzPort."""
        return self._by_query("release", query, read_brief, limit)

    def search_recordings(
        self, query: str, *, limit: int = SEARCH_LIMIT
    ) -> tuple[Found[tuple[RecordingFacts, tuple[ReleaseRef, ...]]], ...]:
        """See MusicbrainzPort."""
        return self._by_query("recording", query, read_recording, limit)

    def search_artists(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[ArtistDetail], ...]:
        """See MusicbrainzPort."""
        return self._by_query("artist", query, read_artist, limit)

    def search_labels(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[LabelDetail], ...]:
        """See MusicbrainzPort."""
        return self._by_query("label", query, read_label, limit)

    def search_groups(self, query: str, *, limit: int = SEARCH_LIMIT) -> tuple[Found[GroupDetail], ...]:
        """See MusicbrainzPort."""
        return self._by_query("release-group", query, read_group, limit)

    def by_barcode(self, barcode: str) -> tuple[ReleaseBrief, ...]:
        """See MusicbrainzPort."""
        answer = self._search("release", f"barcode:{escaped(barcode)}", BROWSE_LIMIT)
        read = functools.partial(found_of, entity="release", read=read_brief)
        return tuple(one.value for one in _garbled_is_transient(read, answer))

    def by_isrc(self, isrc: str) -> tuple[tuple[RecordingFacts, tuple[ReleaseRef, ...]], ...]:
        """See MusicbrainzPort."""
        if not (isrc.isascii() and isrc.isalnum()):
            raise Permanent("This is no ISRC.", code="isrc_not_found", isrc=isrc[:40])
        ask = functools.partial(musicbrainzngs.get_recordings_by_isrc, isrc.upper(), includes=ISRC_INCLUDES)
        return _garbled_is_transient(recordings_of, self._ask(ask, "isrc", None, isrc=isrc.upper())[0])

    def by_address(self, address: str) -> tuple[tuple[EntityKind, uuid.UUID], ...]:
        """See MusicbrainzPort."""
        ask = functools.partial(musicbrainzngs.browse_urls, resource=address, includes=ADDRESS_INCLUDES)
        try:
            answer = self._ask(ask, "url", None)[0]
        except Permanent as error:
            if error.code != "url_not_found":
                raise
            return ()
        return _garbled_is_transient(read_linked, answer)

    def _by_query(self, entity: str, query: str, read: Callable[[object], T], limit: int) -> tuple[Found[T], ...]:
        if not query.strip():
            return ()
        answer = self._search(entity, query[:MAX_QUERY_CHARS], min(limit, BROWSE_LIMIT))
        return _garbled_is_transient(functools.partial(found_of, entity=entity, read=read), answer)

    def _search(self, entity: str, query: str, limit: int) -> object:
        ask = functools.partial(_SEARCHES[entity], query=query, limit=limit)
        return self._ask(ask, "search", None)[0]

    def _entity(
        self, entity: str, mbid: uuid.UUID, includes: list[str], *, known: HttpValidator | None = None
    ) -> tuple[object, HttpValidator]:
        """An entity's own page, by redirects to what it was merged into; (None, …) if it is as `known` says."""
        asked = mbid
        for _ in range(MAX_HOPS):
            ask = functools.partial(_LOOKUPS[entity], str(asked), includes=includes)
            try:
                answer, validator = self._ask(ask, entity, mbid, known=known if asked == mbid else None, hops=True)
            except _Moved as moved:
                asked = moved.mbid
                continue
            if answer is not None and (not isinstance(answer, dict) or "id" not in answer):
                raise self._told(Unanswered("shape", garbled=True), entity, mbid)
            return answer, validator
        raise self._told(Unanswered("redirects"), entity, mbid)

    def _ask(
        self,
        ask: Callable[[], object],
        entity: str,
        mbid: uuid.UUID | None,
        *,
        known: HttpValidator | None = None,
        hops: bool = False,
        isrc: str = "",
    ) -> tuple[object, HttpValidator]:
        if self._offline:
            raise Transient("MusicBrainz is not asked: it is switched off.", code="musicbrainz_offline")
        self._configure()
        validators: list[HttpValidator] = []

        def read(request: urllib.request.Request) -> Body:
            body = self._body(request, known)
            validators.append(body.validator)
            return body

        try:
            with asking(read):
                return ask(), validators[-1] if validators else HttpValidator()
        except Unanswered as outcome:
            if outcome.status == 304 and known:
                return None, known
            moved = _moved(outcome, entity) if hops else None
            if moved is not None and moved != mbid:
                raise _Moved(moved) from outcome
            raise self._told(outcome, entity, mbid, isrc=isrc) from outcome

    def _body(self, request: urllib.request.Request, known: HttpValidator | None) -> Body:
        if known and known.etag:
            request.add_header("If-None-Match", known.etag)
        if known and known.last_modified:
            request.add_header("If-Modified-Since", known.last_modified)

        def send() -> Body:
            self._limiter.acquire()
            return send_once(request, timeout_s=self._timeout_s)

        if self._coalescer is None:
            return send()
        return self._coalescer.once(f"{request.full_url} {known or ''}", send)

    def _configure(self) -> None:
        """The library's module variables; set before each call, since they belong to the process and not to us."""
        parts = urlsplit(self._host)
        musicbrainzngs.set_hostname(parts.netloc + parts.path.rstrip("/"), use_https=parts.scheme == "https")
        musicbrainzngs.set_useragent("slskdn", self._version, self._contact or None)

    def _told(
        self, outcome: Unanswered, entity: str, mbid: uuid.UUID | None, *, isrc: str = ""
    ) -> Transient | Permanent:
        status, after = outcome.status, outcome.retry_after_s
        log.info("musicbrainz: %s %s status=%s reason=%s", entity, mbid or isrc, status, outcome.reason)
        if status == 404:
            if isrc:
                return Permanent("MusicBrainz knows no recording with this ISRC.", code="isrc_not_found", isrc=isrc)
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


class _Moved(Exception):
    """The lookup was redirected to another MBID."""

    def __init__(self, mbid: uuid.UUID) -> None:
        super().__init__(str(mbid))
        self.mbid = mbid


def _moved(outcome: Unanswered, entity: str) -> uuid.UUID | None:
    """The MBID that a redirect leads to. Its host is not followed: what is asked is the one that is configured."""
    if outcome.status not in REDIRECTS:
        return None
    try:
        match = _LOOKUP_PATH.search(urlsplit(outcome.location).path)
        return uuid.UUID(match[2]) if match and match[1] == entity else None
    except ValueError:
        return None


def _garbled_is_transient(read: Callable[[object], T], value: object) -> T:
    try:
        return read(value)
    except MetadataGarbled as error:
        field = error.params.get("field")
        raise Transient(error.sentence, code=error.code, reason="shape", field=field) from error


_LOOKUPS: Final[dict[str, Callable[..., object]]] = {
    "release": musicbrainzngs.get_release_by_id,
    "recording": musicbrainzngs.get_recording_by_id,
    "artist": musicbrainzngs.get_artist_by_id,
    "label": musicbrainzngs.get_label_by_id,
    "release-group": musicbrainzngs.get_release_group_by_id,
}
_SEARCHES: Final[dict[str, Callable[..., object]]] = {
    "release": musicbrainzngs.search_releases,
    "recording": musicbrainzngs.search_recordings,
    "artist": musicbrainzngs.search_artists,
    "label": musicbrainzngs.search_labels,
    "release-group": musicbrainzngs.search_release_groups,
}
_SUBJECTS: Final[dict[Subject, tuple[str, list[str], Callable[[object], ArtistDetail | LabelDetail | GroupDetail]]]] = {
    "artist": ("artist", ARTIST_INCLUDES, read_artist),
    "label": ("label", LABEL_INCLUDES, read_label),
    "release_group": ("release-group", GROUP_INCLUDES, read_group),
}

__all__ = [
    "BROWSE_LIMIT",
    "RELEASE_INCLUDES",
    "SEARCH_LIMIT",
    "Found",
    "Looked",
    "Musicbrainz",
    "MusicbrainzPort",
    "ReleaseHit",
]
