"""Reads of the library: what a fingerprint is compared with, what a scan may skip, lists for the command line.

What the node serves is in `node_selectors`, the lists of the pages in `selectors_list`.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db.models import Count, Q, Sum

from apps.domain.audio.profile import ProfileError, parse_profile
from apps.domain.audio.quality import profile_quality
from apps.library.models import AudioFile, AudioVariant, LibraryMeasure, LibraryRoot
from apps.library.selectors_list import IN_TRASH
from apps.library.services import FileStat, inode_signed

ROOTS: Final = "roots"
"""The measure that keeps what roots hold."""
COUNTED_AT_ONCE: Final = 50_000
"""Files that are counted for whoever asks: tens of milliseconds. Of more, the figures that were counted last are told."""


@dataclass(frozen=True, slots=True)
class RootHolds:
    """Files that are there, files that are gone (without what is in the trash), and bytes of those that are there."""

    files: int
    missing: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RootView:
    """A library root and how much it holds."""

    id: int
    path: str
    writable: bool
    scanned: bool
    state_code: str
    """Why it can't be read now."""
    last_scan_at: datetime | None
    """End of the last complete one."""
    files: int
    missing: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One file for a list."""

    id: int
    root: str
    path: str
    recording_mbid: uuid.UUID | None
    release_mbid: uuid.UUID | None
    profile: str
    payload_root: str
    """Hex."""
    size_bytes: int
    duration_ms: int
    verified: bool
    missing: bool
    title: str
    artist: str
    album: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSince:
    """A file that came into the library lately. `score`: as measured, else what its profile is worth."""

    file_id: int
    path: str
    """Absolute, harmless to show."""
    payload_root: bytes
    profile: str
    score: float
    suspect: bool
    verified: bool


def placed_since(
    recording_mbid: uuid.UUID, *, release_mbid: uuid.UUID | None, place: tuple[int, int], since: datetime
) -> tuple[PlacedSince, ...]:
    """Present files of a recording that were added after `since`: for the same place (medium, track) of the release, or, without one, any. The best first."""
    rows = AudioFile.objects.filter(
        variant__recording_mbid=recording_mbid, missing_since=None, read_state="read", added_at__gt=since
    )
    if release_mbid is not None:
        rows = rows.filter(release_mbid=release_mbid, medium_position=place[0], track_position=place[1])
    found = []
    for row in (
        rows.select_related("variant", "root").defer("variant__leaf_hashes", "variant__fingerprint").order_by("id")[:20]
    ):
        variant = row.variant
        assert variant is not None  # asked for by its recording
        try:
            worth = profile_quality(parse_profile(variant.profile))
        except ProfileError:
            worth = 0.0
        found.append(
            PlacedSince(
                file_id=row.id,
                path=f"{row.root.path}/{row.display}",
                payload_root=bytes(variant.payload_root),
                profile=variant.profile,
                score=worth if variant.quality_score is None else variant.quality_score,
                suspect=bool(variant.transcode_suspect),
                verified=variant.verified,
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.score, one.file_id)))


def verified_fingerprints(recording_mbid: uuid.UUID, *, limit: int = 20) -> tuple[bytes, ...]:
    """Compressed fingerprints of payloads here that were confirmed to be this recording."""
    rows = AudioVariant.objects.filter(recording_mbid=recording_mbid, verified=True).exclude(fingerprint=b"")
    return tuple(bytes(one) for one in rows.order_by("id").values_list("fingerprint", flat=True)[:limit])


def root_containing(path: Path) -> tuple[int, Path] | None:
    """(id, path) of the innermost library root that `path` is or lies in."""
    for row in sorted(LibraryRoot.objects.all(), key=lambda row: -len(row.path)):
        if path == Path(row.path) or Path(row.path) in path.parents:
            return row.id, Path(row.path)
    return None


def file_at(path: Path) -> int | None:
    """Id of the file that the library knows at an absolute path and does not know to be gone."""
    found = root_containing(path)
    if found is None or path == found[1]:
        return None
    digest = hashlib.sha256(os.fsencode(path.relative_to(found[1]))).digest()
    rows = AudioFile.objects.filter(root_id=found[0], rel_path_hash=digest, missing_since=None)
    return rows.values_list("id", flat=True).first()


def known_stats(root_id: int, *, relative: Collection[bytes]) -> dict[bytes, FileStat]:
    """Relative path → what it was like when it was read, for the files of a root that were. At most 500 paths."""
    hashes = {hashlib.sha256(one).digest(): one for one in relative}
    rows = AudioFile.objects.filter(
        root_id=root_id, rel_path_hash__in=list(hashes), missing_since=None, read_state="read"
    )
    return {
        hashes[bytes(row["rel_path_hash"])]: FileStat(
            size_bytes=row["size_bytes"], mtime_ns=row["mtime_ns"], inode=row["inode"]
        )
        for row in rows.values("rel_path_hash", "size_bytes", "mtime_ns", "inode")
    }


def unchanged(known: FileStat | None, *, now: FileStat) -> bool:
    """True if a file is as it was when it was read."""
    return known is not None and (known.size_bytes, known.mtime_ns, known.inode) == (
        now.size_bytes,
        now.mtime_ns,
        inode_signed(now.inode),
    )


def present_paths(root_id: int, *, below: bytes = b"") -> list[bytes]:
    """Relative paths of a root's files that are not known to be missing; `below`: a folder of it (b"" = all)."""
    rows = AudioFile.objects.filter(root_id=root_id, missing_since=None).values_list("rel_path", flat=True)
    paths = (bytes(one) for one in rows.iterator(chunk_size=2000))
    return [one for one in paths if not below or one.startswith(below + b"/")]


def root_list() -> tuple[RootView, ...]:
    """All roots with how much they hold; in a large library as last counted in the background (`services_measures`). At most three queries."""
    kept = LibraryMeasure.objects.filter(name=ROOTS).values_list("values", flat=True).first() or {}
    known = {int(key): RootHolds(*some) for key, some in kept.get("roots", {}).items()}
    if sum(one.files + one.missing for one in known.values()) <= COUNTED_AT_ONCE:
        known = {}
    rows = list(LibraryRoot.objects.order_by("path"))
    fresh = [row.id for row in rows if row.id not in known]
    if fresh:
        known |= roots_count(fresh)
    nothing = RootHolds(0, 0, 0)
    return tuple(
        RootView(
            id=row.id,
            path=row.path,
            writable=row.writable,
            scanned=row.scanned,
            state_code=row.state_code,
            last_scan_at=row.last_scan_at,
            files=known.get(row.id, nothing).files,
            missing=known.get(row.id, nothing).missing,
            size_bytes=known.get(row.id, nothing).size_bytes,
        )
        for row in rows
    )


def roots_count(root_ids: Collection[int]) -> dict[int, RootHolds]:
    """Root → what its rows say it holds; roots without a row are left out. Reads every row of them: one query."""
    rows = AudioFile.objects.filter(root_id__in=list(root_ids)).exclude(IN_TRASH).order_by().values("root_id")
    counted = rows.annotate(
        present=Count("id", filter=Q(missing_since=None)),
        gone=Count("id", filter=Q(missing_since__isnull=False)),
        held=Sum("size_bytes", filter=Q(missing_since=None)),
    )
    return {row["root_id"]: RootHolds(row["present"], row["gone"], int(row["held"] or 0)) for row in counted}


def file_list(
    *,
    release_mbid: uuid.UUID | None = None,
    recording_mbid: uuid.UUID | None = None,
    after_id: int = 0,
    limit: int = 200,
) -> tuple[FileView, ...]:
    """Files by id, `limit` (1..1000) at a time; the next page begins after the last id. What is in the trash is left out. One query."""
    rows = (
        AudioFile.objects.filter(id__gt=after_id)
        .exclude(IN_TRASH)
        .select_related("variant", "root")
        .defer("variant__leaf_hashes")
    )
    if release_mbid is not None:
        rows = rows.filter(release_mbid=release_mbid)
    if recording_mbid is not None:
        rows = rows.filter(variant__recording_mbid=recording_mbid)
    return tuple(_file_view(row) for row in rows.order_by("id")[: max(1, min(limit, 1000))])


def _file_view(row: AudioFile) -> FileView:
    variant = row.variant  # None: it could not be read yet
    return FileView(
        id=row.id,
        root=row.root.path,
        path=row.display,
        recording_mbid=variant.recording_mbid if variant else None,
        release_mbid=row.release_mbid,
        profile=variant.profile if variant else "",
        payload_root=bytes(variant.payload_root).hex() if variant else "",
        size_bytes=row.size_bytes,
        duration_ms=variant.duration_ms if variant else 0,
        verified=variant is not None and variant.verified,
        missing=row.missing_since is not None,
        title=row.title,
        artist=row.artist,
        album=row.album,
    )
