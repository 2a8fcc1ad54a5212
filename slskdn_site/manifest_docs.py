"""The manifest's schema and its description, made from the one definition in `apps.domain.jobs.job_manifest`."""

from __future__ import annotations

import json
import types
import typing
import uuid
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from apps.domain.jobs import job_manifest as definition
from apps.domain.jobs.constraints import CODECS, MAX_TRACK_REFS, Constraints, TrackRef
from apps.domain.jobs.job_manifest import JobManifest, ManifestTrack, ManifestType, TrackProgress, manifest_yaml
from apps.domain.jobs.lifecycle import JobState
from apps.domain.jobs.manifest_words import MANIFEST_CODES
from apps.domain.jobs.marked_yaml import MAX_BYTES, MAX_DEPTH, MAX_EVENTS
from apps.domain.jobs.selection import MAX_NAMES, MAX_RELEASES, Selection

Schema = dict[str, object]

_UUID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
_TIME: Schema = {"type": "string", "description": "ISO 8601; without an offset it is UTC."}
_OWN_KEYS: Schema = {"^x-": {"description": "Yours; read past."}}


def schema_document() -> str:
    """docs/job-manifest.schema.json"""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def manifest_schema() -> Schema:
    """JSON Schema (2020-12) of one YAML document read by the core schema: what it lets through is read, but for rules between keys."""
    body = _job(child=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://slskdn.invalid/job-manifest.schema.json",
        "title": f"slskdn job manifest {definition.MANIFEST_VERSION}",
        **body,
        "$defs": {
            "child": _job(child=True),
            "constraints": _typed(Constraints, _constraint_bounds()),
            "selection": _typed(Selection, _selection_bounds()),
            "track": _track(),
            "status": _status(),
        },
    }


def _job(*, child: bool) -> Schema:
    kinds = [ManifestType.MB_RELEASE.value] if child else [one.value for one in ManifestType]
    properties: Schema = {
        "job_id": _UUID,
        "type": {"enum": kinds},
        **{key: _nullable(_UUID) for key in definition.TARGET_KEYS.values()},
        "discogs_release_id": {"type": ["integer", "null"], "minimum": 1, "maximum": 10**10},
        "title": _text(definition.MAX_TEXT),
        "artist": _text(definition.MAX_TEXT),
        "year": _text(4),
        "selection": {"$ref": "#/$defs/selection"},
        "tracks": {"type": ["array", "null"], "items": {"$ref": "#/$defs/track"}, "maxItems": definition.MAX_TRACKS},
        "constraints": {"$ref": "#/$defs/constraints"},
        "created_at": _TIME,
        "created_by": _text(150),
        "imported_from": _nullable(_UUID),
        "status": {"anyOf": [{"$ref": "#/$defs/status"}, {"type": "null"}]},
    }
    required = ["job_id", "type"]
    if not child:
        version: Schema = {"type": ["string", "number"], "description": "major.minor; a newer major is refused."}
        properties = {"manifest_version": version, **properties, "parent_job_id": _nullable(_UUID)}
        properties["children"] = {
            "type": ["array", "null"], "items": {"$ref": "#/$defs/child"}, "maxItems": definition.MAX_CHILDREN
        }  # fmt: skip
        required = ["manifest_version", *required, "created_at"]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "patternProperties": _OWN_KEYS,
        "additionalProperties": False,
        "allOf": [_rule(ManifestType(kind)) for kind in kinds],
    }


def _rule(kind: ManifestType) -> Schema:
    """What a type needs, and must not have."""
    key = definition.TARGET_KEYS[kind]
    needs: list[Schema] = [{"required": [key], "properties": {key: _UUID}}]
    if kind is ManifestType.MB_RELEASE:
        needs.append({"required": ["discogs_release_id"], "properties": {"discogs_release_id": {"type": "integer"}}})
    if kind is ManifestType.LABEL_CRATE:
        named: Schema = {"required": ["label_name"], "properties": {"label_name": {"minLength": 1}}}
        needs.append({"required": ["selection"], "properties": {"selection": named}})
    then: Schema = {"anyOf": needs}
    if kind not in definition.PARENTS:
        then["properties"] = {"selection": False, "children": {"type": "null"}}
    return {"if": {"properties": {"type": {"const": kind.value}}, "required": ["type"]}, "then": then}


def _track() -> Schema:
    place: Schema = {"type": "integer", "maximum": 32767}
    return _closed(
        {
            "medium": {**place, "type": ["integer", "null"], "minimum": 1},
            "position": {**place, "minimum": 0},
            "title": _text(definition.MAX_TEXT),
            "mb_recording_id": _nullable(_UUID),
            "mb_track_id": _nullable(_UUID),
            "duration_ms": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1},
        },
        required=["position"],
    )


def _status() -> Schema:
    place: Schema = {"anyOf": [{"type": "string", "pattern": r"^\d{1,5}-\d{1,5}$"}, {"type": "integer", "minimum": 0}]}
    listed: Schema = {"type": ["array", "null"], "items": place, "maxItems": definition.MAX_TRACKS}
    return _closed(
        {
            "state": {"enum": [*(one.value for one in JobState), None]},
            "started_at": _nullable(_TIME),
            "completed_at": _nullable(_TIME),
            **{f"{one.value}_tracks": listed for one in TrackProgress},
        }
    )


def _constraint_bounds() -> Mapping[str, Schema]:
    share: Schema = {"minimum": 0, "maximum": 1}
    ref = _closed(
        {"medium": {"type": "integer", "minimum": 1}, "position": {"type": "integer", "minimum": 1}},
        required=["medium", "position"],
        own_keys=False,
    )
    return {
        "preferred_codecs": {"items": {"enum": list(CODECS)}, "uniqueItems": True},
        "max_lossy_tracks_per_album": {"minimum": 0},
        "overlay_bandwidth_kbps": {"minimum": 1},
        "tracks": {"items": ref, "maxItems": MAX_TRACK_REFS},
        "better_than": share,
        "min_improvement": share,
        "target_dir": {"description": "Below the library: relative, without . and .., at most eight folders."},
    }


def _selection_bounds() -> Mapping[str, Schema]:
    names: Schema = {"items": {"type": "string", "minLength": 1, "maxLength": 40}, "maxItems": MAX_NAMES}
    return {
        "limit_releases": {"minimum": 1, "maximum": MAX_RELEASES},
        "secondary_types": names,
        "countries": names,
    }


def _typed(value: type[Constraints | Selection], bounds: Mapping[str, Schema]) -> Schema:
    """Every field of a value with its type and default, so that a new one is in the schema by itself."""
    hints = typing.get_type_hints(value)
    plain = value().to_json()
    properties: Schema = {"version": {"type": "integer", "minimum": 1}}
    for field in fields(value):
        listed = plain[field.name]
        default = list(listed) if isinstance(listed, tuple) else listed
        properties[field.name] = {**_of(hints[field.name]), **bounds.get(field.name, {}), "default": default}
    return _closed(properties, own_keys=False)


def _of(hint: object) -> Schema:
    """A type's schema."""
    names: dict[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number", types.NoneType: "null"}
    if hint in names:
        return {"type": names[hint]}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return {"type": "array", "items": _of(inner[0]) if inner[0] in names else {}}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    return {"type": [typing.cast("str", _of(one)["type"]) for one in inner]}


def _text(most: int) -> Schema:
    return {"type": ["string", "number", "null"], "maxLength": most}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": [typing.cast("str", schema["type"]), "null"]}


def _closed(properties: Schema, *, required: list[str] | None = None, own_keys: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if own_keys:
        schema["patternProperties"] = _OWN_KEYS
    return schema | ({"required": required} if required else {})


# The description ---------------------------------------------------------------------------------------------------------------------------------------

_AT = datetime(2026, 1, 31, 15, 30, tzinfo=UTC)
_JOB = uuid.UUID("0f4de638-56f3-4a0f-b8fa-64f85c6b6a8f")
_RELEASE = JobManifest(
    job_id=_JOB,
    type=ManifestType.MB_RELEASE,
    target=uuid.UUID("c0d0c0a4-4a26-4d74-9c02-67c9321b3b22"),
    title="Loveless",
    artist="My Bloody Valentine",
    year="1991",
    constraints=Constraints(
        preferred_codecs=("flac",),
        max_lossy_tracks_per_album=0,
        prefer_canonical=True,
        overlay_bandwidth_kbps=3000,
        target_dir="Shoegaze",
        tracks=(TrackRef(medium=1, position=1), TrackRef(medium=1, position=2)),
    ),
    tracks=(
        ManifestTrack(
            medium=1, position=1, title="Only Shallow", duration_ms=257_000, progress=TrackProgress.COMPLETED
        ),
        ManifestTrack(medium=1, position=2, title="Loomer", duration_ms=158_000),
    ),
    created_at=_AT,
    created_by="admin",
    state="running",
    started_at=_AT + timedelta(seconds=5),
)
_TREE = JobManifest(
    job_id=uuid.UUID("5a6e5cc1-66a6-4b9f-9a9c-0a63f1b0b5c7"),
    type=ManifestType.DISCOGRAPHY,
    target=uuid.UUID("8ca01f46-53ac-4af2-8516-55a909c0905e"),
    artist="My Bloody Valentine",
    selection=Selection(profile="core", exclude_live=True),
    created_at=_AT,
    state="running",
    children=(replace(_RELEASE, tracks=(), constraints=Constraints(), created_by="", started_at=None),),
)


def manifest_document() -> str:
    """docs/job-manifest.md"""
    return _TEXT.format(
        version=definition.MANIFEST_VERSION,
        release=manifest_yaml(_RELEASE),
        tree=manifest_yaml(_TREE),
        types="\n".join(f"| `{one.value}` | `{definition.TARGET_KEYS[one]}` | {_WHAT[one]} |" for one in ManifestType),
        states=", ".join(f"`{one.value}`" for one in JobState),
        codes=", ".join(f"`{one}`" for one in MANIFEST_CODES),
        megabytes=MAX_BYTES // 1024 // 1024,
        depth=MAX_DEPTH,
        events=f"{MAX_EVENTS:,}",
        documents=f"{definition.MAX_DOCUMENTS:,}",
        children=f"{definition.MAX_CHILDREN:,}",
        tracks=f"{definition.MAX_TRACKS:,}",
    )


_WHAT: Mapping[ManifestType, str] = {
    ManifestType.MB_RELEASE: "A release. One that only Discogs knows has `discogs_release_id` instead.",
    ManifestType.RECORDING: "One recording.",
    ManifestType.DISCOGRAPHY: "An artist's releases, chosen by `selection`; its releases are its children.",
    ManifestType.LABEL_CRATE: "A label's releases. A label known by its name alone has `selection.label_name` instead.",
}

_TEXT = """\
# Job manifests

Made from `apps/domain/jobs/job_manifest.py` by `./slskdn docs`; do not edit. The schema for editors and other programs:
[job-manifest.schema.json](job-manifest.schema.json) (JSON Schema 2020-12, version {version}).

A manifest is a job as a YAML document: what was asked for and how far it is. From it the job can be made elsewhere, or here after the loss of the database.
It holds ids, titles, constraints and times; no secret, no peer, and no path but `target_dir`, which is relative to the library.

```yaml
{release}```

| type | id it needs | what it asks for |
|---|---|---|
{types}

A discography or crate holds its children inside when it is exported:

```yaml
{tree}```

- `manifest_version`, `job_id`, `type`, the id and `created_at` are needed (children take version, parent and, if need be, `created_at` from their parent).
- `status.state` is one of {states}; places of tracks are written medium-position, a bare number is on the first medium.
- `parent_job_id` names the parent of a child that has a document of its own; `imported_from` the job that this one was made from.
- Keys that begin with `x-` are yours. Other unknown keys are refused, unless the file claims a newer minor version. A newer major version is refused.
- Plain scalars are read by YAML 1.2's core schema: `no` is a text. Tags, anchors, aliases, merge keys and repeated keys are refused.
- Limits: {megabytes} MB, {depth} levels, {events} values, {documents} documents, {children} children, {tracks} tracks of a job.

## Where they are kept

In `jobs.manifests.path` (by default `jobs/` in the data folder): `active/<type>-<id>.yaml`, and `completed/` once the job has ended, whatever its end was; one that is tried
again moves back. A child is in a folder named by its parent: `active/<parent>/mb_release-<id>.yaml`. Each file is replaced as a whole and moved by a rename. Rows are the truth
while they exist: what you change in these files is overwritten. `jobs.manifests.enabled: false` writes nothing. Fixes of the Doctor have no manifest: their issues are found again.

## Export, import, restore

| | Command | API | Page |
|---|---|---|---|
| Export | `./slskdn jobs export ID [FILE]`, `./slskdn jobs export --all --out DIR` | `GET /api/jobs/{{id}}/export` | Export, on a job and on the list |
| Import | `./slskdn jobs import FILE… [--dry-run] [--allow-duplicate-id]` | `POST /api/jobs/import` (YAML or multipart; `?dry_run=`, `?allow_duplicate_id=`) | Import, on the list |
| Restore | `./slskdn jobs restore [DIR]` | | |

- An import makes all jobs of its files or, when one is wrong, none. What is wrong is said with file, line and code.
- A job whose id is free keeps it. Of one whose id is taken a new job is made, which names the old id in `imported_from`; with `--allow-duplicate-id` the job that has the id
  stands for it and stays as it is (`manifest_id_taken` if it asks for something else).
- Jobs that had ended come back as they had ended; of a completed one nothing is fetched. Others begin when every folder of the library was scanned and read, and until then say
  so (`waits_for_library`). A track that the manifest calls completed, and of which the library holds any file, is not fetched again; other tracks are treated as those of every job.
- A restore takes one tree after the other, tells what could not be read, and may be repeated: what is here already stays as it is.

After the loss of the database: start slskdn once (it makes a new one), then `./slskdn jobs restore`.

Codes: {codes}.
"""
