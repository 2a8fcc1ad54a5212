"""Tasks: walk one library folder, a slice at a time; and see to it that folders are walked when it is time.

A slice claims the scan by lease, walks on behind its cursor through a child process (`gateways.walk`), compares each batch of paths with the rows in one
query, and writes what differs together with the cursor. Nothing is opened and nothing but the scan's own row is written where nothing has changed.
After the walk come rows that no path has confirmed, asked for by their own paths.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from celery import shared_task

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, ring
from apps.common.ids import new_id
from apps.domain.library.paths import display_text
from apps.domain.library.scans import RootEvidence, ScanState, root_verdict, row_of_cursor
from apps.library.selectors_scan import (
    Known,
    Unconfirmed,
    known_by_inode,
    known_files,
    present_count,
    present_rows,
    roots_due,
    roots_inside,
    sample_paths,
    scans_waiting,
)
from apps.library.services import FileStat, inode_signed
from apps.library.services_read import files_waiting
from apps.library.services_scan import (
    BatchChanges,
    KnownFile,
    ScanClaim,
    SeenFile,
    batch_write,
    gone_write,
    root_answers,
    root_marked,
    root_mounts_add,
    root_mounts_forget,
    roots_sync,
    scan_claim,
    scan_create,
    scan_failed,
    scan_release,
    scan_renew,
    scan_stalled,
    scans_read_finish,
    walk_finished,
)
from slskdn_site.config import load_config
from workers.analyse_variants import throttle_of
from workers.composition import library_root
from workers.gateways.walk import BATCH, STALL_S, RootStalled, WalkBatch, WalkedFile, WalkFailed, WatchedRoot
from workers.lease import LEASE_S, LeaseKeeper, LeaseLost

log = logging.getLogger(__name__)

SLICE_S = 120.0
"""A slice ends after so long; tasks have five minutes."""
_RETRIED = frozenset({"library_permission", "disk_error", "file_failed", "decode_tool_missing", "file_changed"})
"""Reasons for not having read a file that may have gone without a change of the file: the next scan has it read again."""

Checkpoint = Callable[[str], None]
Clock = Callable[[], float]


def _pass(_step: str) -> None:
    return


@shared_task(name=TaskName.LIBRARY_SCANS.value)
def library_scans() -> None:
    """Folders of the configuration become roots; what is due is walked; what waits is sent on its way."""
    config = load_config()
    roots_configured()
    for root_id in roots_due(interval_hours=config.library.scan.interval_hours):
        scan_create(root_id, origin="schedule")
    for scan_id, _attempt in scans_waiting():
        enqueue(TaskName.SCAN_LIBRARY, str(scan_id))
    scans_read_finish()
    if files_waiting():
        _readers_call()


@shared_task(name=TaskName.SCAN_LIBRARY.value)
def scan_library(scan_id: str) -> None:
    """See the module."""
    if walk_slice(uuid.UUID(scan_id)) is ScanState.READING or files_waiting():
        _readers_call()


def roots_configured() -> tuple[int, ...]:
    """`library.root` and `library.folders` as roots; ids of those that scans walk. Raises LibraryRootInvalid."""
    named = [Path(one).expanduser().absolute() for one in load_config().library.folders]
    return roots_sync([(library_root(), True), *((path, False) for path in named)])


def walk_slice(
    scan_id: uuid.UUID,
    *,
    slice_s: float = SLICE_S,
    stall_s: float = STALL_S,
    batch: int = BATCH,
    clock: Clock = time.monotonic,
    checkpoint: Checkpoint = _pass,
) -> ScanState | None:
    """Walk for `slice_s`. The scan's state if the walk has ended, else None (somebody else's, stalled, or to be gone on with)."""
    claim = scan_claim(scan_id, lease_s=LEASE_S)
    if claim is None:
        return None
    checkpoint("claimed")
    walker = _Walker(claim, batch=batch, stall_s=stall_s, ends_at=clock() + slice_s, clock=clock, checkpoint=checkpoint)
    try:
        with (
            LeaseKeeper(lambda: scan_renew(claim, lease_s=LEASE_S)),
            WatchedRoot(claim.root.raw, stall_s=stall_s, mounts=walker.mounts) as root,
            walker,
        ):
            return walker.run(root)
    except LeaseLost:
        log.info("walk taken over or stopped: scan=%s", scan_id)
    except (RootStalled, WalkFailed) as error:
        log.warning("folder does not answer: scan=%s code=%s", scan_id, error.code)
        scan_stalled(claim, code=error.code)
    return None


class _Walker:
    """One slice of one walk."""

    def __init__(
        self,
        claim: ScanClaim,
        *,
        batch: int,
        stall_s: float,
        ends_at: float,
        clock: Clock,
        checkpoint: Checkpoint,
    ) -> None:
        self._claim = claim
        self._batch = batch
        self._stall_s = stall_s
        self._ends_at = ends_at
        self._clock = clock
        self._checkpoint = checkpoint
        self._confirmed = claim.confirmed
        self._stack = ExitStack()
        self._other: WatchedRoot | None = None
        self.mounts: set[bytes] = set() if claim.believe else set(claim.root.mounts)
        """Disks inside the root. Who says that what is not there was deleted says it of them too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, root: WatchedRoot) -> ScanState | None:
        """All of it, or until the slice is over."""
        claim = self._claim
        if not self._is_there(root):
            return ScanState.FAILED
        root_answers(claim.root.id)
        asked_to = row_of_cursor(claim.cursor)
        if asked_to is None:
            if not self._walk(root):
                scan_release(claim)
                return None
            asked_to = 0
        if present_count(claim.root.id, below=claim.below) > self._confirmed and not self._ask(root, asked_to):
            return None
        self._mark(root)
        ended = walk_finished(claim)
        if ended is None:
            raise LeaseLost
        ring(NODE_CHANNEL, "library")
        log.info("walk over: scan=%s state=%s", claim.scan_id, ended)
        return ended

    # --- is it there? ------------------------------------------------------------------------------------------------------------

    def _is_there(self, root: WatchedRoot) -> bool:
        """False: it is not, and the scan has failed."""
        claim, look = self._claim, root.look()
        if claim.believe and look.is_folder:
            return True
        told = look.marker is not None and look.marker == claim.root.marker
        found, some = (True, True) if told or not look.is_folder else self._known_found(root)
        evidence = RootEvidence(
            is_folder=look.is_folder,
            marker_known=claim.root.marker,
            marker_found=look.marker,
            files_known=some,
            file_found=found,
        )
        verdict = root_verdict(evidence)
        if verdict == "present":
            if look.marker and not claim.root.marker:
                root_marked(claim.root.id, look.marker)  # its rows were lost, or it came from another machine
            return True
        log.warning("folder is not there: root=%s code=%s", claim.root.id, verdict)
        scan_failed(claim, code=verdict, params={"path": display_text(claim.root.raw)})
        return False

    def _known_found(self, root: WatchedRoot) -> tuple[bool, bool]:
        """(a known file is there, there are known files)."""
        paths = sample_paths(self._claim.root.id)
        if not paths:
            return False, False
        if any(isinstance(one, tuple) for one in root.stats(paths)):
            return True, True
        # All of them may have been renamed: then inodes are known.
        root.walk(skip=roots_inside(self._claim.root))
        first = root.batch(self._batch).files
        rows = known_by_inode(self._claim.root.id, inodes={inode_signed(one.inode) for one in first})
        return any(_is_same(known, one) for one in first for known, _ in rows.get(inode_signed(one.inode), [])), True

    def _mark(self, root: WatchedRoot) -> None:
        """Leave a marker where music was found: never in an empty folder, which may be the place of a mount, nor in one that is only read."""
        claim = self._claim
        if not claim.root.writable or not self._confirmed or root.look().marker is not None:
            return
        text = claim.root.marker or str(new_id())
        if root.mark(text):
            root_marked(claim.root.id, text)

    # --- the walk ----------------------------------------------------------------------------------------------------------------

    def _walk(self, root: WatchedRoot) -> bool:
        """True: to the end."""
        claim, cursor = self._claim, self._claim.cursor
        if claim.believe and not cursor:
            root_mounts_forget(claim.root.id)
        root.walk(below=claim.below, after=cursor, skip=roots_inside(claim.root))
        while True:
            found = root.batch(self._batch)
            if new := set(found.mounts) - self.mounts:
                root_mounts_add(claim.root.id, sorted(new))  # before any row of theirs
                self.mounts |= new
            changes = self._compared(found)
            cursor = found.files[-1].path if found.files else cursor
            self._checkpoint("compared")
            if not batch_write(claim, changes, cursor=cursor):
                raise LeaseLost
            self._confirmed += changes.seen
            self._checkpoint("batch")
            if found.ended:
                return True
            if self._clock() >= self._ends_at:
                return False

    def _compared(self, found: WalkBatch) -> BatchChanges:
        changes = BatchChanges(refused=found.refused)
        changes.troubles = [(one.code, display_text(one.path), one.errno) for one in found.troubles]
        rows = known_files(self._claim.root.id, paths=[file.path for file in found.files])
        strangers: list[WalkedFile] = []
        for file, known in zip(found.files, (rows.get(file.path) for file in found.files), strict=True):
            changes.seen += 1
            changes.bytes_seen += file.size_bytes
            if known is None:
                strangers.append(file)
            elif known.state == "pending":
                if known.missing:
                    changes.changed.append(known.id)
                else:
                    changes.waiting += 1
            elif not _is_same(known, file) or (known.state == "unreadable" and known.code in _RETRIED):
                changes.changed.append(known.id)
            elif known.missing:
                changes.returned.append(known.id)
            else:
                changes.unchanged += 1
        if strangers:
            self._told_apart(strangers, changes)
        return changes

    def _told_apart(self, strangers: list[WalkedFile], changes: BatchChanges) -> None:
        """Unknown paths are new files, or known ones that were moved: same inode, size and time, and nothing at the old path any more."""
        rows = known_by_inode(self._claim.root.id, inodes={inode_signed(file.inode) for file in strangers})
        alike = {
            known.id: path
            for file in strangers
            for known, path in rows.get(inode_signed(file.inode), [])
            if known.state != "pending" and _is_same(known, file)
        }
        gone = {
            row for row, answer in zip(alike, self._other_stats(list(alike.values())), strict=True) if answer is None
        }
        for file in strangers:
            seen = SeenFile(path=file.path, stat=_stat(file))
            old = next((known.id for known, _ in rows.get(inode_signed(file.inode), []) if known.id in gone), None)
            if old is None:
                changes.new.append(seen)
            else:
                gone.remove(old)
                changes.moved.append(KnownFile(file_id=old, seen=seen))

    def _away(
        self, rows: Sequence[Unconfirmed], answers: Sequence[tuple[int, int, int] | str | None]
    ) -> Counter[bytes]:
        """Mount → files on it that can't be reached now."""
        paths = [row.path for row, answer in zip(rows, answers, strict=True) if answer == "away"]
        return Counter(
            max((m for m in self.mounts if path.startswith(m + b"/")), key=len, default=b"") for path in paths
        )

    def _other_stats(self, paths: list[bytes]) -> list[tuple[int, int, int] | str | None]:
        """By a child of its own: the walk's is busy with the next batch."""
        if not paths:
            return []
        if self._other is None:
            self._other = self._stack.enter_context(
                WatchedRoot(self._claim.root.raw, stall_s=self._stall_s, mounts=self.mounts)
            )
        answers: list[tuple[int, int, int] | str | None] = []
        for start in range(0, len(paths), BATCH):
            answers += self._other.stats(paths[start : start + BATCH])
        return answers

    # --- what no path has confirmed ----------------------------------------------------------------------------------------------

    def _ask(self, root: WatchedRoot, after_id: int) -> bool:
        """Ask for every row by its own path; False: the slice is over, or the folder is gone in the middle of it."""
        claim = self._claim
        while rows := present_rows(claim.root.id, below=claim.below, after_id=after_id, limit=self._batch):
            answers = root.stats([row.path for row in rows])
            gone = [row.id for row, answer in zip(rows, answers, strict=True) if answer is None]
            # Nothing is missing in a folder that went away a moment ago.
            if gone and not self._is_there(root):
                return False
            after_id = rows[-1].id
            self._checkpoint("asked")
            if not gone_write(claim, gone, asked_to=after_id, away=self._away(rows, answers)):
                raise LeaseLost
            self._checkpoint("gone")
            if self._clock() >= self._ends_at:
                scan_release(claim)
                return False
        return True


def _stat(file: WalkedFile) -> FileStat:
    return FileStat(size_bytes=file.size_bytes, mtime_ns=file.mtime_ns, inode=file.inode)


def _is_same(known: Known, file: WalkedFile) -> bool:
    return (known.size_bytes, known.mtime_ns, known.inode) == (
        file.size_bytes,
        file.mtime_ns,
        inode_signed(file.inode),
    )


def _readers_call() -> None:
    for _ in range(throttle_of(load_config()).slots):
        enqueue(TaskName.READ_FILES)
