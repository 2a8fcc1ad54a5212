"""Importing files into the library: those that carry MBIDs, or one that a person names.

A file is read whole once (payload root, decode test, fingerprint) and never again while its size, mtime and inode stay. What can't be imported is
listed with a code; no file stops the walk. Files are only read, never changed.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.errors import DomainError, Param
from apps.domain.library.paths import PathKey, display_text
from apps.jobs.services import mbid_of
from apps.library.selectors import known_stats, present_paths, root_containing, unchanged
from apps.library.services import FilePlace, FileStat, RecordingSource, file_record, files_missing, root_record
from slskdn_site.config import load_config
from workers.gateways.audio import decode_test, variant_facts
from workers.gateways.chromaprint import FingerprintFailed, fingerprint_file
from workers.gateways.files import identify
from workers.gateways.tags import AudioTags, TagsError, read_tags
from workers.verification import stat_of

log = logging.getLogger(__name__)

EXTENSIONS = frozenset(
    b".flac .mp3 .ogg .oga .opus .m4a .mp4 .aac .wav .aif .aiff .wma .ape .wv .tta .tak .mpc .ac3 .caf".split()
)
"""Files looked at; everything else in a music folder (covers, logs, cue sheets) is passed over in silence."""
BATCH = 200
"""Paths whose known state is asked for at once."""
MAX_DEPTH = 32
MAX_REFUSED = 1000
"""Refused files kept in a report; more are counted."""

Status = Literal["added", "updated", "unchanged", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWish:
    """What a person says of the files: `recording` names the one recording that all of them are; `release` where they belong."""

    recording: uuid.UUID | None = None
    release: uuid.UUID | None = None

    @classmethod
    def of_text(cls, *, recording: str, release: str) -> Self:
        """From optional texts. Raises DomainError `mbid_invalid`."""
        return cls(recording=mbid_of(recording) if recording else None, release=mbid_of(release) if release else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """What became of one file. `path` is harmless to show."""

    path: str
    status: Status
    code: str = ""
    params: dict[str, Param] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of a folder."""

    added: int
    updated: int
    unchanged: int
    refused: int
    missing: int
    """Known files that are gone."""
    refusals: tuple[ImportedFile, ...]


class FolderMissing(DomainError):
    """Nothing to import."""

    default_code = "folder_missing"


def import_folder(
    folder: Path, *, wish: ImportWish, on_file: Callable[[ImportedFile], None] = lambda _file: None
) -> ImportReport:
    """Import what lies in `folder` (absolute; or one file), in the order of its paths. Interrupted and run again it skips what it knows.

    Raises FolderMissing, LibraryRootInvalid. A folder inside a known library root is imported as part of that root.
    """
    single = folder.is_file()
    if not single and not folder.is_dir():
        raise FolderMissing("There is no such folder.", path=display_text(os.fsencode(folder)))
    base = folder.parent if single else folder
    known_root = root_containing(base)
    root_id, root = known_root or (root_record(base), base)
    below = b"" if base == root else os.fsencode(base.relative_to(root))
    paths: Iterable[bytes] = [os.fsencode(folder.name)] if single else _walk(os.fsencode(base))
    prefixed = (b"/".join([below, path]) if below else path for path in paths)
    tally = _Tally(on_file=on_file)
    seen: set[bytes] = set()
    for batch in _batches(prefixed):
        seen.update(batch)
        known = known_stats(root_id, relative=batch)
        for relative in batch:
            tally.note(_import_file(root_id, root, relative, known=known.get(relative), wish=wish))
    missing = 0
    if not single:
        missing = files_missing(root_id, rel_path_hashes=_gone(root_id, below=below, seen=seen))
    if tally.added or tally.updated or missing:
        ring(NODE_CHANNEL, "library")
    return tally.report(missing=missing)


@dataclass(slots=True)
class _Tally:
    on_file: Callable[[ImportedFile], None]
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    refusals: list[ImportedFile] = field(default_factory=list)

    def note(self, file: ImportedFile) -> None:
        match file.status:
            case "added":
                self.added += 1
            case "updated":
                self.updated += 1
            case "unchanged":
                self.unchanged += 1
            case "refused":
                self.refused += 1
                if len(self.refusals) < MAX_REFUSED:
                    self.refusals.append(file)
        self.on_file(file)

    def report(self, *, missing: int) -> ImportReport:
        return ImportReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            refused=self.refused,
            missing=missing,
            refusals=tuple(self.refusals),
        )


def _import_file(
    root_id: int, root: Path, relative: bytes, *, known: FileStat | None, wish: ImportWish
) -> ImportedFile:
    shown = display_text(relative)
    path = root / os.fsdecode(relative)
    try:
        key = PathKey(root_id=root_id, relative=relative)
        before = stat_of(path)
        if unchanged(known, now=before) and wish == ImportWish():
            return ImportedFile(path=shown, status="unchanged")
        new = _read_and_record(key, path, before, wish)
    except DomainError as error:
        return ImportedFile(path=shown, status="refused", code=error.code, params=error.params)
    except Exception as error:
        log.exception("file could not be imported: path=%s", shown)
        return ImportedFile(path=shown, status="refused", code="unexpected", params={"error": type(error).__name__})
    return ImportedFile(path=shown, status="added" if new else "updated")


def _read_and_record(key: PathKey, path: Path, before: FileStat, wish: ImportWish) -> bool:
    """True if the file was not known. Raises DomainError for what can't be imported."""
    tags = _tags_of(path, wish)
    recording, source = _recording_of(tags, wish)
    identity = identify(path)
    decoded = decode_test(path, span=identity.span)
    made = _fingerprint_of(path)
    if stat_of(path) != before:
        raise DomainError("The file changed while it was read.", code="file_changed", retryable=True)
    release = wish.release or (uuid.UUID(tags.release_mbid) if tags.release_mbid else None)
    recorded = file_record(
        key,
        stat=before,
        facts=variant_facts(identity, decoded),
        leaf_hashes=identity.leaves.pack(),
        fingerprint=made,
        recording_mbid=recording,
        recording_source=source,
        verified=False,
        place=FilePlace(
            release_mbid=release,
            medium=min(tags.disc, 32767) or None,
            track=min(tags.track, 32767) or None,
            title=tags.title,
            artist=tags.artist,
            album=tags.album,
        ),
    )
    return recorded.new_file


def _tags_of(path: Path, wish: ImportWish) -> AudioTags:
    try:
        return read_tags(path)
    except TagsError:
        if wish.recording is None:
            raise
        return AudioTags()


def _recording_of(tags: AudioTags, wish: ImportWish) -> tuple[uuid.UUID, RecordingSource]:
    if wish.recording is not None:
        return wish.recording, "person"
    if tags.recording_mbid:
        return uuid.UUID(tags.recording_mbid), "tag"
    raise DomainError("The file carries no MusicBrainz recording id.", code="mbid_missing")


def _fingerprint_of(path: Path) -> bytes:
    """Compressed text; b"" where none is made: a file without a fingerprint is still music."""
    if not load_config().integration.chromaprint.enabled:
        return b""
    try:
        return fingerprint_file(path).compressed.encode("ascii")
    except FingerprintFailed as error:
        log.info("no fingerprint: code=%s", error.code)
        return b""


def _walk(base: bytes, relative: bytes = b"", depth: int = 0) -> Iterator[bytes]:
    """Relative paths of sound files, sorted by their bytes, depth first; links are not followed, hidden names are passed over."""
    try:
        with os.scandir(os.path.join(base, relative) if relative else base) as found:  # noqa: PTH118  (raw bytes)
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        log.warning("folder can't be read: path=%s error=%s", display_text(relative), error.errno)
        return
    for entry in entries:
        if entry.name.startswith(b"."):
            continue
        path = b"/".join([relative, entry.name]) if relative else entry.name
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode) and depth < MAX_DEPTH:
            yield from _walk(base, path, depth + 1)
        elif stat.S_ISREG(mode) and os.path.splitext(entry.name)[1].lower() in EXTENSIONS:  # noqa: PTH122  (raw bytes)
            yield path


def _batches(paths: Iterable[bytes]) -> Iterator[list[bytes]]:
    """BATCH at a time."""
    every = iter(paths)
    while batch := list(itertools.islice(every, BATCH)):
        yield batch


def _gone(root_id: int, *, below: bytes, seen: set[bytes]) -> list[bytes]:
    return [hashlib.sha256(path).digest() for path in present_paths(root_id, below=below) if path not in seen]
