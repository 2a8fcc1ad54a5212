"""Which recorded answer belongs to a MusicBrainz request. Pure apart from reading bodies; knows no sockets.

Rules, in order, folder by folder (an earlier folder wins): the exact canonical query; a lookup whose `inc` is a subset of what an entry
carries; a browse page, exact or cut from a complete list; else 404 with the body that MusicBrainz gives.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

from slskdn_site.demo.answer_folder import JSON_TYPE, AnswerFolder, Entry, canonical_query, json_bytes
from slskdn_site.demo.answer_shapes import Json, JsonObject

XML_TYPE = "application/xml; charset=utf-8"
# What WS/2 answers for an id it does not have.
NOT_FOUND: JsonObject = {"error": "Not Found", "help": "For usage, please see: https://musicbrainz.org/development/mmd"}
_NOT_FOUND_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<error><text>Not Found</text></error>'

_LOOKUP = re.compile(r"/ws/2/[a-z-]+/[^/]+\Z")
_COLLECTION = re.compile(r"/ws/2/([a-z-]+)\Z")
_LINKS = frozenset(
    {"area", "artist", "collection", "label", "recording", "release", "release-group", "track", "track_artist", "work"}
)
_PAGE = frozenset({"limit", "offset", "inc", "fmt"})
# WS/2: 25 objects a page unless asked, at most 100.
_DEFAULT_LIMIT = 25
_MAX_LIMIT = 100
# (collection, linked by) → list in world/links.json; objects lie in world/<file>.json.
_WORLD = {
    ("release-group", "artist"): ("artist_release_groups", "release_groups"),
    ("release", "release-group"): ("release_group_releases", "releases"),
    ("release", "label"): ("label_releases", "releases"),
    ("release", "artist"): ("artist_releases", "releases"),
}


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
        self._world = folder.world
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
        wanted = frozenset(filter(None, query.get("inc", "").split("+")))
        fitting = [
            entry
            for entry in self._by_path.get((path, as_json), ())
            if entry.status == 200 and wanted <= entry.incs and _filters(entry.query) == _filters(query)
        ]
        return min(fitting, key=lambda entry: len(entry.incs), default=None)

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
        if (noun, links[0]) in _WORLD and len(filters) == 1 and self._world is not None:
            listed = _world_list(self._world, noun, links[0], filters[links[0]])
            if listed is not None:
                return _cut(noun, listed, wanted), "browse-world"
        for entry in pages:
            body = cast("Json", json.loads(entry.read()))
            objects = body.get(f"{noun}s") if isinstance(body, dict) else None
            if isinstance(body, dict) and isinstance(objects, list) and body.get(f"{noun}-count") == len(objects):
                return _cut(noun, objects, wanted), "browse-cut"
        return None


def _cut(noun: str, objects: Sequence[Json], page: tuple[int, int]) -> Reply:
    limit, offset = page
    part: list[Json] = list(objects[offset : offset + limit])
    return json_reply(
        200, {f"{noun}-count": len(objects), f"{noun}-offset": offset, f"{noun}s": part}, rule="browse-cut"
    )


@lru_cache(maxsize=16)
def _world_file(path: Path) -> JsonObject:
    return cast("JsonObject", json.loads(path.read_text("utf-8")))


def _world_list(world: Path, noun: str, link: str, mbid: str) -> list[Json] | None:
    """The linked objects of a closed world, or None where it does not know the link's entity."""
    links_name, objects_name = _WORLD[noun, link]
    table = _world_file(world / "links.json").get(links_name)
    ids = table.get(mbid) if isinstance(table, dict) else None
    if not isinstance(ids, list):
        return None
    objects = _world_file(world / f"{objects_name}.json")
    found = [objects.get(str(one)) for one in ids]
    return [{key: value for key, value in one.items() if key != "_src"} for one in found if isinstance(one, dict)]


class MusicBrainzCatalogue:
    """Answers WS/2 GET requests from folders in order of precedence. Safe for threads."""

    def __init__(self, folders: Sequence[AnswerFolder]) -> None:
        self._shelves = [_Shelf(folder) for folder in folders]
        self._served: dict[tuple[str, str], int] = defaultdict(int)
        self._lock = threading.Lock()

    def reply(self, path: str, pairs: Iterable[tuple[str, str]], *, accept: str) -> Reply:
        """The answer to one request. `pairs` are decoded query parameters, `accept` the header's value."""
        query = canonical_query(pairs)
        as_json = query.get("fmt") == "json" or ("fmt" not in query and "json" in accept)
        path = path.rstrip("/")
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
            return json_reply(404, NOT_FOUND, rule="none")
        return Reply(404, _NOT_FOUND_XML, XML_TYPE, {}, "none")

    def _next(self, path: str, query: Mapping[str, str], entries: Sequence[Entry]) -> Entry:
        """Entries of one query are served in their order; the last one stays."""
        if len(entries) == 1:
            return entries[0]
        key = (path, json.dumps(query, sort_keys=True))
        with self._lock:
            index = self._served[key]
            self._served[key] = min(index + 1, len(entries) - 1)
        return entries[index]
