"""A job as a file: the manifest that recreates it elsewhere, or here after the loss of the database. Pure: values in, text out, and back.

One YAML document is one job; a discography or crate holds its children inside. A manifest says what was asked for and how far it is, in ids, titles,
constraints and times. It holds no secret, no peer, and no path but `target_dir`, which is relative to the library.

Versions: `manifest_version` "major.minor". A newer minor may add keys, so unknown keys are refused only where the file claims to be of a version known
here; a newer major is refused. `tests/domain/jobs/test_job_manifest.py` keeps documents of every version that was ever written.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from apps.domain.errors import DomainError, Param
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import JobState
from apps.domain.jobs.manifest_words import where_of
from apps.domain.jobs.marked_yaml import MAX_BYTES, Marked, YamlRefused, dump, read_documents
from apps.domain.jobs.selection import Selection

MANIFEST_VERSION: Final = "1.0"
_MAJOR, _MINOR = (int(part) for part in MANIFEST_VERSION.split("."))
TRACKS_VERSION: Final = 1
"""Of tracks in a row."""
MAX_DOCUMENTS: Final = 10_000
MAX_CHILDREN: Final = 20_000
MAX_TRACKS: Final = 5000
MAX_TEXT: Final = 1000
MIB: Final = 1 << 20

T = TypeVar("T")


class ManifestType(StrEnum):
    """What a job is for. The values are those of JobKind."""

    MB_RELEASE = "mb_release"
    RECORDING = "recording"
    DISCOGRAPHY = "discography"
    LABEL_CRATE = "label_crate"


TARGET_KEYS: Final[Mapping[ManifestType, str]] = {
    ManifestType.MB_RELEASE: "mb_release_id",
    ManifestType.RECORDING: "mb_recording_id",
    ManifestType.DISCOGRAPHY: "mb_artist_id",
    ManifestType.LABEL_CRATE: "mb_label_id",
}
PARENTS: Final = frozenset({ManifestType.DISCOGRAPHY, ManifestType.LABEL_CRATE})


class ManifestInvalid(DomainError):
    """A manifest that can't be taken, with the line where it is known. Codes: `manifest_empty`, `manifest_not_a_mapping`, `manifest_version_missing`,
    `manifest_version_newer`, `manifest_type_unknown`, `manifest_id_missing`, `manifest_id_invalid`, `manifest_field_missing`, `manifest_field_invalid`,
    `manifest_field_unknown`, `manifest_child_type`, `manifest_too_large`."""

    default_code = "manifest_field_invalid"

    def __init__(
        self, sentence: str, *, code: str | None = None, line: int | None = None, file: str = "", **params: Param
    ) -> None:
        where, why = where_of(line, file), sentence.removesuffix(".")
        params |= {"where": where, "why": why, "line": line} | ({"file": file} if file else {})
        super().__init__(f"{where}: {why}.", code=code, retryable=False, **params)


class TrackProgress(StrEnum):
    """How far a track was when the manifest was written."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestTrack:
    """A track as planned. `recording_mbid` None: known at Discogs alone."""

    medium: int
    position: int
    title: str
    recording_mbid: uuid.UUID | None = None
    track_mbid: uuid.UUID | None = None
    duration_ms: int | None = None
    progress: TrackProgress = TrackProgress.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class JobManifest:
    """A job as its file tells it. `target` None: a crate by name alone, or a release that only Discogs knows (`discogs_release_id`).

    `state` is the job's word for its state; `line` where its document begins in the file it was read from (0: made here), `file` that file's name.
    """

    job_id: uuid.UUID
    type: ManifestType
    target: uuid.UUID | None
    created_at: datetime
    discogs_release_id: int | None = None
    title: str = ""
    artist: str = ""
    year: str = ""
    constraints: Constraints = field(default_factory=Constraints)
    selection: Selection | None = None
    tracks: tuple[ManifestTrack, ...] = ()
    created_by: str = ""
    state: str = "pending"
    started_at: datetime | None = None
    completed_at: datetime | None = None
    parent: uuid.UUID | None = None
    imported_from: uuid.UUID | None = None
    children: tuple[JobManifest, ...] = ()
    line: int = 0
    file: str = ""

    @property
    def file_name(self) -> str:
        """Under which it is kept: the type for eyes, the id for tools."""
        return f"{self.type.value}-{self.job_id}.yaml"


def manifest_yaml(manifest: JobManifest) -> str:
    """The file's text. Equal manifests give equal texts."""
    return dump(_document(manifest))


def export_text(manifests: Iterable[JobManifest]) -> str:
    """One file of these jobs that an import takes. A discography of 1,000 albums of 12 tracks has 3.3 MB. Raises DomainError `manifest_export_too_large`."""
    text = "---\n".join(manifest_yaml(one) for one in manifests)
    if (size := len(text.encode())) > MAX_BYTES:
        raise DomainError(
            "This export would be larger than what an import takes.",
            code="manifest_export_too_large",
            size_mb=round(size / MIB, 1),
            limit_mb=MAX_BYTES // MIB,
        )
    return text


def read_manifests(source: bytes | str, *, file: str = "") -> tuple[JobManifest, ...]:
    """Every job of the text; `file`: its name, for whoever is told what is wrong. Raises ManifestInvalid alone, with the line where it is known."""
    try:
        found = _read_all(source)
    except (ManifestInvalid, YamlRefused) as error:
        known = {key: one for key, one in error.params.items() if key not in ("where", "why", "line", "file")}
        line = error.params.get("line")
        raise ManifestInvalid(
            str(error.params["why"]), code=error.code, line=line if isinstance(line, int) else None, file=file, **known
        ) from error
    return tuple(
        replace(one, file=file, children=tuple(replace(child, file=file) for child in one.children)) for one in found
    )


def _read_all(source: bytes | str) -> list[JobManifest]:
    found: list[JobManifest] = []
    for document in read_documents(source):
        if len(found) >= MAX_DOCUMENTS:
            raise ManifestInvalid(
                "This file holds too many jobs.", code="manifest_too_large", line=document.line, limit=MAX_DOCUMENTS
            )
        found.append(_read(document, parent=None))
    if not found:
        raise ManifestInvalid("There is no job in it.", code="manifest_empty")
    return found


def tracks_json(tracks: Sequence[ManifestTrack]) -> dict[str, object]:
    """Tracks in a row's form, with its version; {} for none."""
    listed = [{**_track(track), "progress": track.progress.value} for track in tracks]
    return {"version": TRACKS_VERSION, "tracks": listed} if listed else {}


def tracks_of_json(stored: Mapping[str, object]) -> tuple[ManifestTrack, ...]:
    """What `tracks_json` wrote; nothing of what a newer version wrote."""
    listed = stored.get("tracks")
    if stored.get("version") != TRACKS_VERSION or not isinstance(listed, list):
        return ()
    return tuple(
        ManifestTrack(
            medium=row["medium"],
            position=row["position"],
            title=row["title"],
            recording_mbid=uuid.UUID(row["mb_recording_id"]) if "mb_recording_id" in row else None,
            track_mbid=uuid.UUID(row["mb_track_id"]) if "mb_track_id" in row else None,
            duration_ms=row.get("duration_ms"),
            progress=TrackProgress(row["progress"]),
        )
        for row in listed
    )


def places_done(tracks: Iterable[ManifestTrack]) -> frozenset[tuple[int, int]]:
    """(medium, position) of the tracks that are completed."""
    return frozenset((one.medium, one.position) for one in tracks if one.progress is TrackProgress.COMPLETED)


def unlined(manifest: JobManifest) -> JobManifest:
    """Without the file and lines it was read from: what two manifests are compared by."""
    return replace(manifest, line=0, file="", children=tuple(unlined(child) for child in manifest.children))


def _document(manifest: JobManifest) -> dict[str, object]:
    document: dict[str, object] = {
        "manifest_version": MANIFEST_VERSION,
        "job_id": str(manifest.job_id),
        "type": manifest.type.value,
    }
    if manifest.target is not None:
        document[TARGET_KEYS[manifest.type]] = str(manifest.target)
    if manifest.discogs_release_id is not None:
        document["discogs_release_id"] = manifest.discogs_release_id
    for key in ("title", "artist", "year"):
        if text := getattr(manifest, key):
            document[key] = text
    if manifest.selection is not None:
        document["selection"] = _without_version(manifest.selection.to_json())
    if manifest.tracks:
        document["tracks"] = [_track(track) for track in manifest.tracks]
    document["constraints"] = _without_version(manifest.constraints.to_json())
    document["created_at"] = _time(manifest.created_at)
    if manifest.created_by:
        document["created_by"] = manifest.created_by
    if manifest.parent is not None:
        document["parent_job_id"] = str(manifest.parent)
    if manifest.imported_from is not None:
        document["imported_from"] = str(manifest.imported_from)
    document["status"] = _status(manifest)
    if manifest.children:
        document["children"] = [_child(child) for child in manifest.children]
    return document


def _child(manifest: JobManifest) -> dict[str, object]:
    """A child inside its parent: version and parent are the parent's."""
    return {key: item for key, item in _document(manifest).items() if key not in ("manifest_version", "parent_job_id")}


def _track(track: ManifestTrack) -> dict[str, object]:
    row: dict[str, object] = {"medium": track.medium, "position": track.position, "title": track.title}
    if track.recording_mbid is not None:
        row["mb_recording_id"] = str(track.recording_mbid)
    if track.track_mbid is not None:
        row["mb_track_id"] = str(track.track_mbid)
    if track.duration_ms is not None:
        row["duration_ms"] = track.duration_ms
    return row


def _status(manifest: JobManifest) -> dict[str, object]:
    status: dict[str, object] = {"state": manifest.state}
    if manifest.started_at is not None:
        status["started_at"] = _time(manifest.started_at)
    if manifest.completed_at is not None:
        status["completed_at"] = _time(manifest.completed_at)
    for progress in TrackProgress:
        places = [f"{one.medium}-{one.position}" for one in manifest.tracks if one.progress is progress]
        if places:
            status[f"{progress.value}_tracks"] = places
    return status


def _without_version(value: dict[str, object]) -> dict[str, object]:
    return {key: _listed(item) for key, item in value.items() if key != "version"}


def _listed(item: object) -> object:
    return list(item) if isinstance(item, tuple) else item


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# Reading ---------------------------------------------------------------------------------------------------------------------------------------------

_KEYS: Final = frozenset(
    {
        *("manifest_version", "job_id", "type", "title", "artist", "year", "constraints", "selection", "tracks"),
        *("created_at", "created_by", "parent_job_id", "imported_from", "status", "children", "discogs_release_id"),
        *TARGET_KEYS.values(),
    }
)
_TRACK_KEYS: Final = frozenset({"medium", "position", "title", "mb_recording_id", "mb_track_id", "duration_ms"})
_STATUS_KEYS: Final = frozenset(
    {"state", "started_at", "completed_at", *(f"{progress.value}_tracks" for progress in TrackProgress)}
)
_VERSION: Final = re.compile(r"(\d{1,4})(?:\.(\d{1,4}))?")
_PLACE: Final = re.compile(r"(\d{1,5})-(\d{1,5})")


def _read(document: Marked, *, parent: JobManifest | None, strict: bool = True) -> JobManifest:
    fields = _mapping(document, "This document is no job: a job is a mapping of keys and values.")
    if parent is None:
        strict = _version(fields, document.line)
    if strict:
        _refuse_unknown(fields, _KEYS)
    type_ = _type(fields, document.line)
    target_key = TARGET_KEYS[type_]
    target = _uuid(fields, target_key)
    discogs = _whole(fields, "discogs_release_id", least=1, most=10**10)
    selection = _selection(fields, type_)
    nameless = selection is None or not selection.label_name
    if (
        target is None
        and not (type_ is ManifestType.MB_RELEASE and discogs)
        and not (type_ is ManifestType.LABEL_CRATE and not nameless)
    ):
        raise ManifestInvalid(
            f"A job of type {type_.value} needs {target_key}.",
            code="manifest_id_missing",
            line=document.line,
            field=target_key,
        )
    job_id = _uuid(fields, "job_id")
    if job_id is None:
        raise ManifestInvalid(
            "A manifest needs job_id.", code="manifest_id_missing", line=document.line, field="job_id"
        )
    status = _optional_mapping(fields, "status")
    if strict:
        _refuse_unknown(status, _STATUS_KEYS)
    manifest = JobManifest(
        job_id=job_id,
        type=type_,
        target=target,
        discogs_release_id=discogs,
        title=_text(fields, "title"),
        artist=_text(fields, "artist"),
        year=_text(fields, "year", most=4),
        constraints=_constraints(fields),
        selection=selection,
        tracks=_tracks(fields, status, strict=strict),
        created_at=_datetime(fields, "created_at") or (parent.created_at if parent else _missing_time(document)),
        created_by=_text(fields, "created_by", most=150),
        state=_state(status, strict=strict),
        started_at=_datetime(status, "started_at"),
        completed_at=_datetime(status, "completed_at"),
        parent=parent.job_id if parent else _uuid(fields, "parent_job_id"),
        imported_from=_uuid(fields, "imported_from"),
        line=document.line,
    )
    return replace(manifest, children=_children(fields, manifest, strict=strict))


def _version(fields: Mapping[str, Marked], line: int) -> bool:
    """Whether unknown keys are to be refused. Raises ManifestInvalid for no version, and for a newer major."""
    marked = fields.get("manifest_version")
    match = _VERSION.fullmatch(str(marked.value)) if marked is not None else None
    if marked is None or match is None:
        raise ManifestInvalid(
            f'A manifest begins with manifest_version: "{MANIFEST_VERSION}".',
            code="manifest_version_missing",
            line=marked.line if marked else line,
        )
    major, minor = int(match[1]), int(match[2] or 0)
    if major > _MAJOR or major < 1:
        raise ManifestInvalid(
            f"This manifest is of version {major}.{minor}; this daemon reads up to {MANIFEST_VERSION}.",
            code="manifest_version_newer",
            line=marked.line,
            version=f"{major}.{minor}",
        )
    return minor <= _MINOR


def _type(fields: Mapping[str, Marked], line: int) -> ManifestType:
    marked = fields.get("type")
    try:
        return ManifestType(str(marked.value) if marked else "")
    except ValueError as error:
        raise ManifestInvalid(
            f"type is one of {', '.join(ManifestType)}.",
            code="manifest_type_unknown",
            line=marked.line if marked else line,
            type=str(marked.value)[:40] if marked else "",
        ) from error


def _children(fields: Mapping[str, Marked], parent: JobManifest, *, strict: bool) -> tuple[JobManifest, ...]:
    marked = fields.get("children")
    if marked is None or marked.value is None:
        return ()
    listed = _items(marked, "children", most=MAX_CHILDREN)
    if parent.type not in PARENTS:
        raise ManifestInvalid(
            f"A job of type {parent.type.value} has no children.", code="manifest_child_type", line=marked.line
        )
    found: dict[uuid.UUID, JobManifest] = {}
    for item in listed:
        child = _read(item, parent=parent, strict=strict)
        if child.type is not ManifestType.MB_RELEASE:
            raise ManifestInvalid(
                "The children of a discography or crate are releases.", code="manifest_child_type", line=item.line
            )
        if child.job_id in found or child.job_id == parent.job_id:
            raise ManifestInvalid(
                "Two jobs of this file have one id.", code="manifest_id_invalid", line=item.line, field="job_id"
            )
        found[child.job_id] = child
    return tuple(found.values())


def _tracks(fields: Mapping[str, Marked], status: Mapping[str, Marked], *, strict: bool) -> tuple[ManifestTrack, ...]:
    marked = fields.get("tracks")
    if marked is None or marked.value is None:
        return ()
    progress = _progress(status)
    found: dict[tuple[int, int], ManifestTrack] = {}
    for item in _items(marked, "tracks", most=MAX_TRACKS):
        row = _mapping(item, "A track is a mapping with position and title.")
        if strict:
            _refuse_unknown(row, _TRACK_KEYS)
        medium = _whole(row, "medium", least=1, most=32767)
        place = (1 if medium is None else medium, _position(row, item.line))
        if place in found:
            raise ManifestInvalid("Two tracks have one position.", line=item.line, field="position")
        found[place] = ManifestTrack(
            medium=place[0],
            position=place[1],
            title=_text(row, "title"),
            recording_mbid=_uuid(row, "mb_recording_id"),
            track_mbid=_uuid(row, "mb_track_id"),
            duration_ms=_whole(row, "duration_ms", least=1, most=2**31 - 1),
            progress=progress.get(place, TrackProgress.PENDING),
        )
    return tuple(found.values())


def _position(row: Mapping[str, Marked], line: int) -> int:
    position = _whole(row, "position", least=0, most=32767)
    if position is None:
        raise ManifestInvalid("A track needs its position.", code="manifest_field_missing", line=line, field="position")
    return position


def _progress(status: Mapping[str, Marked]) -> dict[tuple[int, int], TrackProgress]:
    """Of each track by its place. A bare number is a place on the first medium, as people write it by hand."""
    found: dict[tuple[int, int], TrackProgress] = {}
    for progress in TrackProgress:
        key = f"{progress.value}_tracks"
        marked = status.get(key)
        if marked is None or marked.value is None:
            continue
        for item in _items(marked, key, most=MAX_TRACKS):
            match = _PLACE.fullmatch(str(item.value))
            if match:
                found[int(match[1]), int(match[2])] = progress
            elif isinstance(item.value, int) and not isinstance(item.value, bool) and 0 <= item.value <= 32767:
                found[1, item.value] = progress
            else:
                raise ManifestInvalid(
                    "A track's place is written medium-position, such as 1-7.", line=item.line, field=key
                )
    return found


def _constraints(fields: Mapping[str, Marked]) -> Constraints:
    marked = fields.get("constraints")
    return Constraints() if marked is None else _typed(marked, "constraints", Constraints.from_json)


def _selection(fields: Mapping[str, Marked], type_: ManifestType) -> Selection | None:
    marked = fields.get("selection")
    if type_ in PARENTS:
        return Selection() if marked is None else _typed(marked, "selection", Selection.from_json)
    if marked is not None:
        raise ManifestInvalid(
            f"A job of type {type_.value} selects nothing.",
            code="manifest_field_unknown",
            line=marked.line,
            field="selection",
        )
    return None


def _typed(marked: Marked, field: str, read: Callable[[dict[str, object]], T]) -> T:
    """A mapping read by its own type, whose complaint gets the line of the key it is about."""
    entries = _mapping(marked, f"{field} is a mapping of keys and values.")
    plain = marked.plain()
    try:
        return read(dict(plain) if isinstance(plain, dict) else {})
    except DomainError as error:
        key = str(error.params.get("key", ""))
        line = entries[key].line if key in entries else marked.line
        raise ManifestInvalid(error.sentence, line=line, field=f"{field}.{key}") from error


def _mapping(marked: Marked, sentence: str) -> dict[str, Marked]:
    if not isinstance(marked.value, dict):
        raise ManifestInvalid(sentence, code="manifest_not_a_mapping", line=marked.line)
    return marked.value


def _optional_mapping(fields: Mapping[str, Marked], key: str) -> dict[str, Marked]:
    marked = fields.get(key)
    return {} if marked is None or marked.value is None else _mapping(marked, f"{key} is a mapping of keys and values.")


def _items(marked: Marked, key: str, *, most: int) -> list[Marked]:
    if not isinstance(marked.value, list):
        raise ManifestInvalid(f"{key} is a list.", line=marked.line, field=key)
    if len(marked.value) > most:
        raise ManifestInvalid(
            f"{key} has more entries than {most}.", code="manifest_too_large", line=marked.line, field=key, limit=most
        )
    return marked.value


def _refuse_unknown(fields: Mapping[str, Marked], known: frozenset[str]) -> None:
    for key, marked in fields.items():
        if key not in known and not key.startswith("x-"):
            raise ManifestInvalid(
                f"{key[:40]} is no key of a manifest; keys of your own begin with x-.",
                code="manifest_field_unknown",
                line=marked.line,
                field=key[:40],
            )


def _uuid(fields: Mapping[str, Marked], key: str) -> uuid.UUID | None:
    marked = fields.get(key)
    if marked is None or marked.value is None:
        return None
    text = marked.value.strip().lower() if isinstance(marked.value, str) else ""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        parsed = uuid.UUID(int=0)
    if parsed.int == 0 or str(parsed) != text:
        raise ManifestInvalid(
            f"{key} is no id: 36 characters such as 78db95c6-be79-4c9b-9b27-a6c3a40e2fc5.",
            code="manifest_id_invalid",
            line=marked.line,
            field=key,
        )
    return parsed


def _text(fields: Mapping[str, Marked], key: str, *, most: int = MAX_TEXT) -> str:
    marked = fields.get(key)
    if marked is None or marked.value is None:
        return ""
    value = marked.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # a title or year that is written without quotes: 1999
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ManifestInvalid(f"{key} is a text on one line of at most {most} characters.", line=marked.line, field=key)
    return value.strip()


def _whole(fields: Mapping[str, Marked], key: str, *, least: int, most: int) -> int | None:
    marked = fields.get(key)
    if marked is None or marked.value is None:
        return None
    value = marked.value
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ManifestInvalid(f"{key} is a whole number from {least} to {most}.", line=marked.line, field=key)
    return value


def _datetime(fields: Mapping[str, Marked], key: str) -> datetime | None:
    marked = fields.get(key)
    if marked is None or marked.value is None:
        return None
    try:
        value = datetime.fromisoformat(str(marked.value))
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ManifestInvalid(f"{key} is a time such as 2026-01-31T15:30:00Z.", line=marked.line, field=key) from error


def _state(status: Mapping[str, Marked], *, strict: bool) -> str:
    """A newer minor version may know states that this one does not; such a job begins anew."""
    marked = status.get("state")
    if marked is None or marked.value is None:
        return JobState.PENDING.value
    if isinstance(marked.value, str) and marked.value in {state.value for state in JobState}:
        return marked.value
    if strict or not isinstance(marked.value, str):
        raise ManifestInvalid(f"state is one of {', '.join(JobState)}.", line=marked.line, field="state")
    return JobState.PENDING.value


def _missing_time(document: Marked) -> datetime:
    raise ManifestInvalid(
        "A manifest needs created_at.", code="manifest_field_missing", line=document.line, field="created_at"
    )
