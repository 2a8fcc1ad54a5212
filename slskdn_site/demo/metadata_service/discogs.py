"""Discogs' side of the service: a handful of made-up things, with its headers for pace and validators, and its refusal of a wrong token.

Everything here is ours: the people, the titles and the numbers are invented for the demonstration and its tests.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from slskdn_site.demo.album import album
from slskdn_site.demo.answer_folder import json_bytes
from slskdn_site.demo.answer_shapes import Json, JsonObject
from slskdn_site.demo.metadata_service.catalogue import Reply, json_reply

WRONG_TOKEN: Final = "wrong"  # noqa: S105 -- what the tests send to be refused
_ASKED: Final = re.compile(r"/(releases|masters|labels|artists)/([^/]+)\Z")
_NOT_FOUND: Final = {"releases": "Release", "masters": "Master Release", "labels": "Label", "artists": "Artist"}


def _track(position: str, title: str, duration: str, **more: Json) -> JsonObject:
    return {"position": position, "type_": "track", "title": title, "duration": duration, **more}


_HARBOUR: Final[JsonObject] = {"id": 9_100_001, "name": "Harbour Committee (2)", "anv": "", "join": "", "role": ""}
_LABEL: Final[JsonObject] = {"id": 9_200_001, "name": "Slack Water Tapes", "catno": "SWT 07"}

ANSWERS: Final[Mapping[str, JsonObject]] = {
    # Only on cassette, and nowhere in MusicBrainz.
    "/releases/9000001": {
        "id": 9_000_001,
        "title": "Minutes Of The Tide Board",
        "artists": [_HARBOUR],
        "released": "1986-11-00",
        "year": 1986,
        "country": "UK",
        "labels": [_LABEL],
        "formats": [{"name": "Cassette", "qty": "1", "descriptions": ["Album", "C46"]}],
        "genres": ["Electronic"],
        "styles": ["Minimal"],
        "identifiers": [{"type": "Barcode", "value": "none"}],
        "master_id": 9_300_001,
        "status": "Accepted",
        "data_quality": "Needs Vote",
        "tracklist": [
            {"position": "", "type_": "heading", "title": "Ebb", "duration": ""},
            _track("A1", "Apologies For Absence", "3:05"),
            _track("A2", "Matters Arising", "2:40"),
            _track("A3", "Any Other Business", ""),
            {
                "position": "",
                "type_": "index",
                "title": "Soundings",
                "duration": "",
                "sub_tracks": [_track("B1", "Near Shore", "4:10"), _track("B2", "Far Shore", "5:55")],
            },
            {
                "position": "",
                "type_": "index",
                "title": "Adjournment",
                "duration": "6:12",
                "sub_tracks": [_track("B3a", "Vote", ""), _track("B3b", "Lights", "")],
            },
        ],
    },
    "/masters/9300001": {
        "id": 9_300_001,
        "title": "Minutes Of The Tide Board",
        "artists": [_HARBOUR],
        "year": 1986,
        "main_release": 9_000_001,
        "genres": ["Electronic"],
        "tracklist": [_track("A1", "Apologies For Absence", "3:05")],
    },
    "/labels/9200001": {
        "id": 9_200_001,
        "name": "Slack Water Tapes",
        "profile": "Tapes by post from a boathouse.",
        "sublabels": [],
        "urls": [],
    },
    "/artists/9100001": {
        "id": 9_100_001,
        "name": "Harbour Committee (2)",
        "realname": "",
        "profile": "Two clerks and a drum machine.",
        "namevariations": ["Harbour Comm.", "H.C.*"],
        "members": [{"id": 9_100_002, "name": "Wren Alder", "active": True}],
    },
    # What people type: no lengths, half a date, an artist of two names.
    "/releases/9000002": {
        "id": 9_000_002,
        "title": "Untitled",
        "artists": [
            {"id": 9_100_001, "name": "Harbour Committee (2)", "anv": "H.C.", "join": "Vs."},
            {"id": 9_100_003, "name": "Ferrymen, The", "anv": "", "join": ""},
        ],
        "released": "1987",
        "country": "",
        "labels": [{"id": 9_200_001, "name": "Slack Water Tapes", "catno": "none"}],
        "formats": [{"name": "Vinyl", "qty": "1", "descriptions": ['7"']}],
        "tracklist": [_track("A", "", ""), _track("AA", "Untitled", "3.40")],
    },
}


def discogs_reply(path: str, headers: Mapping[str, str]) -> Reply | None:
    """The answer; None: the path is not one of Discogs'. `headers`: of the request, with names in lower case."""
    asked = _ASKED.match(path)
    if asked is None:
        return None
    shown = headers.get("authorization", "")
    limit = "60" if shown else "25"
    pace = {"X-Discogs-Ratelimit": limit, "X-Discogs-Ratelimit-Used": "1", "X-Discogs-Ratelimit-Remaining": limit}
    if shown.rpartition("=")[2] == WRONG_TOKEN:
        refused = json_reply(401, {"message": "You must authenticate to access this resource."}, rule="discogs-token")
        return Reply(401, refused.body, refused.content_type, {}, refused.rule)
    found = ANSWERS.get(path)
    if found is None:
        missing = json_reply(404, {"message": f"{_NOT_FOUND[asked[1]]} not found."}, rule="none")
        return Reply(404, missing.body, missing.content_type, pace, missing.rule)
    body = json_bytes(found)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if headers.get("if-none-match", "").removeprefix("W/") == etag:
        return Reply(304, b"", "application/json", {**pace, "ETag": etag}, "not-modified")
    return Reply(200, body, "application/json", {**pace, "ETag": etag}, "discogs")


LINKS: Final[Mapping[str, tuple[str, str]]] = {
    # The demonstration's own album stands at Discogs as well, as far as this service is asked.
    album("full").discogs_page: ("release", album("full").release_mbid),
}


def link_reply(path: str, pairs: Sequence[tuple[str, str]]) -> Reply | None:
    """WS/2's answer for an address that MusicBrainz links with one of its things; None: it is not asked for one, or links nothing with it."""
    resource = dict(pairs).get("resource", "")
    if path.rstrip("/") != "/ws/2/url" or resource not in LINKS:
        return None
    kind, mbid = LINKS[resource]
    relation: JsonObject = {
        "type": "discogs",
        "direction": "backward",
        "target-type": kind.replace("-", "_"),
        kind.replace("-", "_"): {"id": mbid},
    }
    answer: JsonObject = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, resource)),
        "resource": resource,
        "relations": [relation],
    }
    return json_reply(200, answer, rule="link")
