"""The only writer of the library's rows: roots, files, variants. The files themselves are the workers' business."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.db import transaction
from django.db.models.functions import Now

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import DomainError
from apps.domain.library.paths import PathKey
from apps.library.models import AudioFile, AudioVariant, LibraryRoot

RecordingSource = Literal["tag", "person", "job", "fingerprint"]
_TRUST: dict[str, int] = {"tag": 0, "person": 1, "job": 2, "fingerprint": 3}
"""Whose word on which recording a payload is wins; a verified one is only replaced by another verified one."""


class LibraryRootInvalid(DomainError):
    """A folder that can't be a library root."""

    default_code = "library_root_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStat:
    """What tells cheaply that a file has not changed."""

    size_bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """Where a file stands in its release; texts are shown, never used in paths."""

    release_mbid: uuid.UUID | None = None
    medium: int | None = None
    track: int | None = None
    title: str = ""
    artist: str = ""
    album: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecorded:
    """Ids of the rows a file has now."""

    file_id: int
    variant_id: int
    new_file: bool
    new_variant: bool


def root_record(path: Path, *, writable: bool = False) -> int:
    """Id of the library root at `path` (absolute), made if new. `writable` is only ever switched on. Raises LibraryRootInvalid."""
    try:
        text = os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise LibraryRootInvalid("A library folder needs a path that is valid UTF-8.") from error
    if not path.is_absolute() or len(text) > 4000 or "\0" in text:
        raise LibraryRootInvalid("A library folder needs an absolute path of at most 4000 characters.")
    row, _ = LibraryRoot.objects.get_or_create(path=text, defaults={"writable": writable})
    if writable and not row.writable:
        LibraryRoot.objects.filter(id=row.id).update(writable=True)
    return row.id


def file_record(
    key: PathKey,
    *,
    stat: FileStat,
    facts: VariantFacts,
    leaf_hashes: bytes,
    fingerprint: bytes,
    recording_mbid: uuid.UUID | None,
    recording_source: RecordingSource,
    verified: bool,
    place: FilePlace,
    leaf_bytes: int = LEAF_BYTES,
) -> FileRecorded:
    """Write what is known of one file: its payload (shared by retagged twins) and itself. Repeating it changes nothing.

    `fingerprint`: Chromaprint's compressed text, b"" if none was made. `verified`: a fingerprint confirmed the recording.
    """
    with transaction.atomic():
        variant, new_variant = AudioVariant.objects.get_or_create(
            payload_format=facts.payload_format.value,
            payload_root=facts.payload_root,
            defaults={
                "payload_bytes": facts.payload_bytes,
                "leaf_bytes": leaf_bytes,
                "leaf_hashes": leaf_hashes,
                "preamble": facts.preamble,
                "recording_mbid": recording_mbid,
                "recording_source": recording_source,
                "verified": verified and recording_mbid is not None,
                "profile": str(facts.profile),
                "container": facts.container[:12],
                "rate_hz": facts.profile.rate,
                "channels": facts.profile.channels,
                "bits": facts.bits,
                "bitrate_kbps": facts.bitrate_bps // 1000,
                "total_samples": facts.total_samples,
                "duration_ms": facts.duration_ms,
                "min_block_size": facts.min_block,
                "max_block_size": facts.max_block,
                "vendor": "".join(one for one in facts.vendor if one.isprintable())[:200],
                "pcm_md5": facts.pcm_md5,
                "fingerprint": fingerprint,
            },
        )
        if not new_variant:
            _variant_refine(variant, fingerprint, recording_mbid, recording_source, verified=verified)
        file, new_file = AudioFile.objects.update_or_create(
            root_id=key.root_id,
            rel_path_hash=hashlib.sha256(key.relative).digest(),
            defaults={
                "rel_path": key.relative,
                "display": key.display[:4000],
                "size_bytes": stat.size_bytes,
                "mtime_ns": stat.mtime_ns,
                "inode": inode_signed(stat.inode),
                "payload_offset": facts.payload_offset,
                "variant": variant,
                "release_mbid": place.release_mbid,
                "medium_position": place.medium,
                "track_position": place.track,
                "title": _shown(place.title),
                "artist": _shown(place.artist),
                "album": _shown(place.album),
                "missing_since": None,
            },
        )
    return FileRecorded(file_id=file.id, variant_id=variant.id, new_file=new_file, new_variant=new_variant)


def files_missing(root_id: int, *, rel_path_hashes: Collection[bytes]) -> int:
    """Note that these files are gone from disk since now; returns how many were not known to be."""
    changed = 0
    hashes = list(rel_path_hashes)
    for start in range(0, len(hashes), 500):
        rows = AudioFile.objects.filter(
            root_id=root_id, rel_path_hash__in=hashes[start : start + 500], missing_since=None
        )
        changed += rows.update(missing_since=Now())
    return changed


def variant_identified(variant_id: int, *, recording_mbid: uuid.UUID | None, fingerprint: bytes) -> None:
    """A fingerprint tells which recording a payload is; None: another than was thought, nobody knows which (it is no longer offered)."""
    AudioVariant.objects.filter(id=variant_id).update(
        recording_mbid=recording_mbid,
        recording_source="fingerprint",
        verified=recording_mbid is not None,
        fingerprint=fingerprint,
    )


def _variant_refine(
    variant: AudioVariant,
    fingerprint: bytes,
    recording_mbid: uuid.UUID | None,
    source: RecordingSource,
    *,
    verified: bool,
) -> None:
    changes: dict[str, object] = {}
    if fingerprint and not bytes(variant.fingerprint):
        changes["fingerprint"] = fingerprint
    if recording_mbid is not None:
        trusted = (verified, _TRUST[source]) >= (variant.verified, _TRUST.get(variant.recording_source, 0))
        if variant.recording_mbid is None or trusted:
            changes |= {"recording_mbid": recording_mbid, "recording_source": source, "verified": verified}
    if changes:
        AudioVariant.objects.filter(id=variant.id).update(**changes)


def _shown(text: str) -> str:
    return "".join(one for one in text if one.isprintable())[:1000]


def inode_signed(inode: int) -> int:
    """Inodes are unsigned 64-bit (network filesystems use all of it), the column is signed."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode
