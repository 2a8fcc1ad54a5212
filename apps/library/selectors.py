"""Reads of the library: what a node serves, what a fingerprint is compared with, what a scan may skip."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Count, Q, Sum

from apps.library.models import AudioFile, AudioVariant, LibraryRoot
from apps.library.services import FileStat, inode_signed

MAX_SERVED = 2000
"""Variants told in one answer; a release has at most a few hundred tracks, each in a few encodings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVariant:
    """One payload that this machine can give, as it may be told to peers: no path, no file name."""

    recording_mbid: uuid.UUID
    recording_source: str
    release_mbids: tuple[uuid.UUID, ...]
    """Releases under which the files of this payload are filed."""
    payload_format: str
    payload_root: bytes
    payload_bytes: int
    leaf_bytes: int
    profile: str
    container: str
    duration_ms: int
    bits: int
    pcm_md5: bytes | None
    fingerprint: bytes
    """Chromaprint, compressed; b"" if none."""
    verified: bool
    quality_score: float | None
    transcode_suspect: bool | None
    title: str
    artist: str
    album: str
    medium: int | None
    track: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFile:
    """One file on disk that holds a payload. Serve only if size and mtime still agree."""

    file_id: int
    path: Path
    payload_offset: int
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantBlob:
    """Everything a seeder needs for one payload."""

    payload_format: str
    payload_root: bytes
    payload_bytes: int
    leaf_bytes: int
    leaf_hashes: bytes
    """32 bytes a leaf."""
    preamble: bytes
    rate_hz: int
    channels: int
    bits: int
    """What the root binds: 0 where the format binds nothing."""
    profile: str
    recording_mbid: uuid.UUID | None
    files: tuple[BlobFile, ...]
    """Never empty; the first is the one to try first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootView:
    """A library root and how much it holds."""

    id: int
    path: str
    writable: bool
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


def variants_served(
    *, release_mbids: Collection[uuid.UUID] = (), recording_mbids: Collection[uuid.UUID] = ()
) -> tuple[ServedVariant, ...]:
    """Payloads of these recordings, and those filed under these releases, that have a file on disk. Two queries, at most MAX_SERVED.

    Best first within a recording: lossless, then bits and bit rate.
    """
    if not release_mbids and not recording_mbids:
        return ()
    wanted = Q(recording_mbid__in=list(recording_mbids)) | Q(files__release_mbid__in=list(release_mbids))
    rows = (
        AudioVariant.objects.filter(
            wanted, recording_mbid__isnull=False, files__id__isnull=False, files__missing_since=None
        )
        .defer("leaf_hashes", "preamble")
        .distinct()
        .prefetch_related("files")
        .order_by("recording_mbid", "-bits", "-bitrate_kbps", "id")[:MAX_SERVED]
    )
    return tuple(_served(row) for row in rows)


def variant_blob(payload_format: str, *, payload_root: bytes) -> VariantBlob | None:
    """Where a payload lies on disk, with its leaves; None if no file here holds it."""
    variant = AudioVariant.objects.filter(payload_format=payload_format, payload_root=payload_root).first()
    if variant is None:
        return None
    files = variant.files.filter(missing_since=None).select_related("root").order_by("-root__writable", "id")
    found = tuple(_blob_file(file) for file in files[:8])
    if not found:
        return None
    whole = variant.payload_format == "file"
    return VariantBlob(
        payload_format=variant.payload_format,
        payload_root=bytes(variant.payload_root),
        payload_bytes=variant.payload_bytes,
        leaf_bytes=variant.leaf_bytes,
        leaf_hashes=bytes(variant.leaf_hashes),
        preamble=bytes(variant.preamble),
        rate_hz=0 if whole else variant.rate_hz,
        channels=0 if whole else variant.channels,
        bits=variant.bits if variant.payload_format == "flac" else 0,
        profile=variant.profile,
        recording_mbid=variant.recording_mbid,
        files=found,
    )


def verified_fingerprints(recording_mbid: uuid.UUID, *, limit: int = 20) -> tuple[bytes, ...]:
    """Compressed fingerprints of payloads here that were confirmed to be this recording."""
    rows = AudioVariant.objects.filter(recording_mbid=recording_mbid, verified=True).exclude(fingerprint=b"")
    return tuple(bytes(one) for one in rows.order_by("id").values_list("fingerprint", flat=True)[:limit])


def releases_held() -> tuple[uuid.UUID, ...]:
    """Every release of which a file is here."""
    rows = AudioFile.objects.filter(missing_since=None, release_mbid__isnull=False)
    return tuple(one for one in rows.order_by().values_list("release_mbid", flat=True).distinct() if one is not None)


def root_containing(path: Path) -> tuple[int, Path] | None:
    """(id, path) of the innermost library root that `path` is or lies in."""
    for row in sorted(LibraryRoot.objects.all(), key=lambda row: -len(row.path)):
        if path == Path(row.path) or Path(row.path) in path.parents:
            return row.id, Path(row.path)
    return None


def known_stats(root_id: int, *, relative: Collection[bytes]) -> dict[bytes, FileStat]:
    """Relative path → what it was like when it was read, for the files of a root that are known. At most 500 paths."""
    hashes = {hashlib.sha256(one).digest(): one for one in relative}
    rows = AudioFile.objects.filter(root_id=root_id, rel_path_hash__in=list(hashes), missing_since=None)
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
    """All roots with their counts, in one query."""
    rows = LibraryRoot.objects.annotate(
        present=Count("files", filter=Q(files__missing_since=None)),
        gone=Count("files", filter=Q(files__missing_since__isnull=False)),
        held=Sum("files__size_bytes", filter=Q(files__missing_since=None)),
    ).order_by("path")
    return tuple(
        RootView(
            id=row.id,
            path=row.path,
            writable=row.writable,
            files=row.present,
            missing=row.gone,
            size_bytes=row.held or 0,
        )
        for row in rows
    )


def file_list(
    *,
    release_mbid: uuid.UUID | None = None,
    recording_mbid: uuid.UUID | None = None,
    after_id: int = 0,
    limit: int = 200,
) -> tuple[FileView, ...]:
    """Files by id, `limit` (1..1000) at a time; the next page begins after the last id. One query."""
    rows = AudioFile.objects.filter(id__gt=after_id).select_related("variant", "root").defer("variant__leaf_hashes")
    if release_mbid is not None:
        rows = rows.filter(release_mbid=release_mbid)
    if recording_mbid is not None:
        rows = rows.filter(variant__recording_mbid=recording_mbid)
    return tuple(_file_view(row) for row in rows.order_by("id")[: max(1, min(limit, 1000))])


def _served(row: AudioVariant) -> ServedVariant:
    assert row.recording_mbid is not None
    files = sorted((one for one in row.files.all() if one.missing_since is None), key=lambda one: one.id)
    first = next((one for one in files if one.release_mbid), files[0])
    releases = dict.fromkeys(one.release_mbid for one in files if one.release_mbid)
    return ServedVariant(
        recording_mbid=row.recording_mbid,
        recording_source=row.recording_source,
        release_mbids=tuple(releases),
        payload_format=row.payload_format,
        payload_root=bytes(row.payload_root),
        payload_bytes=row.payload_bytes,
        leaf_bytes=row.leaf_bytes,
        profile=row.profile,
        container=row.container,
        duration_ms=row.duration_ms,
        bits=row.bits,
        pcm_md5=bytes(row.pcm_md5) if row.pcm_md5 is not None else None,
        fingerprint=bytes(row.fingerprint),
        verified=row.verified,
        quality_score=row.quality_score,
        transcode_suspect=row.transcode_suspect,
        title=first.title,
        artist=first.artist,
        album=first.album,
        medium=first.medium_position,
        track=first.track_position,
    )


def _blob_file(row: AudioFile) -> BlobFile:
    return BlobFile(
        file_id=row.id,
        path=Path(row.root.path) / os.fsdecode(bytes(row.rel_path)),
        payload_offset=row.payload_offset,
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
    )


def _file_view(row: AudioFile) -> FileView:
    return FileView(
        id=row.id,
        root=row.root.path,
        path=row.display,
        recording_mbid=row.variant.recording_mbid,
        release_mbid=row.release_mbid,
        profile=row.variant.profile,
        payload_root=bytes(row.variant.payload_root).hex(),
        size_bytes=row.size_bytes,
        duration_ms=row.variant.duration_ms,
        verified=row.variant.verified,
        missing=row.missing_since is not None,
        title=row.title,
        artist=row.artist,
        album=row.album,
    )
