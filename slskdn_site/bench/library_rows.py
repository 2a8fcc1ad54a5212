"""Rows of a large library for the bench: COPY into Postgres, executemany into SQLite. Shaped like a collector's: albums of twelve, some copies, some doubts.

And unkind where a list is a walk until the page is full: copies are rare and lie at the end, the newest of what is missing is in the trash, the worst
issues are one in a hundred, one recording is there hundreds of times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models, transaction
from django.db.models import fields as field_types

from apps.catalog.models import Recording, Release
from apps.domain.library.issues import OPEN_STATES, SEVERITY_RANK, IssueSeverity, IssueState, IssueType
from apps.domain.library.remedy import RemedyAction, RemedyState
from apps.domain.library.trash import FOLDER
from apps.domain.library.words import words_of
from apps.library.models import (
    AudioFile,
    AudioVariant,
    CanonicalStats,
    DoctorScan,
    FolderMatch,
    FolderWord,
    Identification,
    IssueCount,
    IssueDay,
    IssueTally,
    IssueWord,
    LibraryIssue,
    LibraryRoot,
    TrackStats,
    TrashedFile,
    VariantEvidence,
)
from apps.library.services_measures import quality_measure
from apps.remediation.models import Remediation

FILL = 3
"""Rises when other rows are made: what was kept is filled anew."""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACKS = 12
ALBUMS = 8
"""Of an artist."""
COPY_EVERY = 20
"""Each of these variants is another one of its neighbour's recording."""
DOUBT_EVERY = 50
GROUPS = 60
"""Of copies of one payload, and of equal samples: three pages, however large the library."""
TRASH_EVERY = 50
"""One of so many files is in the trash: the newest."""
MISSING_EVERY = 400
FIX_EVERY = 40
HUB = 300
"""Variants of one recording at most: silence, a hit."""
CODES = {
    IssueType.SUSPECTED_TRANSCODE: "transcode_mp3_origin",
    IssueType.NON_CANONICAL_VARIANT: "better_in_peers",
    IssueType.TRACK_NOT_IN_RELEASE: "not_in_tagged_release",
    IssueType.MISSING_TRACK: "missing_track",
    IssueType.CORRUPTED_FILE: "decode_failed",
    IssueType.TAGS_WRONG: "tags_missing_mbids",
    IssueType.DUPLICATE_VARIANT: "duplicate_recording",
    IssueType.WRONG_DURATION: "duration_short",
}


def recording(index: int) -> uuid.UUID:
    """Of the variant with this number."""
    return _mbid(1, index - 1 if index % COPY_EVERY == COPY_EVERY - 1 else index)


def hub_recording() -> uuid.UUID:
    """The one that is there hundreds of times."""
    return _mbid(1, 0)


def variant_of(index: int, *, variants: int) -> int:
    """The variant of the file with this number: its own, but for a few near the end, which are copies of their neighbour's."""
    at = index - _copies_from(variants)
    return index if 0 <= at < 2 * GROUPS and at % 2 else index + 1


def trashed(index: int, *, variants: int) -> bool:
    """It is in the trash."""
    return index >= variants - variants // TRASH_EVERY


def _copies_from(variants: int) -> int:
    return max(3 * GROUPS, variants - variants // TRASH_EVERY - 4 * GROUPS)


def release(index: int) -> uuid.UUID:
    """Of the file with this number."""
    return _mbid(2, index // TRACKS)


def artist(index: int) -> str:
    """Of the file with this number."""
    return f"Artist {index // (TRACKS * ALBUMS):06}"


def album(index: int) -> str:
    """Of the file with this number."""
    return f"Album {index // TRACKS:06}"


def fill(*, variants: int, issues: int) -> None:
    """Into an empty, migrated database."""
    with _without_indexes(), transaction.atomic():
        root = LibraryRoot.objects.create(path="/music", scanned=True, last_scan_at=NOW)
        hub = min(HUB, variants // 20)
        _copy(AudioVariant, (_variant(index, hub=hub, variants=variants) for index in range(variants)))
        _copy(VariantEvidence, (_evidence(index) for index in range(0, variants, TRACKS)))
        _copy(AudioFile, (_file(index, root.id, variants=variants) for index in range(variants)))
        _copy(TrashedFile, (_trash(index, root.id) for index in range(variants) if trashed(index, variants=variants)))
        _copy(Identification, (_identification(index) for index in range(variants)))
        _copy(Recording, (_recording(index) for index in range(variants) if recording(index) == _mbid(1, index)))
        _copy(Release, (_release(index) for index in range(0, variants, TRACKS)))
        _copy(FolderMatch, (_folder(index, root.id) for index in range(0, variants, TRACKS)))
        _words()
        _copy(CanonicalStats, (_stats(index) for index in range(variants) if recording(index) == _mbid(1, index)))
        _copy(TrackStats, (_track_stats(index) for index in range(variants)))
        _issues(issues, variants)
        fixes()
        DoctorScan.objects.create(
            state="completed", files=variants, found=issues, done=1, expected=1, started_at=NOW, ended_at=NOW
        )
    settle()


@contextlib.contextmanager
def _without_indexes() -> Iterator[None]:
    """Postgres builds an index over a full table several times quicker than row by row. Constraints stay."""
    if connection.vendor != "postgresql":
        yield
        return
    filled = (AudioVariant, AudioFile, Identification, FolderMatch, LibraryIssue, TrashedFile)
    with connection.schema_editor(atomic=False) as editor:
        for model in filled:
            for index in model._meta.indexes:
                editor.remove_index(model, index)
    yield
    with connection.schema_editor(atomic=False) as editor:
        for model in filled:
            for index in model._meta.indexes:
                editor.add_index(model, index)


def _variant(index: int, *, hub: int, variants: int) -> dict[str, Any]:
    lossless = index % 3 != 0
    same = 0 <= _copies_from(variants) - index < 3 * GROUPS and index % 3 == 2  # the samples of its neighbour
    return {
        "id": index + 1,
        "payload_format": "flac" if lossless else "mp3",
        "payload_root": _digest("v", index),
        "payload_bytes": 30_000_000 + index,
        "leaf_hashes": _digest("l", index) * 4,
        "recording_mbid": hub_recording() if index < hub else recording(index),
        "recording_source": "fingerprint",
        "pcm_md5": _digest("m", index - same)[:16] if lossless else None,
        "verified": index % 10 != 0,
        "profile": "flac-16-44100-2" if lossless else "mp3-cbr-320-44100-2",
        "codec": "flac" if lossless else "mp3",
        "lossless": lossless,
        "container": "flac" if lossless else "mp3",
        "rate_hz": 44_100,
        "channels": 2,
        "bitrate_kbps": 900 if lossless else 320,
        "duration_ms": 180_000 + index % 100_000,
        "fingerprint": _digest("f", index) * 8,
        "transcode_suspect": index % 40 == 0,
        "transcode_verdict": "mp3_origin" if index % 40 == 0 else "no_evidence",
        "quality_score": 0.3 if index % 40 == 0 else 0.9 if lossless else 0.7,
        "quality_version": 1,
        "analyser_version": 1,
        "analysed_at": NOW,
        "created_at": NOW,
    }


def _evidence(index: int) -> dict[str, Any]:
    return {
        "variant_id": index + 1,
        "verdicts": {"transcode": {"score": 1.5, "evidence": {"bar": 8.0, "family": "mp3"}}},
        "curves": {
            "spectrum": {"step_hz": 86.1, "levels_db": [-20.0 - (at * 7 + index) % 60 for at in range(256)]},
            "transcode": {"notch_offset": list(range(96)), "notch_depth": [(at * index) % 11 for at in range(96)]},
        },
        "terms": {},
    }


def _trash(index: int, root: int) -> dict[str, Any]:
    path = f"{artist(index)}/{album(index)}/{index % TRACKS + 1:02} Song {index:07}.flac"
    gone = index % 10 == 0
    return {
        "id": _trash_id(index),
        "root_id": root,
        "rel_path": path.encode(),
        "display": path,
        "state": "purged" if gone else "trashed",
        "reason": "duplicate",
        "place": "root",
        "size_bytes": 30_000_000 + index,
        "sha256": _digest("s", index),
        "file_id": index + 1,
        "variant_id": index + 1,
        "file_facts": {"title": f"Song {index:07}", "artist": artist(index), "album": album(index)},
        "trashed_at": NOW + timedelta(seconds=index),
        "purged_at": NOW + timedelta(seconds=index) if gone else None,
        "created_at": NOW + timedelta(seconds=index),
        "updated_at": NOW + timedelta(seconds=index),
    }


def _trash_id(index: int) -> uuid.UUID:
    """Ascending, as ids that are made one after another are."""
    return uuid.UUID(int=(0x0190 << 112) + (7 << 76) + (2 << 62) + index)


def _file(index: int, root: int, *, variants: int) -> dict[str, Any]:
    shown = path = f"{artist(index)}/{album(index)}/{index % TRACKS + 1:02} Song {index:07}.flac"
    away = trashed(index, variants=variants)
    if away:
        path = f"{FOLDER}/{_trash_id(index)}/{path.rpartition('/')[2]}"
    missing = away or index % MISSING_EVERY == 0
    return {
        "id": index + 1,
        "root_id": root,
        "rel_path": path.encode(),
        "rel_path_hash": _digest("p", index),
        "display": shown,
        "size_bytes": 30_000_000 + index,
        "mtime_ns": index,
        "variant_id": variant_of(index, variants=variants),
        "missing_since": NOW + timedelta(seconds=index) if missing else None,
        "folder_hash": _digest("d", index // TRACKS),
        "read_at": NOW,
        "tags": {"title": f"Song {index:07}", "artist": artist(index), "album": album(index)},
        "sort_key": f"{artist(index)}\x1f{album(index)}\x1f001\x1f{index % TRACKS + 1:04}".casefold(),
        "release_mbid": release(index),
        "medium_position": 1,
        "track_position": index % TRACKS + 1,
        "title": f"Song {index:07}",
        "artist": artist(index),
        "album": album(index),
        "added_at": NOW + timedelta(seconds=index),
    }


def _identification(index: int) -> dict[str, Any]:
    doubt = index % DOUBT_EVERY == 0
    return {
        "variant_id": index + 1,
        "state": "ambiguous" if doubt else "decided",
        "recording_mbid": None if doubt else recording(index),
        "confidence": 0.5 if doubt else 0.97,
        "candidates": [_candidate(index + at) for at in range(5)] if doubt else [],
        "version": 1,
        "decided_at": NOW,
        "updated_at": NOW,
    }


def _candidate(index: int) -> dict[str, Any]:
    """Of a question."""
    names = ("fingerprint", "duration", "title", "artist", "companions")
    return {
        "recording": str(_mbid(1, index)),
        "title": f"Song {index:07}",
        "artist": artist(index),
        "album": album(index),
        "length_ms": 200_000,
        "share": 0.2,
        "points": 1.0,
        "evidence": [{"name": name, "points": 0.5, "params": {"score": 0.9}} for name in names],
    }


def _recording(index: int) -> dict[str, Any]:
    return {"mbid": _mbid(1, index), "title": f"Song {index:07}", "artist_credit": artist(index), "length_ms": 200_000}


def _release(index: int) -> dict[str, Any]:
    return {"mbid": release(index), "title": album(index), "artist_credit": artist(index), "fetched_at": NOW}


def _folder(index: int, root: int) -> dict[str, Any]:
    path = f"{artist(index)}/{album(index)}"
    states = ("matched", "matched", "matched", "ambiguous", "unmatched")
    return {
        "root_id": root,
        "folder": path.encode(),
        "folder_hash": _digest("d", index // TRACKS),
        "display": path,
        "state": states[index // TRACKS % len(states)],
        "release_mbid": release(index),
        "distance": 0.05,
        "explanation": {
            "v": 1,
            "distance": 0.05,
            "release": {"mbid": str(release(index)), "title": album(index)},
            "pairs": [],
            "notes": "x" * 1500,
        },
        "files": TRACKS,
        "version": 1,
        "updated_at": NOW,
    }


def _words() -> None:
    folders = FolderMatch.objects.order_by("id").values_list("id", "display")
    rows = ({"folder_id": key, "word": word} for key, display in list(folders) for word in words_of(display))
    _copy(FolderWord, rows)


def _stats(index: int) -> dict[str, Any]:
    return {
        "recording_mbid": _mbid(1, index),
        "profile": "flac-16-44100-2",
        "codec": "flac",
        "lossless": True,
        "variants": 1,
        "scored": 1,
        "mean_score": 0.9,
        "best_id": index + 1,
        "best_score": 0.9,
        "updated_at": NOW,
    }


def _track_stats(index: int) -> dict[str, Any]:
    return {
        "release_mbid": release(index),
        "medium_position": 1,
        "track_position": index % TRACKS + 1,
        "recording_mbid": recording(index),
        "variants": 1,
        "scored": 1,
        "mean_score": 0.9,
        "codecs": {"flac": 1},
        "best_id": index + 1,
        "best_score": 0.9,
        "updated_at": NOW,
    }


def _severity(number: int) -> IssueSeverity:
    """The worst are few."""
    at = number // 8 % 100
    if at == 0:
        return IssueSeverity.CRITICAL
    return IssueSeverity.HIGH if at < 20 else IssueSeverity.MEDIUM if at < 60 else IssueSeverity.LOW


def _state(number: int) -> IssueState:
    """Most are open; hardly any fix failed."""
    if number % 997 == 0:
        return IssueState.FAILED
    others = (IssueState.ACKNOWLEDGED, IssueState.IGNORED, IssueState.RESOLVED, IssueState.FIXING)
    at = number // 3 % 10
    return others[at] if at < len(others) else IssueState.DETECTED


def _issues(count: int, variants: int) -> None:
    types = list(IssueType)
    counts: Counter[tuple[str, str, str]] = Counter()
    tallies: dict[tuple[str, str], list[Any]] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(count):
            index = number * variants // count
            kind, severity, state = types[number % 8], _severity(number), _state(number)
            is_open = state in OPEN_STATES
            counts[kind.value, severity.value, state.value] += 1
            for key, label in (
                (("artist", artist(index)), artist(index)),
                (("release", str(release(index))), album(index)),
            ):
                if is_open:
                    tally = tallies.setdefault(key, [label, 0, 0])
                    tally[1] += 1
                    tally[2] += SEVERITY_RANK[severity]
            at = NOW - timedelta(minutes=count - number)
            yield {
                "id": number + 1,
                "type": kind.value,
                "severity": severity.value,
                "rank": SEVERITY_RANK[severity],
                "state": state.value,
                "open": is_open,
                "subject": _digest("i", number),
                "file_id": index + 1,
                "variant_id": index + 1,
                "release_mbid": release(index),
                "recording_mbid": recording(index),
                "artist": artist(index),
                "album": album(index),
                "title": f"Song {index:07}",
                "path": f"{artist(index)}/{album(index)}/{index:07}.flac",
                "code": CODES[kind],
                "params": {"score": 1.5},
                "detected_at": at,
                "seen_at": NOW,
                "changed_at": at,
                "updated_at": at,
                "resolved_at": at if state is IssueState.RESOLVED else None,
            }

    _copy(LibraryIssue, rows())
    names = (
        (number + 1, words_of(f"{artist(index)} {album(index)}"))
        for number in range(count)
        for index in (number * variants // count,)
    )
    _copy(IssueWord, ({"issue_id": key, "word": word} for key, words in names for word in words))
    IssueCount.objects.bulk_create(
        IssueCount(type=key[0], severity=key[1], state=key[2], count=number) for key, number in counts.items()
    )
    _copy(
        IssueTally,
        (
            {"kind": kind, "key": key, "label": label, "open": opened, "weight": weight}
            for (kind, key), (label, opened, weight) in tallies.items()
        ),
    )
    IssueDay.objects.bulk_create(
        IssueDay(day=(NOW - timedelta(days=day)).date(), type=kind.value, detected=day, resolved=1, open_at_end=100)
        for day in range(60)
        for kind in types
    )


def fixes() -> None:
    """Of every fortieth issue an attempt to mend it, ended one way or the other; counted, so that the planner knows there are some."""
    issues = LibraryIssue.objects.order_by("id").values_list("id", flat=True)
    Remediation.objects.bulk_create(
        (
            Remediation(
                id=uuid.uuid5(uuid.NAMESPACE_OID, f"fix {issue}"),
                issue_id=issue,
                action=RemedyAction.BETTER_VARIANT,
                state=RemedyState.FAILED if number % 10 == 0 else RemedyState.DONE,
                ended_at=NOW,
            )
            for number, issue in enumerate(issues[::FIX_EVERY])
        ),
        batch_size=1000,
    )


def _copy(model: type[models.Model], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows by column name; what they leave out has the model's default."""
    first = next(iter(rows := iter(rows)), None)
    if first is None:
        return
    table = model._meta.db_table
    columns: list[Any] = [
        field
        for field in model._meta.concrete_fields
        if field.column in first or not isinstance(field, field_types.AutoField | field_types.BigAutoField)
    ]
    defaults = {field.column: _ready(field, field.get_default()) for field in columns}

    def values(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(
            _ready(field, row[field.column]) if field.column in row else defaults[field.column] for field in columns
        )

    names = ", ".join(f'"{field.column}"' for field in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as sink:
                sink.write_row(values(first))
                for row in rows:
                    sink.write_row(values(row))
            if first.get("id") is not None and isinstance(first["id"], int):
                cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM \"{table}\"))"  # noqa: S608
                )
            return
        places = ", ".join(["%s"] * len(columns))
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({places})'  # noqa: S608
        part = [values(first)]
        for row in rows:
            part.append(values(row))
            if len(part) == 5000:
                cursor.executemany(statement, part)
                part.clear()
        if part:
            cursor.executemany(statement, part)


def _ready(field: Any, value: Any) -> Any:  # a model's field and its value
    if isinstance(field, models.JSONField):
        return json.dumps(value)
    if connection.vendor == "postgresql":
        return value
    return field.get_db_prep_save(value, connection)


def settle() -> None:
    """What happens in the background of a library: the planner gets to know the tables (Postgres' autovacuum), figures and keys are counted."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    quality_measure(now=NOW)


def _mbid(kind: int, index: int) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.blake2b(b"%d:%d" % (kind, index), digest_size=16).digest())


def _digest(kind: str, index: int) -> bytes:
    return hashlib.blake2b(b"%s:%d" % (kind.encode(), index), digest_size=32).digest()
