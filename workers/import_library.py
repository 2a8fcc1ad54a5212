"""Importing files into the library at a person's word, here and now: as a scan would, in this process, with what the person says of them.

A file is read whole once (payload root, one decode for everything else) and never again while its size, mtime and inode stay. What can't be imported is
listed with a code; no file stops the walk. Files are only read, never changed. Walking is `gateways.walk`, reading is `reading`: there is no second way.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from apps.common.doorbell import NODE_CHANNEL, ring
from apps.domain.errors import DomainError, Param
from apps.domain.library.paths import PathKey, display_text
from apps.library.selectors import known_stats, present_paths, root_containing, unchanged
from apps.library.selectors_scan import root_mounts
from apps.library.services import FileStat, files_missing, root_record
from apps.library.services_read import read_record
from apps.library.services_scan import root_mounts_add
from slskdn_site.config import load_config
from workers.gateways.analysis import AnalysisWish
from workers.gateways.walk import BATCH, WalkBatch, WatchedRoot
from workers.reading import NOBODY, NamedAs, read_music, wish_of
from workers.verification import stat_of

log = logging.getLogger(__name__)

MAX_REFUSED = 1000
"""Refused files kept in a report; more are counted."""

Status = Literal["added", "updated", "unchanged", "refused"]


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
    folder: Path, *, wish: NamedAs, on_file: Callable[[ImportedFile], None] = lambda _file: None
) -> ImportReport:
    """Import what lies in `folder` (absolute; or one file), in the order of its paths. Interrupted and run again it skips what it knows.

    Raises FolderMissing, LibraryRootInvalid, RootStalled. A folder inside a known library root is imported as part of that root.
    """
    single = folder.is_file()
    if not single and not folder.is_dir():
        raise FolderMissing("There is no such folder.", path=display_text(os.fsencode(folder)))
    base = folder.parent if single else folder
    known_root = root_containing(base)
    root_id, root = known_root or (root_record(base), base)
    below, name = b"" if base == root else os.fsencode(base.relative_to(root)), os.fsencode(folder.name)
    tally, seen, sound = _Tally(on_file=on_file), set[bytes](), wish_of(load_config())
    missing = 0
    with WatchedRoot(os.fsencode(root), mounts=root_mounts(root_id)) as watched:
        if single:
            batches: Iterator[WalkBatch | bytes] = iter([b"/".join([below, name]) if below else name])
        else:
            batches = _walk(watched, below)
        for batch in batches:
            paths = [batch] if isinstance(batch, bytes) else [file.path for file in batch.files]
            seen.update(paths)
            if isinstance(batch, WalkBatch) and batch.mounts:
                root_mounts_add(root_id, batch.mounts)
            known = known_stats(root_id, relative=paths)
            for relative in paths:
                tally.note(_import_file(root_id, root, relative, known=known.get(relative), wish=wish, sound=sound))
            for trouble in batch.troubles if isinstance(batch, WalkBatch) else ():
                tally.note(ImportedFile(path=display_text(trouble.path), status="refused", code=trouble.code))
        if not single and seen:  # where nothing is seen at all, a disk may not be mounted
            missing = files_missing(root_id, rel_path_hashes=_gone(watched, root_id, below=below, seen=seen))
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
    root_id: int, root: Path, relative: bytes, *, known: FileStat | None, wish: NamedAs, sound: AnalysisWish
) -> ImportedFile:
    shown = display_text(relative)
    path = root / os.fsdecode(relative)
    try:
        key = PathKey(root_id=root_id, relative=relative)
        if unchanged(known, now=stat_of(path)) and wish == NOBODY:
            return ImportedFile(path=shown, status="unchanged")
        recorded = read_record(key, read_music(path, wish=sound, named=wish))
    except DomainError as error:
        return ImportedFile(path=shown, status="refused", code=error.code, params=error.params)
    except Exception as error:
        log.exception("file could not be imported: path=%s", shown)
        return ImportedFile(path=shown, status="refused", code="unexpected", params={"error": type(error).__name__})
    return ImportedFile(path=shown, status="added" if recorded.new_file else "updated")


def _walk(watched: WatchedRoot, below: bytes) -> Iterator[WalkBatch]:
    watched.walk(below=below)
    while not (batch := watched.batch()).ended:
        yield batch
    yield batch


def _gone(watched: WatchedRoot, root_id: int, *, below: bytes, seen: set[bytes]) -> list[bytes]:
    """Known paths that the walk did not see, and of which the disk says that they are not there."""
    unseen = [path for path in present_paths(root_id, below=below) if path not in seen]
    gone: list[bytes] = []
    for start in range(0, len(unseen), BATCH):
        some = unseen[start : start + BATCH]
        answers = zip(some, watched.stats(some), strict=True)
        gone += [hashlib.sha256(path).digest() for path, answer in answers if answer is None]
    return gone
