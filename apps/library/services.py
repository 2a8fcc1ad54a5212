"""The only writer of the library's rows: roots, files, variants. The files themselves are the workers' business."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.domain.audio.fingerprint import FingerprintError
from apps.domain.audio.fingerprint import decode as decode_fingerprint
from apps.domain.audio.fingerprint_index import slice_items
from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.audio.variant import VariantFacts
from apps.domain.errors import DomainError
from apps.domain.library.identity import PERSON
from apps.domain.library.paths import PathKey, display_text
from apps.domain.library.sorting import sort_key
from apps.domain.library.words import words_of
from apps.library.models import (
    AudioFile,
    AudioVariant,
    FingerprintSlice,
    FolderMatch,
    FolderWord,
    Identification,
    LibraryRoot,
)
from apps.library.services_canonical import canonical_mark, files_mark

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
    albumartist: str = ""
    """Only for the order of lists; "" where it is the artist."""


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
    tags: Mapping[str, object] | None = None,
    leaf_bytes: int = LEAF_BYTES,
) -> FileRecorded:
    """Write what is known of one file: its payload (shared by retagged twins) and itself. Repeating it changes nothing.

    `fingerprint`: Chromaprint's compressed text, b"" if none was made. `verified`: a fingerprint confirmed the recording. `recording_mbid` None:
    nobody has said yet what it is. `tags`: what its tags say, JSON-able; None leaves what the row has. The analysis of its sound is written by
    `services_analysis`, in the same transaction where one decode gave both.

    With it go the next stages' rows: an identification of a new variant, the match of its folder, the statistics to be counted again.
    """
    folder = key.relative.rpartition(b"/")[0]
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
                "codec": facts.profile.codec.value,
                "lossless": facts.profile.lossless,
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
        recordings = {variant.recording_mbid}
        if not new_variant:
            recordings.add(_variant_refine(variant, fingerprint, recording_mbid, recording_source, verified=verified))
        fields: dict[str, object] = {
            "rel_path": key.relative,
            "display": key.display[:4000],
            "folder_hash": hashlib.sha256(folder).digest(),
            "size_bytes": stat.size_bytes,
            "mtime_ns": stat.mtime_ns,
            "inode": inode_signed(stat.inode),
            "payload_offset": facts.payload_offset,
            "variant": variant,
            **place_columns(place, shown=key.display),
            "missing_since": None,
            "read_state": "read",
            "read_code": "",
            "read_params": {},
            "read_at": Now(),
            "lease_until": None,
        }
        if tags is not None:
            fields["tags"] = storable(tags)
            version = tags.get("v")
            fields["tags_version"] = version if isinstance(version, int) else 0
        path_hash = hashlib.sha256(key.relative).digest()
        was = AudioFile.objects.filter(root_id=key.root_id, rel_path_hash=path_hash).values_list(*_KNOWN_BY).first()
        file, new_file = AudioFile.objects.update_or_create(
            root_id=key.root_id, rel_path_hash=path_hash, defaults=fields
        )
        fingerprint_slice_write(variant.id, fingerprint)
        is_now = (variant.id, place.release_mbid, None, place.medium, place.track, file.title, file.artist, file.album)
        if was != is_now:
            folder_pending(key.root_id, folder)
            if was is not None and was[0] is not None and was[0] != variant.id:
                recordings.update(AudioVariant.objects.filter(id=was[0]).values_list("recording_mbid", flat=True))
        if was != is_now or len(recordings) > 1:
            canonical_mark(recordings=recordings, releases={place.release_mbid, was[1] if was else None})
    return FileRecorded(file_id=file.id, variant_id=variant.id, new_file=new_file, new_variant=new_variant)


def place_columns(place: FilePlace, *, shown: str) -> dict[str, object]:
    """Columns of an AudioFile that say where it belongs; `shown`: its path, for the order of files without a title."""
    return {
        "release_mbid": place.release_mbid,
        "medium_position": place.medium,
        "track_position": place.track,
        "title": _shown(place.title),
        "artist": _shown(place.artist),
        "album": _shown(place.album),
        "sort_key": sort_key(
            artist=place.albumartist or place.artist,
            album=place.album,
            disc=place.medium,
            track=place.track,
            title=place.title or shown,
        ),
    }


_KNOWN_BY = (
    "variant_id",
    "release_mbid",
    "missing_since",
    "medium_position",
    "track_position",
    "title",
    "artist",
    "album",
)
"""What other stages judge a file by: their work is only asked for again if one of these changed."""


def fingerprint_slice_write(variant_id: int, compressed: bytes) -> None:
    """For a variant that has a fingerprint: what the local index is built from, and an identification that waits. Once; inside a transaction."""
    if not compressed or FingerprintSlice.objects.filter(variant_id=variant_id).exists():
        return
    items = slice_of(compressed)
    if items:
        FingerprintSlice.objects.bulk_create(
            [FingerprintSlice(variant_id=variant_id, items=items)], ignore_conflicts=True
        )
    if not Identification.objects.filter(variant_id=variant_id).exists():
        waiting = Identification(variant_id=variant_id, state="pending", next_step_at=timezone.now())
        Identification.objects.bulk_create([waiting], ignore_conflicts=True)


def slice_of(compressed: bytes) -> bytes:
    """The indexed part of a compressed fingerprint as 32-bit little-endian numbers; b"" for what is too short, says too little, or is none."""
    try:
        items, _ = decode_fingerprint(compressed.decode("ascii"))
    except (FingerprintError, UnicodeDecodeError):
        return b""
    return slice_items(items).astype("<u4").tobytes()


def folder_pending(root_id: int, folder: bytes) -> None:
    """A folder's files changed: which release it is must be looked at again. What is being worked out from the old state loses its lease."""
    folder_hash = hashlib.sha256(folder).digest()
    rows = FolderMatch.objects.filter(root_id=root_id, folder_hash=folder_hash)
    again = {"state": "pending", "next_step_at": Now(), "tries": 0, "lease_until": None, "updated_at": Now()}
    if not rows.update(attempt=F("attempt") + 1, **again):
        with transaction.atomic():
            row, made = FolderMatch.objects.get_or_create(
                root_id=root_id,
                folder_hash=folder_hash,
                defaults={
                    "folder": folder,
                    "display": display_text(folder)[:4000],
                    "state": "pending",
                    "next_step_at": timezone.now(),
                },
            )
            if made:
                FolderWord.objects.bulk_create(FolderWord(folder=row, word=word) for word in words_of(row.display))


def storable(tags: Mapping[str, object]) -> dict[str, object]:
    """Tags as a JSON column takes them: no NUL and no half surrogate, which Postgres refuses with an error; depth 2 is all tags have."""
    return {_text(name): _storable(value) for name, value in tags.items()}


def _storable(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    if isinstance(value, Mapping):
        return {_text(str(name)): _storable(one) for name, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float) else _text(str(value))


def _text(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", errors="replace").decode("utf-8")


def files_missing(root_id: int, *, rel_path_hashes: Collection[bytes]) -> int:
    """Note that these files are gone from disk since now; returns how many were not known to be."""
    changed = 0
    hashes = list(rel_path_hashes)
    for start in range(0, len(hashes), 500):
        rows = AudioFile.objects.filter(
            root_id=root_id, rel_path_hash__in=hashes[start : start + 500], missing_since=None
        )
        changed += files_gone(list(rows.values_list("id", flat=True)))
    return changed


def files_gone(file_ids: Sequence[int]) -> int:
    """Note that these files (at most 500) are gone from disk; their folders and statistics are looked at again. Returns how many were not known to be."""
    with transaction.atomic():
        rows = AudioFile.objects.filter(id__in=file_ids, missing_since=None)
        folders = {(root, bytes(path).rpartition(b"/")[0]) for root, path in rows.values_list("root_id", "rel_path")}
        gone = rows.update(missing_since=Now(), lease_until=None)
        if gone:
            files_mark(file_ids)
        for root_id, folder in sorted(folders):
            folder_pending(root_id, folder)
    return gone


def variant_identified(variant_id: int, *, recording_mbid: uuid.UUID | None, fingerprint: bytes) -> None:
    """A fingerprint tells which recording a payload is; None: another than was thought, nobody knows which (it is no longer offered)."""
    rows = AudioVariant.objects.filter(id=variant_id)
    if _person_decided(variant_id):
        rows.update(fingerprint=fingerprint)
    else:
        rows.update(
            recording_mbid=recording_mbid,
            recording_source="fingerprint",
            verified=recording_mbid is not None,
            fingerprint=fingerprint,
        )
    fingerprint_slice_write(variant_id, fingerprint)


def _variant_refine(
    variant: AudioVariant,
    fingerprint: bytes,
    recording_mbid: uuid.UUID | None,
    source: RecordingSource,
    *,
    verified: bool,
) -> uuid.UUID | None:
    """Take what is better known now; returns which recording it is."""
    changes: dict[str, object] = {}
    known = variant.recording_mbid
    if fingerprint and not bytes(variant.fingerprint):
        changes["fingerprint"] = fingerprint
    if recording_mbid is not None:
        trusted = (verified, _TRUST[source]) >= (variant.verified, _TRUST.get(variant.recording_source, 0))
        if (variant.recording_mbid is None or trusted) and not _person_decided(variant.id):
            changes |= {"recording_mbid": recording_mbid, "recording_source": source, "verified": verified}
            known = recording_mbid
    if changes:
        AudioVariant.objects.filter(id=variant.id).update(**changes)
    return known


def _person_decided(variant_id: int) -> bool:
    """A person answered which recording this is, or that it is none known: their word stays, whatever tags, jobs and fingerprints say later."""
    states = [one.value for one in PERSON]
    return Identification.objects.filter(variant_id=variant_id, state__in=states).exists()


def _shown(text: str) -> str:
    return "".join(one for one in text if one.isprintable())[:1000]


def inode_signed(inode: int) -> int:
    """Inodes are unsigned 64-bit (network filesystems use all of it), the column is signed."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode
