"""The only writer of the trash's rows. The bytes are moved by `workers.trash`, which takes a row, does a step and gives it back.

A row is written before anything moves; of two workers the lease lets one work; every way of giving a row back carries `attempt` and the state it was
taken in. The file's own row goes with the file (see the model): hidden and missing while it is in the trash, at its place again when it is back.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import DomainError, Param
from apps.domain.library.paths import display_text
from apps.domain.library.trash import FOLDER, TRASH_LIVE, TRASH_MOVES, TRASH_OPEN, TrashReason, TrashState
from apps.library.models import AudioFile, LibraryRoot, TrashedFile
from apps.library.services import FileStat, folder_pending, inode_signed
from apps.library.services_canonical import variants_mark

Params = Mapping[str, Param]
MAX_ASKED: Final = 1000
"""Rows that one request restores or purges."""


class TrashRefused(DomainError):
    """file_unknown, file_is_missing, root_not_writable, trash_unknown, trash_state."""

    default_code = "trash_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashClaim:
    """A row that this worker holds, and what its step needs."""

    id: uuid.UUID
    attempt: int
    state: TrashState
    root_id: int
    root: str
    relative: bytes
    size_bytes: int
    mtime_ns: int
    mode: int
    sha256: bytes
    decided: FileStat | None
    """What the file was like when it was decided to trash it; None: whatever is there."""
    keep: bool
    """A copy of a file that stays."""
    numbered: bool
    """Of a restore: another name will do."""
    place: str
    code: str
    tries: int


def root_changes_allow(root_id: int, *, allowed: bool) -> bool:
    """Let files below a root be replaced, retagged and trashed when somebody asks for it, or forbid it. False: there is no such root."""
    return LibraryRoot.objects.filter(id=root_id).update(writable=allowed) == 1


def trash_plan(
    file_id: int,
    *,
    reason: TrashReason,
    replaced_by_id: int | None = None,
    keep_until_proven: bool = False,
    keep: bool = False,
    as_read: bool = True,
    send: bool = True,
) -> uuid.UUID:
    """Ask for a file to be put into the trash; the row's id. A file that is on its way already, or there, keeps its row.

    `keep`: a copy is kept of a file that stays (its tags are about to be written). `keep_until_proven`: purged as soon as a scan has seen
    `replaced_by` sound. `as_read`: only the very file that the rows speak of goes; if somebody replaces or changes it before it is moved, it
    stays (`file_changed`). `send` False: the caller moves it itself. Raises TrashRefused.
    """
    file = AudioFile.objects.select_related("root").filter(id=file_id).first()
    if file is None:
        raise TrashRefused("There is no such file.", code="file_unknown", file=file_id)
    if not keep and (live := _live(file_id)) is not None:
        return live
    if not file.root.writable:
        raise TrashRefused(
            "This folder is only read: nothing in it is changed unless you allow it.",
            code="root_not_writable",
            root=file.root.path,
        )
    if file.missing_since is not None:
        raise TrashRefused("The file is not there.", code="file_is_missing", path=file.display)
    try:
        with transaction.atomic():
            row = TrashedFile.objects.create(
                root_id=file.root_id,
                rel_path=bytes(file.rel_path),
                display=file.display,
                size_bytes=file.size_bytes,
                mtime_ns=file.mtime_ns,
                decided_inode=file.inode if as_read else None,
                reason=reason.value,
                file_id=None if keep else file.id,
                variant_id=file.variant_id,
                file_facts={"title": file.title, "artist": file.artist, "album": file.album, "keep": keep},
                replaced_by_id=file.id if keep else replaced_by_id,
                keep_until_proven=keep_until_proven,
            )
            TrashedFile.objects.filter(id=row.id).update(next_step_at=Now())
            if send:
                enqueue(TaskName.TRASH_STEP, str(row.id))
    except IntegrityError:
        live = _live(file_id)
        if live is None:
            raise
        return live
    return row.id


def trash_restore_ask(trash_id: uuid.UUID, *, numbered: bool = False, send: bool = True) -> TrashState:
    """Ask for a trashed file back, at its old name, or with `numbered` at the next free one if that is taken. Asking twice changes nothing.

    Raises TrashRefused `trash_unknown`, `trash_state` (purged, failed), `root_not_writable`.
    """
    row = TrashedFile.objects.select_related("root").filter(id=trash_id).first()
    if row is None:
        raise TrashRefused("Nothing of this id is in the trash.", code="trash_unknown")
    if not row.root.writable:
        raise TrashRefused(
            "This folder is only read: nothing in it is changed unless you allow it.",
            code="root_not_writable",
            root=row.root.path,
        )
    with transaction.atomic():
        moved = advance(
            TrashedFile.objects.filter(id=trash_id),
            moves=TRASH_MOVES,
            to=TrashState.RESTORING,
            code="",
            params={"numbered": numbered},
            next_step_at=Now(),
            lease_until=None,
        )
        if moved and send:
            enqueue(TaskName.TRASH_STEP, str(trash_id))
        if moved:
            _tell()
    state = _state(trash_id)
    if not moved and state not in (TrashState.RESTORING, TrashState.RESTORED):
        raise TrashRefused(
            f"What is {state.value} can't be put back.", code="trash_state", state=state.value, path=row.display
        )
    return state


def trash_call_off(trash_id: uuid.UUID) -> bool:
    """Whoever asked for a file to be put into the trash does not want it any more. True: it stays where it is (or left the trash's hands before);
    False: its move has begun, or it lies in the trash."""
    with transaction.atomic():
        called_off = advance(
            TrashedFile.objects.filter(id=trash_id),
            moves=TRASH_MOVES,
            to=TrashState.FAILED,
            only_from=[TrashState.PLANNED],
            code="trash_called_off",
            params={},
            next_step_at=None,
            lease_until=None,
        )
        if called_off:
            _tell()
    return bool(called_off) or _state(trash_id) is TrashState.FAILED


def trash_need(trash_ids: Collection[uuid.UUID], *, needed: bool) -> None:
    """A fix that is under way may have to bring these back, or may not any more. Inside the transaction that moves the fix: of it and a purge that
    is asked for in the same moment one comes first, and the other sees it."""
    TrashedFile.objects.filter(id__in=list(trash_ids)).exclude(needed=needed).update(needed=needed)


def trash_purge_ask(
    trash_ids: Collection[uuid.UUID], *, send: bool = True, needed_too: bool = False
) -> tuple[uuid.UUID, ...]:
    """Ask for trashed files to be deleted for good: those of them that are in the trash (at most MAX_ASKED). There is no undo.

    What a fix under way may have to bring back stays, unless it is the fix that asks (`needed_too`).
    """
    asked = []
    with transaction.atomic():
        for trash_id in sorted(set(trash_ids))[:MAX_ASKED]:
            row = TrashedFile.objects.filter(id=trash_id)
            moved = advance(
                row if needed_too else row.filter(needed=False),
                moves=TRASH_MOVES,
                to=TrashState.PURGING,
                code="",
                params={},
                next_step_at=Now(),
                lease_until=None,
            )
            if moved:
                asked.append(trash_id)
                if send:
                    enqueue(TaskName.TRASH_STEP, str(trash_id))
        if asked:
            _tell()
    return tuple(asked)


def trash_claim(trash_id: uuid.UUID, *, lease_s: int) -> TrashClaim | None:
    """Take a row that has a step to do and whose time has come; None if there is nothing to do, or somebody else does it."""
    due = TrashedFile.objects.filter(id=trash_id, state__in=sorted(TRASH_OPEN), next_step_at__lte=Now())
    if not lease_claim(due, seconds=lease_s):
        return None
    row = TrashedFile.objects.select_related("root").get(id=trash_id)
    tries = row.params.get("tries", 0)
    decided = None
    if row.decided_inode is not None:
        decided = FileStat(size_bytes=row.size_bytes, mtime_ns=row.mtime_ns, inode=row.decided_inode)
    return TrashClaim(
        id=row.id,
        attempt=row.attempt,
        state=TrashState(row.state),
        root_id=row.root_id,
        root=row.root.path,
        relative=bytes(row.rel_path),
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        mode=row.mode,
        sha256=bytes(row.sha256),
        decided=decided,
        keep=bool(row.file_facts.get("keep")),
        numbered=bool(row.params.get("numbered")),
        place=row.place,
        code=row.code,
        tries=tries if isinstance(tries, int) else 0,
    )


def trash_renew(claim: TrashClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: the row is not this worker's any more."""
    open_rows = _row(claim).filter(state__in=sorted(TRASH_OPEN))
    return open_rows.update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def trash_hashed(claim: TrashClaim, *, size_bytes: int, mtime_ns: int, mode: int, sha256: bytes) -> bool:
    """The file was read: what it is like is known before it moves."""
    return bool(
        advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.MOVING,
            size_bytes=size_bytes,
            mtime_ns=mtime_ns,
            mode=mode,
            sha256=sha256,
        )
    )


def trash_moved(claim: TrashClaim, *, place: str) -> bool:
    """It lies in the trash; its own row goes with it."""
    with transaction.atomic():
        moved = advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.TRASHED,
            only_from=[TrashState.MOVING],
            place=place,
            code="",
            params={},
            next_step_at=None,
            lease_until=None,
            trashed_at=Now(),
        )
        if not moved:
            return False
        row = TrashedFile.objects.get(id=claim.id)
        if row.file_id is not None:
            hidden = _hidden(row.id, claim.relative)
            AudioFile.objects.filter(id=row.file_id).update(
                rel_path=hidden, rel_path_hash=hashlib.sha256(hidden).digest(), missing_since=Now()
            )
            folder_pending(row.root_id, claim.relative.rpartition(b"/")[0])
            if row.variant_id is not None:
                variants_mark([row.variant_id])
            ring(NODE_CHANNEL, "library")
        _tell()
    return True


def trash_later(claim: TrashClaim, *, code: str, params: Params, delay_s: float) -> bool:
    """It can't be moved now: the row waits with the reason."""
    tries = claim.tries + 1 if claim.code == code else 1
    kept = _row(claim).update(
        code=code,
        params={**params, "tries": tries, "numbered": claim.numbered},
        next_step_at=Now() + timedelta(seconds=delay_s),
        lease_until=None,
        updated_at=Now(),
    )
    return kept == 1


def trash_failed(claim: TrashClaim, *, code: str, params: Params) -> bool:
    """It can't be moved: it stays where it was, untouched."""
    with transaction.atomic():
        moved = advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.FAILED,
            code=code,
            params=dict(params),
            next_step_at=None,
            lease_until=None,
        )
        _tell()
    return bool(moved)


def trash_restored(claim: TrashClaim, *, relative: bytes, stat: FileStat) -> bool:
    """It is back, at `relative`; so is its own row. A row that a scan made of another file of that name, gone meanwhile, gives way."""
    with transaction.atomic():
        moved = advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.RESTORED,
            restore_path=b"" if relative == claim.relative else relative,
            code="",
            params={},
            next_step_at=None,
            lease_until=None,
            restored_at=Now(),
        )
        if not moved:
            return False
        row = TrashedFile.objects.get(id=claim.id)
        if row.file_id is not None:
            _show_again(row, row.file_id, relative, stat)
            ring(NODE_CHANNEL, "library")
        _tell()
    return True


def trash_not_restored(claim: TrashClaim, *, code: str, params: Params) -> bool:
    """It can't be put back now; it stays in the trash, with the reason."""
    with transaction.atomic():
        moved = advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.TRASHED,
            only_from=[TrashState.RESTORING],
            code=code,
            params=dict(params),
            next_step_at=None,
            lease_until=None,
        )
        _tell()
    return bool(moved)


def trash_purged(claim: TrashClaim) -> bool:
    """Its bytes are gone. Its rows stay, as those of any file that is gone."""
    with transaction.atomic():
        moved = advance(
            _row(claim),
            moves=TRASH_MOVES,
            to=TrashState.PURGED,
            code="",
            params={},
            next_step_at=None,
            lease_until=None,
            purged_at=Now(),
        )
        _tell()
    return bool(moved)


def file_moved(file_id: int, *, root_id: int, relative: bytes, stat: FileStat) -> None:
    """A file of ours got another name, maybe in another root: its row follows. A row of another file of that name that is gone gives way."""
    with transaction.atomic():
        row = AudioFile.objects.get(id=file_id)
        before = bytes(row.rel_path).rpartition(b"/")[0]
        file_named(root_id, file_id, relative, stat)
        for root, folder in {(row.root_id, before), (root_id, relative.rpartition(b"/")[0])}:
            folder_pending(root, folder)
        ring(NODE_CHANNEL, "library")


def trash_forget(*, ended_before: datetime) -> int:
    """Remove rows of what was restored, purged or failed before then; how many."""
    ended = [TrashState.RESTORED, TrashState.PURGED, TrashState.FAILED]
    return TrashedFile.objects.filter(state__in=sorted(ended), updated_at__lt=ended_before).delete()[0]


def _show_again(row: TrashedFile, file_id: int, relative: bytes, stat: FileStat) -> None:
    file_named(row.root_id, file_id, relative, stat)
    folder_pending(row.root_id, relative.rpartition(b"/")[0])
    if row.variant_id is not None:
        variants_mark([row.variant_id])


def file_named(root_id: int, file_id: int, relative: bytes, stat: FileStat) -> None:
    """Give a file's row its place; inside a transaction. A row of another file of that name that is gone gives way."""
    path_hash = hashlib.sha256(relative).digest()
    others = AudioFile.objects.filter(root_id=root_id, rel_path_hash=path_hash).exclude(id=file_id)
    for other in others:
        stale = f"{FOLDER}/row-{other.id}".encode()
        AudioFile.objects.filter(id=other.id).update(
            rel_path=stale,
            rel_path_hash=hashlib.sha256(stale).digest(),
            missing_since=other.missing_since or timezone.now(),
        )
    AudioFile.objects.filter(id=file_id).update(
        root_id=root_id,
        rel_path=relative,
        rel_path_hash=path_hash,
        display=display_text(relative)[:4000],
        folder_hash=hashlib.sha256(relative.rpartition(b"/")[0]).digest(),
        size_bytes=stat.size_bytes,
        mtime_ns=stat.mtime_ns,
        inode=inode_signed(stat.inode),
        missing_since=None,
    )


def _hidden(trash_id: uuid.UUID, relative: bytes) -> bytes:
    return b"/".join([FOLDER.encode(), str(trash_id).encode(), relative.rpartition(b"/")[2]])


def _live(file_id: int) -> uuid.UUID | None:
    rows = TrashedFile.objects.filter(file_id=file_id, state__in=sorted(TRASH_LIVE))
    return rows.values_list("id", flat=True).first()


def _state(trash_id: uuid.UUID) -> TrashState:
    return TrashState(TrashedFile.objects.values_list("state", flat=True).get(id=trash_id))


def _row(claim: TrashClaim) -> QuerySet[TrashedFile]:
    return TrashedFile.objects.filter(id=claim.id, attempt=claim.attempt)


def _tell() -> None:
    ring(WEB_CHANNEL, "trash")
