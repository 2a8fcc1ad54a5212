"""Writes a folder of answers with a large artist and a large label, all of it made up: for measuring what a thousand release groups cost.

python -m slskdn_site.demo.large_world --out DIR [--groups 1000] [--label-releases 500]

The folder is served like any other (`--answers DIR`). The same arguments give the same folder: ids are derived from names.
"""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slskdn_site.demo.answer_shapes import Json, JsonObject

_NAMESPACE = uuid.UUID("52b1c2f0-66f5-4d5f-9a51-0cb5d6f6f3a7")
_TYPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Album", ()),
    ("Single", ()),
    ("EP", ()),
    ("Album", ("Live",)),
    ("Album", ("Compilation",)),
    ("Single", ()),
    ("Album", ("Remix",)),
    ("Other", ()),
)
_COUNTRIES = ("US", "GB", "DE", "JP", "XW")
_FORMATS = ("CD", '12" Vinyl', "Digital Media")
TRACKS = 8


@dataclass(frozen=True, slots=True)
class LargeWorld:
    """Who is in the folder. `releases`: of the artist; `label_releases`: of the label, part of those."""

    folder: Path
    artist_mbid: uuid.UUID
    label_mbid: uuid.UUID
    groups: int
    releases: int
    label_releases: int


def mbid_of(*name: object) -> str:
    """The id of something made up."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(part) for part in name)))


def write_large_world(folder: Path, *, groups: int = 1000, label_releases: int = 500) -> LargeWorld:
    """Write the folder. Every third group has a second edition; the label has the first `label_releases` editions."""
    artist: JsonObject = {
        "id": mbid_of("artist"),
        "name": "Thousand Groups",
        "sort-name": "Thousand Groups",
        "type": "Group",
        "country": "XW",
        "disambiguation": "made up",
        "life-span": {"begin": "1960", "end": None, "ended": False},
        "aliases": [],
        "tags": [{"name": "endurance", "count": 3}],
        "relations": [],
    }
    label: JsonObject = {"id": mbid_of("label"), "name": "Large Crate", "type": "Original Production", "country": "XW"}
    credit: list[Json] = [
        {
            "name": "Thousand Groups",
            "joinphrase": "",
            "artist": {key: artist[key] for key in ("id", "name", "sort-name", "disambiguation")},
        }
    ]
    all_groups: JsonObject = {}
    releases: JsonObject = {}
    group_releases: JsonObject = {}
    on_label: list[Json] = []
    for number in range(groups):
        group = _group(number, credit)
        all_groups[str(group["id"])] = group
        editions: list[Json] = []
        for edition in range(2 if number % 3 == 0 else 1):
            labelled = len(on_label) < label_releases
            release = _release(number, edition, group, credit, label if labelled else None)
            releases[str(release["id"])] = release
            editions.append(release["id"])
            if labelled:
                on_label.append(release["id"])
        group_releases[str(group["id"])] = editions
    links: JsonObject = {
        "artist_release_groups": {str(artist["id"]): list(all_groups)},
        "artist_releases": {str(artist["id"]): list(releases)},
        "release_group_releases": group_releases,
        "label_releases": {str(label["id"]): on_label},
    }
    world = folder / "musicbrainz" / "world"
    world.mkdir(parents=True, exist_ok=True)
    files: dict[str, JsonObject] = {
        "artists": {str(artist["id"]): artist},
        "labels": {str(label["id"]): label},
        "release_groups": all_groups,
        "releases": releases,
        "links": links,
    }
    for name, body in files.items():
        (world / f"{name}.json").write_text(json.dumps(body, separators=(",", ":")), "utf-8")
    (folder / "index.json").write_text('{"format": 1, "entries": []}\n', "utf-8")
    return LargeWorld(
        folder, uuid.UUID(mbid_of("artist")), uuid.UUID(mbid_of("label")), groups, len(releases), len(on_label)
    )


def _group(number: int, credit: list[Json]) -> JsonObject:
    primary, secondary = _TYPES[number % len(_TYPES)]
    return {
        "id": mbid_of("group", number),
        "title": f"Work No. {number + 1}",
        "disambiguation": "",
        "primary-type": primary,
        "secondary-types": list(secondary),
        "first-release-date": f"{1960 + number % 60}-{number % 12 + 1:02}-01",
        "artist-credit": credit,
        "tags": [],
        "relations": [],
    }


def _release(number: int, edition: int, group: JsonObject, credit: list[Json], label: JsonObject | None) -> JsonObject:
    key = (number, edition)
    tracks: list[Json] = []
    for position in range(1, TRACKS + 1):
        length = 120_000 + 1000 * ((number * 7 + position * 13) % 240)
        title = f"Movement {position}"
        recording: JsonObject = {
            "id": mbid_of("recording", number, position),
            "title": title,
            "length": length,
            "video": False,
            "artist-credit": credit,
            "isrcs": [],
        }
        tracks.append(
            {
                "id": mbid_of("track", *key, position),
                "position": position,
                "number": str(position),
                "title": title,
                "length": length,
                "artist-credit": credit,
                "recording": recording,
            }
        )
    medium: JsonObject = {
        "position": 1,
        "format": _FORMATS[(number + edition) % len(_FORMATS)],
        "title": "",
        "track-count": TRACKS,
        "track-offset": 0,
        "tracks": tracks,
    }
    named: list[Json] = [{"catalog-number": f"LC-{number:04}-{edition}", "label": label}] if label else []
    return {
        "id": mbid_of("release", *key),
        "title": str(group["title"]),
        "disambiguation": "",
        "date": f"{1960 + number % 60 + edition}",
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "status": "Official",
        "packaging": None,
        "barcode": f"40{number:06}{edition:05}",
        "text-representation": {"language": "eng", "script": "Latn"},
        "artist-credit": credit,
        "release-group": {key_: value for key_, value in group.items() if key_ not in {"tags", "relations"}},
        "label-info": named,
        "media": [medium],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="slskdn_site.demo.large_world", description="Write a large made-up world.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--label-releases", type=int, default=500)
    options = parser.parse_args(arguments)
    made = write_large_world(options.out, groups=options.groups, label_releases=options.label_releases)
    print(json.dumps({"artist": str(made.artist_mbid), "label": str(made.label_mbid), "releases": made.releases}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
