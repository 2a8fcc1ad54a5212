"""Reads of scans: lists and progress for people, and what a walking worker compares paths with, in bulk."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.domain.library.paths import display_text
from apps.domain.library.scans import (
    SCAN_AT_WORK,
    SCAN_LIVE,
    ReadState,
    ScanCounts,
    ScanProgress,
    ScanState,
    progress,
)
from apps.library.models import AudioFile, LibraryRoot, LibraryScan

SCAN_ORDER = ("-created_at", "-id")
SAMPLED = 64
"""Known files that are looked for where a root's marker says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRow:
    """A root as a worker needs it."""

    id: int
    path: Path
    writable: bool
    marker: str
    mounts: frozenset[bytes] = frozenset()
    """Folders of it below which another disk was seen to be mounted."""

    @classmethod
    def of(cls, row: LibraryRoot) -> RootRow:
        """From its row."""
        return cls(
            id=row.id, path=Path(row.path), writable=row.writable, marker=row.marker, mounts=_mounts_of(row.mounts)
        )

    @property
    def raw(self) -> bytes:
        """Its path as bytes."""
        return os.fsencode(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanView:
    """A scan for lists, API and terminal."""

    id: uuid.UUID
    root: str
    below: str
    state: ScanState
    code: str
    params: Mapping[str, object]
    origin: str
    seen: int
    unchanged: int
    added: int
    changed: int
    missing: int
    refused: int
    read: int
    unreadable: int
    bytes_seen: int
    bytes_read: int
    troubles: Mapping[str, object]
    created_at: datetime
    walked_at: datetime | None
    ended_at: datetime | None
    next_step_at: datetime | None
    progress: ScanProgress

    @property
    def live(self) -> bool:
        """It has not ended."""
        return self.state in SCAN_LIVE

    @property
    def waits(self) -> bool:
        """A stalled one that is tried again later."""
        return bool(self.code) and self.state in SCAN_AT_WORK


@dataclass(frozen=True, slots=True)
class Known:
    """What a row says of the file at a path."""

    id: int
    size_bytes: int
    mtime_ns: int
    inode: int
    missing: bool
    state: str
    code: str


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A row whose file is asked for by its own path."""

    id: int
    path: bytes


def scan_view(scan_id: uuid.UUID) -> ScanView | None:
    """One scan."""
    row = LibraryScan.objects.select_related("root").filter(id=scan_id).first()
    return views_of([row])[0] if row is not None else None


def scan_query(*, root_id: int | None = None, live: bool | None = None) -> QuerySet[LibraryScan]:
    """Scans for a page, newest first by SCAN_ORDER."""
    rows = LibraryScan.objects.select_related("root")
    if root_id is not None:
        rows = rows.filter(root_id=root_id)
    if live is not None:
        rows = rows.filter(state__in=sorted(SCAN_LIVE)) if live else rows.exclude(state__in=sorted(SCAN_LIVE))
    return rows


def views_of(rows: Sequence[LibraryScan]) -> list[ScanView]:
    """Values with progress; at most one query more."""
    now, expected = timezone.now(), _expected(rows)
    return [_view(row, expected=expected.get((row.root_id, bytes(row.below))), now=now) for row in rows]


def scans_live() -> list[ScanView]:
    """Scans that have not ended, oldest first."""
    return views_of(list(scan_query(live=True).order_by("created_at", "id")))


def scans_waiting() -> list[tuple[uuid.UUID, int]]:
    """(id, attempt) of scans that are due to be walked and in nobody's hands."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    states = [ScanState.QUEUED, ScanState.WALKING]
    rows = LibraryScan.objects.filter(free, state__in=states, next_step_at__lte=Now())
    return list(rows.values_list("id", "attempt")[:100])


def roots_due(*, interval_hours: int) -> list[int]:
    """Scanned roots whose last complete walk, and last attempt at one, are that long ago, and that have no live scan; 0 hours: none."""
    if not interval_hours:
        return []
    since = Now() - timedelta(hours=interval_hours)
    recent = LibraryScan.objects.filter(Q(state__in=sorted(SCAN_LIVE)) | Q(created_at__gt=since, below=b""))
    rows = LibraryRoot.objects.filter(scanned=True).exclude(id__in=recent.values("root_id"))
    return list(rows.order_by("id").values_list("id", flat=True))


def roots_inside(root: RootRow) -> list[bytes]:
    """Relative paths of other roots that lie in this one: they are walked as themselves."""
    others = (Path(path) for path in LibraryRoot.objects.exclude(id=root.id).values_list("path", flat=True))
    return [os.fsencode(one.relative_to(root.path)) for one in others if root.path in one.parents]


def known_files(root_id: int, *, paths: Sequence[bytes]) -> dict[bytes, Known]:
    """Path → what its row says. One query for a batch; SHA-256 costs 0.7 µs a path (measured), less than carrying paths both ways."""
    hashes = {hashlib.sha256(path).digest(): path for path in paths}
    rows = AudioFile.objects.filter(root_id=root_id, rel_path_hash__in=list(hashes)).values_list(
        "rel_path_hash", "id", "size_bytes", "mtime_ns", "inode", "missing_since", "read_state", "read_code"
    )
    return {
        hashes[bytes(digest)]: Known(key, size, mtime, inode, missing is not None, state, code)
        for digest, key, size, mtime, inode, missing, state, code in rows
    }


def known_by_inode(root_id: int, *, inodes: Collection[int]) -> dict[int, list[tuple[Known, bytes]]]:
    """Inode (signed) → rows that have it, with their paths; one query."""
    rows = AudioFile.objects.filter(root_id=root_id, inode__in=sorted(inodes)).values_list(
        "id", "size_bytes", "mtime_ns", "inode", "missing_since", "read_state", "read_code", "rel_path"
    )
    found: dict[int, list[tuple[Known, bytes]]] = {}
    for key, size, mtime, inode, missing, state, code, path in rows:
        known = Known(key, size, mtime, inode, missing is not None, state, code)
        found.setdefault(inode, []).append((known, bytes(path)))
    return found


def root_mounts(root_id: int) -> frozenset[bytes]:
    """Folders of a root below which another disk was seen to be mounted."""
    row = LibraryRoot.objects.filter(id=root_id).values_list("mounts", flat=True).first()
    return _mounts_of(row) if row is not None else frozenset()


def _mounts_of(stored: Sequence[str]) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(one) for one in stored)


def present_count(root_id: int, *, below: bytes) -> int:
    """Rows of a root, or of a folder of it, whose files are not known to be missing."""
    return _present(root_id, below).count()


def present_rows(root_id: int, *, below: bytes, after_id: int, limit: int) -> list[Unconfirmed]:
    """Such rows by id, a batch of them."""
    rows = _present(root_id, below).filter(id__gt=after_id).order_by("id").values_list("id", "rel_path")
    return [Unconfirmed(key, bytes(path)) for key, path in rows[:limit]]


def sample_paths(root_id: int) -> list[bytes]:
    """Paths of some known files: the oldest and the newest rows."""
    rows = _present(root_id, b"").values_list("rel_path", flat=True)
    half = SAMPLED // 2
    return [bytes(path) for path in [*rows.order_by("id")[:half], *rows.order_by("-id")[:half]]]


def pending_below(root_id: int, below: bytes) -> bool:
    """A file of the root (or of the folder) waits to be read."""
    rows = AudioFile.objects.filter(root_id=root_id, read_state=ReadState.PENDING, missing_since=None)
    return _below(rows, below).exists()


def _present(root_id: int, below: bytes) -> QuerySet[AudioFile]:
    return _below(AudioFile.objects.filter(root_id=root_id, missing_since=None), below)


def _below(rows: QuerySet[AudioFile], below: bytes) -> QuerySet[AudioFile]:
    # "0" is the byte behind "/".
    return rows.filter(rel_path__gt=below + b"/", rel_path__lt=below + b"0") if below else rows


def _expected(rows: Sequence[LibraryScan]) -> dict[tuple[int, bytes], int]:
    """(root, folder) → what the last complete scan of it saw."""
    walking = {row.root_id for row in rows if row.state in SCAN_LIVE and not row.walked_at}
    if not walking:
        return {}
    done = LibraryScan.objects.filter(root_id__in=walking, state=ScanState.COMPLETED).order_by("created_at", "id")
    return {(root, bytes(below)): seen for root, below, seen in done.values_list("root_id", "below", "seen")}


def _view(row: LibraryScan, *, expected: int | None, now: datetime) -> ScanView:
    state = ScanState(row.state)
    counts = ScanCounts(
        state=state,
        seen=row.seen,
        expected=expected,
        to_read=row.added + row.changed,
        read=row.read,
        bytes_read=row.bytes_read,
        window_s=(now - row.window_at).total_seconds() if row.window_at else 0.0,
        window_seen=row.seen - row.window_seen,
        window_read=row.read - row.window_read,
        window_bytes=row.bytes_read - row.window_bytes,
    )
    return ScanView(
        id=row.id,
        root=row.root.path,
        below=display_text(bytes(row.below)),
        state=state,
        code=row.code,
        params=row.params,
        origin=row.origin,
        seen=row.seen,
        unchanged=row.unchanged,
        added=row.added,
        changed=row.changed,
        missing=row.missing,
        refused=row.refused,
        read=row.read,
        unreadable=row.unreadable,
        bytes_seen=row.bytes_seen,
        bytes_read=row.bytes_read,
        troubles=row.troubles,
        created_at=row.created_at,
        walked_at=row.walked_at,
        ended_at=row.ended_at,
        next_step_at=row.next_step_at,
        progress=progress(counts),
    )
