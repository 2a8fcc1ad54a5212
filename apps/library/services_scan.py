"""The only writer of scans: what a person asks for, what a walking worker finds, batch by batch. What reading a file gives is `services_read`.

A batch and the cursor behind it are one transaction that begins with a conditional UPDATE of the scan's own row (lease, state): a walk that was killed
anywhere, paused or taken over leaves whole batches only, and going on gives the same rows.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import DomainError, Param
from apps.domain.library.paths import display_text
from apps.domain.library.scans import SCAN_LIVE, SCAN_MOVES, ReadState, ScanState, cursor_of_row, stall_delay_s
from apps.domain.library.sorting import sort_key
from apps.library.models import AudioFile, LibraryRoot, LibraryScan
from apps.library.selectors_scan import RootRow, ScanView, pending_below, scan_view
from apps.library.services import FileStat, files_gone, folder_pending, inode_signed, root_record
from apps.library.services_canonical import files_mark

TROUBLES_KEPT = 100
"""Names and folders that could not be walked, told one by one; all are counted."""

Params = Mapping[str, Param]


class ScanRefused(DomainError):
    """A scan can't be begun or moved: scan_not_found, scan_root_unknown, scan_state (it is not in a state for that)."""

    default_code = "scan_state"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanClaim:
    """A scan that this worker walks. `cursor`: see apps.domain.library.scans."""

    scan_id: uuid.UUID
    attempt: int
    root: RootRow
    below: bytes
    cursor: bytes
    stalls: int
    """Stalls in a row before this."""
    believe: bool
    """The person said that an empty folder is what is meant."""
    confirmed: int
    """Rows that paths of this walk have confirmed or made so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """A file as the walk saw it."""

    path: bytes
    stat: FileStat


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A row with what it was like when it was read; the file now."""

    file_id: int
    seen: SeenFile


@dataclass(slots=True, kw_only=True)
class BatchChanges:
    """What a batch of paths means for the rows; filled by the walking worker, for one batch."""

    seen: int = 0
    bytes_seen: int = 0
    unchanged: int = 0
    new: list[SeenFile] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    """Rows that must be read (again)."""
    waiting: int = 0
    """Rows that wait to be read already."""
    returned: list[int] = field(default_factory=list)
    """Rows that were missing and are there as they were."""
    moved: list[KnownFile] = field(default_factory=list)
    """Rows whose file is at another path now, itself unchanged."""
    refused: int = 0
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    """(code, shown path, errno name)."""


def roots_sync(folders: Sequence[tuple[Path, bool]]) -> tuple[int, ...]:
    """Make the configured folders (path, writable) roots that scans walk, and others not; ids of those that are. A root inside one of them (made by an
    import) is scanned as itself. Raises LibraryRootInvalid."""
    ids = {root_record(path, writable=writable) for path, writable in folders}
    paths = [path for path, _ in folders]
    for row in LibraryRoot.objects.exclude(id__in=ids):
        if any(folder in Path(row.path).parents for folder in paths):
            ids.add(row.id)
    LibraryRoot.objects.filter(id__in=ids, scanned=False).update(scanned=True)
    LibraryRoot.objects.filter(scanned=True).exclude(id__in=ids).update(scanned=False)
    return tuple(sorted(ids))


def scan_create(root_id: int, *, below: bytes = b"", origin: str = "person", believe: bool = False) -> ScanView:
    """Ask for a walk over a root, or over the folder `below` of it. One that is live already is returned instead. Raises ScanRefused."""
    if not LibraryRoot.objects.filter(id=root_id).exists():
        raise ScanRefused("There is no such folder in the library.", code="scan_root_unknown")
    live = LibraryScan.objects.filter(root_id=root_id, state__in=sorted(SCAN_LIVE))
    try:
        with transaction.atomic():
            row = live.first()
            if row is None:
                params = {"believe": True} if believe else {}
                row = LibraryScan.objects.create(root_id=root_id, below=below, origin=origin, params=params)
                LibraryScan.objects.filter(id=row.id).update(next_step_at=Now(), window_at=Now())
                enqueue(TaskName.SCAN_LIBRARY, str(row.id))
                ring(WEB_CHANNEL, f"scan {row.id}")
    except IntegrityError:
        row = live.get()  # somebody else was quicker
    return _view(row.id)


def scan_pause(scan_id: uuid.UUID) -> ScanView:
    """Stop at the end of the batch, and of the file, that is being worked on. Raises ScanRefused."""
    return _moved(scan_id, to=ScanState.PAUSED, code="paused_by_person")


def scan_cancel(scan_id: uuid.UUID) -> ScanView:
    """End it. Files that were found and not read yet are read by the next scan. Raises ScanRefused."""
    return _moved(scan_id, to=ScanState.CANCELLED, code="cancelled_by_person", ended_at=Now())


def scan_resume(scan_id: uuid.UUID) -> ScanView:
    """Go on behind the cursor. Raises ScanRefused."""
    row = LibraryScan.objects.filter(id=scan_id).only("walked_at").first()
    to = ScanState.READING if row is not None and row.walked_at else ScanState.QUEUED
    view = _moved(scan_id, to=to, code="", only_from=(ScanState.PAUSED,), next_step_at=Now(), window_at=Now())
    enqueue(TaskName.SCAN_LIBRARY, str(scan_id))
    return view


def scan_claim(scan_id: uuid.UUID, *, lease_s: int) -> ScanClaim | None:
    """Take a scan that is due to be walked (or looked after while it is read), if nobody has it; else None."""
    due = LibraryScan.objects.filter(
        id=scan_id, state__in=[ScanState.QUEUED, ScanState.WALKING], next_step_at__lte=Now()
    )
    if not lease_claim(due, seconds=lease_s):
        return None
    row = LibraryScan.objects.select_related("root").get(id=scan_id)
    mine = LibraryScan.objects.filter(id=scan_id, attempt=row.attempt)
    advance(mine, moves=SCAN_MOVES, to=ScanState.WALKING)
    mine.filter(state=ScanState.WALKING).update(
        window_at=Now(), window_seen=F("seen"), window_read=F("read"), window_bytes=F("bytes_read")
    )
    stalls = row.params.get("stalls", 0)
    return ScanClaim(
        scan_id=scan_id,
        attempt=row.attempt,
        root=RootRow.of(row.root),
        below=bytes(row.below),
        cursor=bytes(row.cursor),
        stalls=stalls if isinstance(stalls, int) else 0,
        believe=bool(row.params.get("believe")),
        confirmed=row.unchanged + row.added + row.changed,
    )


def scan_renew(claim: ScanClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: paused, cancelled, or another worker's."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def batch_write(claim: ScanClaim, changes: BatchChanges, *, cursor: bytes) -> bool:
    """Write a batch and the cursor behind it. False: the scan is not this worker's any more, nothing was written.

    Of an unchanged batch only the scan's own row is written.
    """
    with transaction.atomic():
        kept = _mine(claim).update(
            cursor=cursor,
            seen=F("seen") + changes.seen,
            bytes_seen=F("bytes_seen") + changes.bytes_seen,
            unchanged=F("unchanged") + changes.unchanged + len(changes.moved) + len(changes.returned),
            added=F("added") + len(changes.new),
            changed=F("changed") + len(changes.changed) + changes.waiting,
            refused=F("refused") + changes.refused,
            code="",
            updated_at=Now(),
        )
        if not kept:
            return False
        folders: set[bytes] = set()  # those of new files follow when they are read
        _files_add(claim.root.id, changes.new)
        # Size and time stay what they were when it was read: whoever serves the file sees from them that it is another now.
        rows = AudioFile.objects.filter(id__in=changes.changed)
        rows.update(read_state=ReadState.PENDING, missing_since=None, read_params={}, lease_until=None)
        if changes.returned:
            AudioFile.objects.filter(id__in=changes.returned).update(missing_since=None)
            paths = AudioFile.objects.filter(id__in=changes.returned).values_list("rel_path", flat=True)
            folders |= {bytes(path).rpartition(b"/")[0] for path in paths}
            files_mark(changes.returned)
        for moved in changes.moved:
            folders |= _file_move(claim.root.id, moved)
        for folder in sorted(folders):
            folder_pending(claim.root.id, folder)
        if changes.troubles or changes.refused:
            _troubles_add(claim, changes)
        ring(WEB_CHANNEL, f"scan {claim.scan_id}")
    return True


def gone_write(
    claim: ScanClaim, gone: Sequence[int], *, asked_to: int, away: Mapping[bytes, int] | None = None
) -> bool:
    """Note files that are gone, and how far rows were asked for. False: the scan is not this worker's any more.

    `away`: mount → files on it that can't be reached; they are counted and told (`mount_away`), their rows stay as they are.
    """
    away = away or {}
    with transaction.atomic():
        if not _mine(claim).update(
            cursor=cursor_of_row(asked_to),
            missing=F("missing") + len(gone),
            refused=F("refused") + sum(away.values()),
            code="",
            updated_at=Now(),
        ):
            return False
        if gone:
            files_gone(gone)
        if away:
            _away_add(claim, away)
    return True


def walk_finished(claim: ScanClaim) -> ScanState | None:
    """The walk is over: on to reading, or done where nothing waits. None: the scan is not this worker's any more."""
    with transaction.atomic():
        waiting = pending_below(claim.root.id, claim.below)
        to = ScanState.READING if waiting else ScanState.COMPLETED
        moved = advance(
            _mine(claim),
            moves=SCAN_MOVES,
            to=to,
            code="",
            params={},
            walked_at=Now(),
            lease_until=None,
            next_step_at=Now() if waiting else None,
            ended_at=None if waiting else Now(),
            window_at=Now(),
            window_read=F("read"),
            window_bytes=F("bytes_read"),
        )
        if not moved:
            return None
        _root_seen(claim.root.id, whole=not claim.below)
        ring(WEB_CHANNEL, f"scan {claim.scan_id}")
    return to


def scan_release(claim: ScanClaim) -> None:
    """The slice is over: whoever is next goes on at once."""
    if _mine(claim).update(lease_until=None, next_step_at=Now()):
        enqueue(TaskName.SCAN_LIBRARY, str(claim.scan_id))


def scan_stalled(claim: ScanClaim, *, code: str) -> None:
    """The folder does not answer: try again later, ever more rarely, and in the end not at all. Rows of files stay as they are."""
    stalls = claim.stalls + 1
    delay_s = stall_delay_s(stalls)
    if delay_s is None:
        scan_failed(claim, code=code, params={"stalls": stalls})
        return
    with transaction.atomic():
        later = Now() + timedelta(seconds=delay_s)
        params = {"stalls": stalls, "believe": claim.believe}
        if _mine(claim).update(code=code, params=params, next_step_at=later, lease_until=None, updated_at=Now()):
            LibraryRoot.objects.filter(id=claim.root.id).update(state_code=code)
            ring(WEB_CHANNEL, f"scan {claim.scan_id}")


def scan_failed(claim: ScanClaim, *, code: str, params: Params) -> None:
    """Nothing can be said of the folder. Rows of files stay as they are."""
    with transaction.atomic():
        ended = advance(
            _mine(claim),
            moves=SCAN_MOVES,
            to=ScanState.FAILED,
            code=code,
            params=dict(params),
            lease_until=None,
            next_step_at=None,
            ended_at=Now(),
        )
        if ended:
            LibraryRoot.objects.filter(id=claim.root.id).update(state_code=code)
            ring(WEB_CHANNEL, f"scan {claim.scan_id}")


def root_marked(root_id: int, marker: str) -> None:
    """The root's marker file holds this."""
    LibraryRoot.objects.filter(id=root_id).update(marker=marker)


def root_mounts_add(root_id: int, mounts: Sequence[bytes]) -> None:
    """Disks are mounted there, inside the root: what is on them is never taken for deleted while they are away."""
    with transaction.atomic():
        row = LibraryRoot.objects.select_for_update().only("mounts").get(id=root_id)
        known = set(row.mounts) | {one.hex() for one in mounts}
        if known != set(row.mounts):
            LibraryRoot.objects.filter(id=root_id).update(mounts=sorted(known))


def root_mounts_forget(root_id: int) -> None:
    """A person says that what is not there was deleted."""
    LibraryRoot.objects.filter(id=root_id).update(mounts=[])


def root_answers(root_id: int) -> None:
    """The folder is there."""
    LibraryRoot.objects.filter(id=root_id).exclude(state_code="").update(state_code="")


def scans_read_finish() -> int:
    """End scans whose files have all been read; how many."""
    ended = 0
    for row in LibraryScan.objects.filter(state=ScanState.READING):
        if pending_below(row.root_id, bytes(row.below)):
            continue
        rows = LibraryScan.objects.filter(id=row.id)
        ended += advance(
            rows, moves=SCAN_MOVES, to=ScanState.COMPLETED, only_from=[ScanState.READING], code="", ended_at=Now(),
            next_step_at=None,
        )  # fmt: skip
        ring(WEB_CHANNEL, f"scan {row.id}")
    return ended


def _files_add(root_id: int, files: Sequence[SeenFile]) -> None:
    AudioFile.objects.bulk_create(
        [
            AudioFile(
                root_id=root_id,
                rel_path=file.path,
                rel_path_hash=hashlib.sha256(file.path).digest(),
                folder_hash=hashlib.sha256(file.path.rpartition(b"/")[0]).digest(),
                display=display_text(file.path)[:4000],
                sort_key=sort_key(artist="", album="", disc=None, track=None, title=display_text(file.path)),
                size_bytes=file.stat.size_bytes,
                mtime_ns=file.stat.mtime_ns,
                inode=inode_signed(file.stat.inode),
                read_state=ReadState.PENDING,
            )
            for file in files
        ],
        ignore_conflicts=True,  # a finished download may have been placed there meanwhile
        batch_size=100,
    )


def _file_move(root_id: int, moved: KnownFile) -> set[bytes]:
    """Give a row its new path; both folders have changed."""
    path = moved.seen.path
    row = AudioFile.objects.filter(id=moved.file_id)
    before = row.values_list("rel_path", flat=True).first()
    row.update(
        rel_path=path,
        rel_path_hash=hashlib.sha256(path).digest(),
        folder_hash=hashlib.sha256(path.rpartition(b"/")[0]).digest(),
        display=display_text(path)[:4000],
        missing_since=None,
    )
    return {path.rpartition(b"/")[0]} | ({bytes(before).rpartition(b"/")[0]} if before is not None else set())


def _troubles_add(claim: ScanClaim, changes: BatchChanges) -> None:
    row = LibraryScan.objects.only("troubles").get(id=claim.scan_id)
    counts: dict[str, int] = dict(row.troubles.get("counts", {}))
    first: list[list[str]] = list(row.troubles.get("first", []))
    for code, _path, _errno in changes.troubles:
        counts[code] = counts.get(code, 0) + 1
    if (untold := changes.refused - len(changes.troubles)) > 0:
        counts["untold"] = counts.get("untold", 0) + untold
    first += [list(one) for one in changes.troubles[: max(0, TROUBLES_KEPT - len(first))]]
    LibraryScan.objects.filter(id=claim.scan_id).update(troubles={"counts": counts, "first": first})


def _away_add(claim: ScanClaim, away: Mapping[bytes, int]) -> None:
    row = LibraryScan.objects.only("troubles").get(id=claim.scan_id)
    counts: dict[str, int] = dict(row.troubles.get("counts", {}))
    counts["mount_away"] = counts.get("mount_away", 0) + sum(away.values())
    first: list[list[str]] = list(row.troubles.get("first", []))
    told = [["mount_away", display_text(mount), ""] for mount in sorted(away)]
    first = [*[one for one in told if one not in first], *first]  # one line a disk, before what is told of single names
    LibraryScan.objects.filter(id=claim.scan_id).update(troubles={"counts": counts, "first": first[:TROUBLES_KEPT]})


def _root_seen(root_id: int, *, whole: bool) -> None:
    changes: dict[str, object] = {"state_code": ""}
    if whole:
        changes["last_scan_at"] = Now()
    LibraryRoot.objects.filter(id=root_id).update(**changes)


def _moved(
    scan_id: uuid.UUID, *, to: ScanState, code: str, only_from: tuple[ScanState, ...] | None = None, **changes: object
) -> ScanView:
    with transaction.atomic():
        rows = LibraryScan.objects.filter(id=scan_id)
        done = advance(rows, moves=SCAN_MOVES, to=to, only_from=only_from, code=code, lease_until=None, **changes)
        if not done:
            view = scan_view(scan_id)
            if view is None:
                raise ScanRefused("There is no such scan.", code="scan_not_found")
            if view.state is not to:
                raise ScanRefused("The scan is not in a state for that.", state=view.state.value)
        ring(WEB_CHANNEL, f"scan {scan_id}")
    return _view(scan_id)


def _view(scan_id: uuid.UUID) -> ScanView:
    view = scan_view(scan_id)
    if view is None:
        raise ScanRefused("There is no such scan.", code="scan_not_found")
    return view


def _mine(claim: ScanClaim) -> QuerySet[LibraryScan]:
    return LibraryScan.objects.filter(
        Q(lease_until__isnull=False), id=claim.scan_id, attempt=claim.attempt, state=ScanState.WALKING
    )
