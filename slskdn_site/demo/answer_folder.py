"""Folders of recorded answers: `index.json`, bodies, `acoustid/fingerprints.jsonl`. Reads them and writes our own in the same format.

An entry of the index: `service method host method path query status content_type headers file` and, where useful, `inc_available`, `match`,
`note`. `query` is canonical (see `canonical_query`). `acoustid/fingerprints.jsonl` holds one object per line: `duration`, `fingerprint` and
`response`, the body's path. Folders are trusted; what is wrong in one raises AnswerFolderError when it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast
from urllib.parse import parse_qsl

from slskdn_site.demo.answer_shapes import (
    ARTIST_INCS,
    GROUP_INCS,
    LABEL_INCS,
    RECORDING_INCS,
    RELEASE_INCS,
    Json,
    JsonObject,
    ReleaseFacts,
    TrackFacts,
    acoustid_result,
    artist_json,
    label_json,
    recording_json,
    release_group_json,
    release_json,
)

Service = Literal["musicbrainz", "acoustid"]

JSON_TYPE = "application/json; charset=utf-8"
_CREDENTIALS = frozenset({"client", "clientversion", "key", "secret", "token"})
_LISTS = frozenset({"inc", "meta"})


class AnswerFolderError(ValueError):
    """A folder of answers that breaks its own format; the message names the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One servable answer. `body` is the bytes or the file that holds them."""

    service: Service
    path: str
    query: Mapping[str, str]
    body: bytes | Path
    method: str = "GET"
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    inc_available: frozenset[str] | None = None
    form: Mapping[str, str] | None = None
    fingerprint: str = ""
    fingerprint_sha1: str = ""
    duration_s: int = 0

    def read(self) -> bytes:
        """The body."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON (else XML)."""
        return "json" in self.content_type

    @property
    def incs(self) -> frozenset[str]:
        """What a lookup of this entry may ask for."""
        return (
            self.inc_available
            if self.inc_available is not None
            else frozenset(filter(None, self.query.get("inc", "").split("+")))
        )


@dataclass(frozen=True, slots=True)
class AnswerFolder:
    """The entries of one folder in their order, and the lists from which pages can be cut (`world`, empty where there is none)."""

    entries: tuple[Entry, ...]
    world: Path | None = None


def fingerprint_sha1(fingerprint: str) -> str:
    """The key of a fingerprint in an index: first 16 hex digits of SHA-1 of its text."""
    return hashlib.sha1(fingerprint.encode()).hexdigest()[:16]  # noqa: S324 -- a name, not a secret


def canonical_query(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Keys sorted, lists (`inc`, `meta`) sorted and joined by +, empty `inc` and credentials dropped. Values arrive percent-decoded."""
    out: dict[str, str] = {}
    for key, value in sorted(pairs):
        if key in _CREDENTIALS:
            continue
        if key in _LISTS:
            joined = "+".join(sorted(set(filter(None, re.split(r"[ +]", value)))))
            if joined or key != "inc":
                out[key] = joined
        else:
            out[key] = value
    return out


def _object(value: Json, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise AnswerFolderError(f"{where}: an object is expected")
    return value


def _strings(value: Json) -> dict[str, str]:
    return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def load_answers(folder: Path) -> AnswerFolder:
    """Read a folder's index; bodies are read when they are served. Raises AnswerFolderError."""
    where = str(folder / "index.json")
    try:
        index = _object(cast("Json", json.loads((folder / "index.json").read_text("utf-8"))), where)
    except (OSError, ValueError) as error:
        raise AnswerFolderError(f"{where}: {error}") from error
    listed = index.get("entries")
    if not isinstance(listed, list):
        raise AnswerFolderError(f"{where}: no entries")
    prints = _fingerprints(folder / "acoustid" / "fingerprints.jsonl")
    entries = [_entry(folder, _object(raw, where), prints) for raw in listed]
    world = folder / "musicbrainz" / "world"
    return AnswerFolder(
        tuple(entry for entry in entries if entry is not None), world if (world / "links.json").is_file() else None
    )


def _fingerprints(path: Path) -> dict[str, tuple[str, int]]:
    """Body file → (fingerprint, duration in seconds)."""
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, int]] = {}
    for line in path.read_text("utf-8").splitlines():
        row = _object(cast("Json", json.loads(line)), str(path))
        duration = row.get("duration")
        found[str(row.get("response"))] = (str(row.get("fingerprint")), duration if isinstance(duration, int) else 0)
    return found


def _entry(folder: Path, raw: JsonObject, prints: Mapping[str, tuple[str, int]]) -> Entry | None:
    service, file, status = raw.get("service"), str(raw.get("file")), raw.get("status")
    if service not in {"musicbrainz", "acoustid"}:
        return None
    match = raw.get("match")
    keys: JsonObject = match if isinstance(match, dict) else {}
    incs = raw.get("inc_available")
    fingerprint, measured = prints.get(file, ("", 0))
    duration = keys.get("duration", measured)
    form = keys.get("form")
    return Entry(
        service="acoustid" if service == "acoustid" else "musicbrainz",
        method=str(raw.get("method", "GET")),
        path=str(raw.get("path")),
        query=_strings(raw.get("query")),
        status=status if isinstance(status, int) else 200,
        content_type=str(raw.get("content_type", JSON_TYPE)),
        headers=_strings(raw.get("headers")),
        body=folder / file,
        inc_available=frozenset(str(inc) for inc in incs) if isinstance(incs, list) else None,
        form=dict(parse_qsl(form, keep_blank_values=True)) if isinstance(form, str) else None,
        fingerprint=fingerprint,
        fingerprint_sha1=str(keys.get("fingerprint_sha1") or (fingerprint_sha1(fingerprint) if fingerprint else "")),
        duration_s=int(duration) if isinstance(duration, int | float) else 0,
    )


def json_bytes(body: Json) -> bytes:
    """JSON as the services send it: UTF-8, no spaces."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _musicbrainz(path: str, body: JsonObject, incs: frozenset[str], **query: str) -> Entry:
    return Entry(
        service="musicbrainz",
        path=f"/ws/2/{path}",
        query=canonical_query(
            [
                ("fmt", "json"),
                ("inc", " ".join(incs)),
                *((key.replace("_", "-"), value) for key, value in query.items()),
            ]
        ),
        body=json_bytes(body),
        inc_available=incs,
    )


def release_entries(releases: Sequence[ReleaseFacts]) -> list[Entry]:
    """The MusicBrainz answers for releases of one group: release, group, artists, label, recordings and the lists that lead from one to the other."""
    first = releases[0]
    entries = [_musicbrainz(f"release/{facts.release_mbid}", release_json(facts), RELEASE_INCS) for facts in releases]
    group = release_group_json(releases)
    entries.append(_musicbrainz(f"release-group/{first.release_group_mbid}", group, GROUP_INCS))
    artists = {first.artist_mbid: first.artist}
    homes: dict[str, tuple[TrackFacts, list[ReleaseFacts]]] = {}
    for facts in releases:
        for track in facts.tracks:
            artists.setdefault(track.artist_mbid, track.artist)
            homes.setdefault(track.recording_mbid, (track, []))[1].append(facts)
    entries += [_musicbrainz(f"artist/{mbid}", artist_json(name, mbid), ARTIST_INCS) for mbid, name in artists.items()]
    entries += [recording_entry(track, home) for track, home in homes.values()]
    pages = {"limit": "100", "offset": "0"}
    listed: list[Json] = [release_json(facts) for facts in releases]
    page: JsonObject = {"release-count": len(releases), "release-offset": 0, "releases": listed}
    entries.append(_musicbrainz("release", page, RELEASE_INCS, release_group=first.release_group_mbid, **pages))
    entries.append(_musicbrainz("release", page, RELEASE_INCS, artist=first.artist_mbid, **pages))
    if first.label_mbid:
        entries.append(_musicbrainz(f"label/{first.label_mbid}", label_json(first.label, first.label_mbid), LABEL_INCS))
        entries.append(_musicbrainz("release", page, RELEASE_INCS, label=first.label_mbid, **pages))
    groups: JsonObject = {"release-group-count": 1, "release-group-offset": 0, "release-groups": [group]}
    entries.append(
        _musicbrainz("release-group", groups, frozenset({"artist-credits"}), artist=first.artist_mbid, **pages)
    )
    return entries


def recording_entry(track: TrackFacts, releases: Sequence[ReleaseFacts]) -> Entry:
    """The MusicBrainz answer for one recording; `releases` may be empty (a recording that was never released)."""
    return _musicbrainz(f"recording/{track.recording_mbid}", recording_json(track, releases), RECORDING_INCS)


def fingerprint_entry(
    track: TrackFacts,
    fingerprint: str,
    duration_s: float,
    *,
    releases: Sequence[ReleaseFacts],
    other_recordings: Sequence[str] = (),
) -> Entry:
    """The AcoustID answer for one fingerprint of a track."""
    seconds = int(duration_s)
    sha1 = fingerprint_sha1(fingerprint)
    result = acoustid_result(track, fingerprint, groups=releases, other_recordings=other_recordings)
    return Entry(
        service="acoustid",
        path="/v2/lookup",
        query={"duration": str(seconds), "fingerprint_sha1": sha1, "meta": "compress+recordings+releasegroups"},
        body=json_bytes({"results": [result], "status": "ok"}),
        fingerprint=fingerprint,
        fingerprint_sha1=sha1,
        duration_s=seconds,
    )


def write_answers(folder: Path, entries: Sequence[Entry], *, provenance: str) -> None:
    """Write entries as a folder that `load_answers` reads back. Existing files of the same name are replaced."""
    rows: list[JsonObject] = []
    prints: list[JsonObject] = []
    for entry in entries:
        file = _file_name(entry)
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        body = entry.read()
        pretty = json.dumps(json.loads(body), ensure_ascii=False, indent=1).encode() + b"\n" if entry.is_json else body
        target.write_bytes(pretty)
        row: JsonObject = {
            "service": entry.service,
            "host": "musicbrainz.org" if entry.service == "musicbrainz" else "api.acoustid.org",
            "method": entry.method,
            "path": entry.path,
            "query": dict(entry.query),
            "status": entry.status,
            "content_type": entry.content_type,
            "headers": dict(entry.headers),
            "file": file,
            "bytes": len(pretty),
            "provenance": provenance,
            "query_known": True,
        }
        if entry.inc_available is not None:
            row["inc_available"] = list[Json](sorted(entry.inc_available))
        if entry.fingerprint:
            row["match"] = {"fingerprint_sha1": entry.fingerprint_sha1, "duration": entry.duration_s}
            prints.append(
                {
                    "id": entry.fingerprint_sha1,
                    "duration": entry.duration_s,
                    "fingerprint": entry.fingerprint,
                    "response": file,
                }
            )
        rows.append(row)
    (folder / "index.json").write_text(
        json.dumps({"format": 1, "entries": rows}, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
    if prints:
        (folder / "acoustid").mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in prints)
        (folder / "acoustid" / "fingerprints.jsonl").write_text(lines, "utf-8")


def _file_name(entry: Entry) -> str:
    if entry.fingerprint:
        return f"acoustid/v2/lookup/{entry.fingerprint_sha1}-{entry.duration_s}.json"
    linked = "_".join(f"{key}={value}" for key, value in entry.query.items() if key not in {"fmt", "inc"})
    name = re.sub(r"[^A-Za-z0-9=_.\-/]", "_", f"{entry.path.lstrip('/')}{'/' + linked if linked else ''}")
    return f"{entry.service}/{name}.json"
