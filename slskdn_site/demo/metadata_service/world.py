"""A closed world of MusicBrainz objects: `artists`, `labels`, `release_groups` and `releases` by MBID, and `links` between them, one JSON file each.

Lookups, lists and searches are answered from it where nothing was recorded for the request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import cast

from slskdn_site.demo.answer_shapes import Json, JsonObject

# (collection, linked by) → list in links.json; objects lie in <file>.json.
_LISTS = {
    ("release-group", "artist"): ("artist_release_groups", "release_groups"),
    ("release", "release-group"): ("release_group_releases", "releases"),
    ("release", "label"): ("label_releases", "releases"),
    ("release", "artist"): ("artist_releases", "releases"),
}
_FILES = {"artist": "artists", "label": "labels", "release-group": "release_groups", "release": "releases"}


class World:
    """The objects of one folder. Files are read once and kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def object(self, noun: str, mbid: str) -> JsonObject | None:
        """An artist, label, release-group or release; a recording as the releases with tracks tell it."""
        if noun == "recording":
            return self._recordings().get(mbid)
        found = self._all(noun).get(mbid)
        return _plain(found) if isinstance(found, dict) else None

    def objects(self, noun: str) -> Iterator[JsonObject]:
        """All of a kind."""
        if noun == "recording":
            yield from self._recordings().values()
            return
        for one in self._all(noun).values():
            if isinstance(one, dict):
                yield _plain(one)

    def listed(self, noun: str, link: str, mbid: str, *, incs: frozenset[str]) -> list[JsonObject] | None:
        """What is linked to an entity, or None where the world does not know it."""
        if (noun, link) not in _LISTS:
            return None
        table = self._file("links").get(_LISTS[noun, link][0])
        ids = table.get(mbid) if isinstance(table, dict) else None
        if not isinstance(ids, list):
            return None
        objects = self._all(noun)
        found = [objects.get(str(one)) for one in ids]
        return [_with(one, incs) for one in found if isinstance(one, dict)]

    def _all(self, noun: str) -> JsonObject:
        return self._file(_FILES[noun]) if noun in _FILES else {}

    def _file(self, name: str) -> JsonObject:
        return _read(self._folder / f"{name}.json")

    def _recordings(self) -> dict[str, JsonObject]:
        return _recordings(self._folder)


@lru_cache(maxsize=32)
def _read(path: Path) -> JsonObject:
    return cast("JsonObject", json.loads(path.read_text("utf-8"))) if path.is_file() else {}


@lru_cache(maxsize=4)
def _recordings(folder: Path) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for release in _read(folder / "releases.json").values():
        if not isinstance(release, dict):
            continue
        home: JsonObject = {key: value for key, value in release.items() if key not in {"media", "_src"}}
        for recording in recordings_of(release):
            known = found.setdefault(str(recording.get("id")), {**recording, "releases": []})
            homes = known["releases"]
            if isinstance(homes, list):
                homes.append(home)
    return found


def recordings_of(release: JsonObject) -> Iterator[JsonObject]:
    """The recordings of a release's tracks, where they are told."""
    media = release.get("media")
    for medium in media if isinstance(media, list) else []:
        tracks = medium.get("tracks") if isinstance(medium, dict) else None
        for track in tracks if isinstance(tracks, list) else []:
            recording = track.get("recording") if isinstance(track, dict) else None
            if isinstance(recording, dict):
                yield recording


def _plain(one: JsonObject) -> JsonObject:
    return {key: value for key, value in one.items() if key != "_src"}


def _with(one: JsonObject, incs: frozenset[str]) -> JsonObject:
    """As a list tells it: tracks only where recordings were asked for."""
    media = one.get("media")
    if "recordings" in incs or not isinstance(media, list):
        return _plain(one)
    short: list[Json] = [
        {key: value for key, value in medium.items() if key not in {"tracks", "pregap"}}
        for medium in media
        if isinstance(medium, dict)
    ]
    return {**_plain(one), "media": short}
