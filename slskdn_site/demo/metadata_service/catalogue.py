"""Which recorded answer belongs to a MusicBrainz request. Pure apart from reading bodies; knows no sockets.

Rules, in order, folder by folder (an earlier folder wins): the exact canonical query; a lookup whose `inc` is a subset of what an entry
carries; a browse page, exact or cut from a complete list. Then what can be put together from all folders: a lookup, a list or an ISRC from a world
or from what was recorded as XML, a part of an incomplete list, a search. Else 404 with the body that MusicBrainz gives.
Merges that a test tells (`merge`) come first: a redirect, or the answer of what it is now.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

from slskdn_site.demo.answer_folder import JSON_TYPE, AnswerFolder, Entry, canonical_query, json_bytes
from slskdn_site.demo.answer_shapes import Json, JsonObject
from slskdn_site.demo.metadata_service.mmd import json_of
from slskdn_site.demo.metadata_service.search import search
from slskdn_site.demo.metadata_service.world import World, recordings_of

XML_TYPE = "application/xml; charset=utf-8"
# What WS/2 answers for an id it does not have.
NOT_FOUND: JsonObject = {"error": "Not Found", "help": "For usage, please see: https://musicbrainz.org/development/mmd"}
_NOT_FOUND_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<error><text>Not Found</text></error>'

_LOOKUP = re.compile(r"/ws/2/[a-z-]+/[^/]+\Z")
_LOOKUP_OF = re.compile(r"/ws/2/([a-z-]+)/[^/]+\Z")
_COLLECTION = re.compile(r"/ws/2/([a-z-]+)\Z")
_LINKS = frozenset(
    {"area", "artist", "collection", "label", "recording", "release", "release-group", "track", "track_artist", "work"}
)
_PAGE = frozenset({"limit", "offset", "inc", "fmt"})
# WS/2: 25 objects a page unless asked, at most 100.
_DEFAULT_LIMIT = 25
_MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to a client, and which rule chose it (for the statistics)."""

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""


def json_reply(status: int, body: Json, *, rule: str) -> Reply:
    """A reply of our own making."""
    return Reply(status=status, body=json_bytes(body), rule=rule)


def entry_reply(entry: Entry, *, rule: str) -> Reply:
    """A recorded reply as it was recorded."""
    return Reply(entry.status, entry.read(), entry.content_type, entry.headers, rule)


def _page(pairs: Mapping[str, str]) -> tuple[int, int]:
    def number(key: str, default: int) -> int:
        text = pairs.get(key, "")
        return int(text) if text.isascii() and text.isdigit() else default

    return min(number("limit", _DEFAULT_LIMIT), _MAX_LIMIT), number("offset", 0)


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in query.items() if key not in _PAGE}


class _Shelf:
    """The MusicBrainz entries of one folder."""

    def __init__(self, folder: AnswerFolder) -> None:
        self.world = World(folder.world) if folder.world is not None else None
        self._by_path: dict[tuple[str, bool], list[Entry]] = defaultdict(list)
        for entry in folder.entries:
            if entry.service == "musicbrainz" and entry.method == "GET":
                self._by_path[entry.path, entry.is_json].append(entry)

    def exact(self, path: str, query: Mapping[str, str], *, as_json: bool) -> list[Entry]:
        """All entries of that query, in recorded order (a throttled answer may precede the good one)."""
        wanted = {key: value for key, value in query.items() if key != "fmt"}
        found = self._by_path.get((path, as_json), ())
        return [
            entry for entry in found if {key: value for key, value in entry.query.items() if key != "fmt"} == wanted
        ]

    def lookup(self, path: str, query: Mapping[str, str], *, as_json: bool) -> Entry | None:
        """The entry with the fewest extra includes."""
        wanted = _incs(query)
        fitting = [
            entry
            for entry in self._by_path.get((path, as_json), ())
            if entry.status == 200 and wanted <= entry.incs and _filters(entry.query) == _filters(query)
        ]
        return min(fitting, key=lambda entry: len(entry.incs), default=None)

    def fullest(self, path: str) -> Entry | None:
        """The entry of a lookup that carries most, although less than was asked for."""
        found = [entry for entry in self._by_path.get((path, True), ()) if entry.status == 200]
        return max(found, key=lambda entry: len(entry.incs), default=None)

    def browse(self, path: str, query: Mapping[str, str]) -> tuple[Entry | Reply, str] | None:
        """A recorded page of the same limit and offset, else a page cut from a complete list. JSON only."""
        filters = _filters(query)
        collection = _COLLECTION.match(path)
        links = [key for key in filters if key in _LINKS]
        if collection is None or len(links) != 1 or "query" in filters:
            return None
        wanted = _page(query)
        pages = [e for e in self._by_path.get((path, True), ()) if e.status == 200 and _filters(e.query) == filters]
        for entry in pages:
            if _page(entry.query) == wanted:
                return entry, "browse"
        noun = collection.group(1)
        if len(filters) == 1 and self.world is not None:
            listed = self.world.listed(noun, links[0], filters[links[0]], incs=_incs(query))
            if listed is not None:
                return _cut(noun, listed, wanted), "browse-world"
        for entry in pages:
            body = cast("Json", json.loads(entry.read()))
            objects = body.get(f"{noun}s") if isinstance(body, dict) else None
            if isinstance(body, dict) and isinstance(objects, list) and body.get(f"{noun}-count") == len(objects):
                return _cut(noun, objects, wanted), "browse-cut"
        return None

    def made_lookup(self, path: str) -> Reply | None:
        """A lookup from the world, or from what was recorded as XML."""
        _, _, _, noun, mbid = path.split("/", 4)
        if self.world is not None and (found := self.world.object(noun, mbid)) is not None:
            for entry in self._by_path.get((path, True), ()):
                # Recorded with fewer includes than are asked for: what those told belongs to it, too.
                told = json.loads(entry.read()) if entry.status == 200 else None
                found = {**told, **found} if isinstance(told, dict) else found
            return json_reply(200, found, rule="lookup-world")
        for entry in sorted(self._by_path.get((path, False), ()), key=lambda one: -len(one.incs)):
            if entry.status == 200 and (told := json_of(entry.read())) is not None:
                return json_reply(200, told, rule="lookup-xml")
        return None

    def part(self, path: str, query: Mapping[str, str]) -> Reply | None:
        """A page of a list of which only the beginning was recorded: what there is, and the recorded count."""
        filters, collection = _filters(query), _COLLECTION.match(path)
        if collection is None or "query" in filters or not any(key in _LINKS for key in filters):
            return None
        noun = collection.group(1)
        for as_json in (True, False):
            for entry in self._by_path.get((path, as_json), ()):
                if entry.status != 200 or _filters(entry.query) != filters or _page(entry.query)[1]:
                    continue
                body = json.loads(entry.read()) if as_json else json_of(entry.read())
                objects = body.get(f"{noun}s") if isinstance(body, dict) else None
                count = body.get(f"{noun}-count") if isinstance(body, dict) else None
                if isinstance(objects, list) and isinstance(count, int):
                    return _cut(noun, objects, _page(query), count=count)
        return None

    def objects(self, noun: str) -> Iterator[JsonObject]:
        """Every known object of a kind: of the world, and those whose own page was recorded."""
        seen: set[str] = set()
        for one in self._bodies(noun):
            seen.add(str(one.get("id")))
            yield one
        if self.world is not None:
            for one in self.world.objects(noun):
                if str(one.get("id")) not in seen:
                    yield one

    def _bodies(self, noun: str) -> Iterator[JsonObject]:
        told: dict[str, JsonObject] = {}
        for (path, as_json), entries in self._by_path.items():
            match = _LOOKUP_OF.match(path)
            if not as_json or match is None or match[1] not in {noun, "release"}:
                continue
            for entry in entries:
                body = json.loads(entry.read()) if entry.status == 200 else None
                if not isinstance(body, dict):
                    continue
                found = [body] if match[1] == noun else list(recordings_of(body)) if noun == "recording" else []
                for one in found:
                    key = str(one.get("id"))
                    if len(one) > len(told.get(key, {})):
                        told[key] = one
        return iter(told.values())


def _cut(noun: str, objects: Sequence[Json], page: tuple[int, int], *, count: int | None = None) -> Reply:
    limit, offset = page
    part: list[Json] = list(objects[offset : offset + limit])
    whole = len(objects) if count is None else count
    return json_reply(200, {f"{noun}-count": whole, f"{noun}-offset": offset, f"{noun}s": part}, rule="browse-cut")


def _incs(query: Mapping[str, str]) -> frozenset[str]:
    return frozenset(filter(None, query.get("inc", "").split("+")))


class MusicBrainzCatalogue:
    """Answers WS/2 GET requests from folders in order of precedence. Safe for threads."""

    def __init__(self, folders: Sequence[AnswerFolder]) -> None:
        self._shelves = [_Shelf(folder) for folder in folders]
        self._served: dict[tuple[str, str], int] = defaultdict(int)
        self._merged: dict[str, tuple[str, bool]] = {}
        self._found: dict[str, list[JsonObject]] = {}
        self._lock = threading.Lock()

    def merge(self, old: str, new: str, *, redirect: bool = True) -> None:
        """From now on `old` is `new`: told by a redirect, or by answering with what it is now, as MusicBrainz does both."""
        self._merged[old] = (new, redirect)

    def reply(self, path: str, pairs: Iterable[tuple[str, str]], *, accept: str) -> Reply:
        """The answer to one request. `pairs` are decoded query parameters, `accept` the header's value."""
        query = canonical_query(pairs)
        as_json = query.get("fmt") == "json" or ("fmt" not in query and "json" in accept)
        path = path.rstrip("/")
        tail = path.rsplit("/", 1)[-1]
        if tail in self._merged:
            new, redirect = self._merged[tail]
            path = path.removesuffix(tail) + new
            if redirect:
                where = f"https://musicbrainz.org{path}?{urlencode(query)}"
                moved = json_reply(301, {"error": "Moved"}, rule="merged")
                return Reply(301, moved.body, moved.content_type, {"Location": where}, "merged")
        query = {key: self._merged[value][0] if value in self._merged else value for key, value in query.items()}
        for shelf in self._shelves:
            exact = shelf.exact(path, query, as_json=as_json)
            if exact:
                return entry_reply(self._next(path, query, exact), rule="exact")
            if _LOOKUP.match(path):
                found = shelf.lookup(path, query, as_json=as_json)
                if found is not None:
                    return entry_reply(found, rule="lookup")
            elif as_json:
                page = shelf.browse(path, query)
                if page is not None:
                    chosen, rule = page
                    return entry_reply(chosen, rule=rule) if isinstance(chosen, Entry) else chosen
        if as_json:
            return self._made(path, query) or json_reply(404, NOT_FOUND, rule="none")
        return Reply(404, _NOT_FOUND_XML, XML_TYPE, {}, "none")

    def _made(self, path: str, query: Mapping[str, str]) -> Reply | None:
        """What can be put together although nothing was recorded for just this request."""
        if path.startswith("/ws/2/isrc/"):
            recorded = next((one for shelf in self._shelves if (one := shelf.fullest(path)) is not None), None)
            return entry_reply(recorded, rule="lookup-less") if recorded else self._isrc(path.rsplit("/", 1)[-1])
        collection = _COLLECTION.match(path)
        if collection is not None and "query" in query:
            return self._search(collection.group(1), query)
        for shelf in self._shelves:
            made = shelf.made_lookup(path) if _LOOKUP.match(path) else shelf.part(path, query)
            if made is not None:
                return made
        return None

    def _search(self, noun: str, query: Mapping[str, str]) -> Reply:
        limit, offset = _page(query)
        found = search(noun, query["query"], self._objects(noun))
        part: list[Json] = [
            {key: value for key, value in one.items() if key != "media"} | _short(one)
            for one in found[offset : offset + limit]
        ]
        told: JsonObject = {"created": "2026-01-01T00:00:00.000Z", "count": len(found), "offset": offset}
        return json_reply(200, {**told, f"{noun}s": part}, rule="search")

    def _isrc(self, isrc: str) -> Reply | None:
        found: list[Json] = []
        for one in self._objects("recording"):
            isrcs = one.get("isrcs")
            if isinstance(isrcs, list) and isrc.upper() in isrcs:
                found.append(one)
        return json_reply(200, {"isrc": isrc, "recordings": found}, rule="isrc") if found else None

    def _objects(self, noun: str) -> list[JsonObject]:
        """Each object once, the earlier folder's; collected at the first search."""
        with self._lock:
            if noun not in self._found:
                told: dict[str, JsonObject] = {}
                for shelf in self._shelves:
                    for one in shelf.objects(noun):
                        told.setdefault(str(one.get("id")), one)
                self._found[noun] = list(told.values())
            return self._found[noun]

    def _next(self, path: str, query: Mapping[str, str], entries: Sequence[Entry]) -> Entry:
        """Entries of one query are served in their order; the last one stays."""
        if len(entries) == 1:
            return entries[0]
        key = (path, json.dumps(query, sort_keys=True))
        with self._lock:
            index = self._served[key]
            self._served[key] = min(index + 1, len(entries) - 1)
        return entries[index]


def _short(one: JsonObject) -> JsonObject:
    """Media as a search tells them: formats and counts."""
    media = one.get("media")
    if not isinstance(media, list):
        return {}
    short: list[Json] = [
        {"format": medium.get("format"), "track-count": medium.get("track-count")}
        for medium in media
        if isinstance(medium, dict)
    ]
    counts = [medium.get("track-count") for medium in media if isinstance(medium, dict)]
    return {"media": short, "track-count": sum(count for count in counts if isinstance(count, int))}
