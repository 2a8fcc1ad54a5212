"""The only writer of renamings and their lines. Names are worked out and files are moved by `workers.renaming`.

Lines are written before anything moves. Of two workers the lease lets one work, and every write carries `attempt` and the state it was made in: a worker
that lost its lease records nothing more (LeaseGone). A file's row changes its path in the transaction that ends its line.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import NODE_CHANNEL, WEB_CHANNEL, ring
from apps.common.transitions import advance, lease_claim
from apps.domain.errors import DomainError, Param
from apps.domain.library.naming import check_template
from apps.domain.library.paths import display_text
from apps.domain.library.renaming import RENAMING_MOVES, RENAMING_OPEN, Line, MoveState, RenamingState
from apps.domain.library.words import words_of
from apps.library.models import AudioFile, FileMove, FolderMatch, FolderWord, LibraryRenaming
from apps.library.selectors import root_containing
from apps.library.services import FileStat, folder_pending
from apps.library.services_trash import file_named

Params = Mapping[str, Param]
STOPPING: Final = "rename_stopping"
"""Code of a renaming that is to end after the file that is on its way."""
_AT_ONCE: Final = 1000


class RenameRefused(DomainError):
    """rename_path_outside, renaming_unknown, renaming_state, rename_nothing, root_not_writable."""

    default_code = "rename_refused"


class LeaseGone(Exception):
    """The renaming is not this worker's any more."""


class Stopped(Exception):
    """Somebody asked for no further file to be moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameClaim:
    """A renaming that this worker holds."""

    id: uuid.UUID
    attempt: int
    state: RenamingState
    template: str
    root_id: int | None
    below: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSums:
    """What a plan looked at: files in all, those that have their name already, folders that could not be listed."""

    looked: int
    named: int


def rename_ask(*, template: str, path: bytes = b"", requested_by: str = "", send: bool = True) -> uuid.UUID:
    """Have new names worked out for the library, or for what is at `path` (a root, a folder or a file in one; absolute). Nothing on disk changes.

    `send` False: the caller works it out itself. Raises TemplateError, RenameRefused `rename_path_outside`.
    """
    check_template(template)
    root_id, below = None, b""
    if path:
        wanted = Path(os.path.normpath(os.fsdecode(path)))
        found = root_containing(wanted)
        if found is None or not wanted.is_absolute():
            raise RenameRefused("This path is in no folder of the library.", code="rename_path_outside")
        root_id, root = found
        below = b"" if wanted == root else os.fsencode(wanted.relative_to(root))
    with transaction.atomic():
        row = LibraryRenaming.objects.create(
            template=template,
            root_id=root_id,
            below=below,
            display=display_text(path)[:4000],
            requested_by=requested_by[:150],
        )
        LibraryRenaming.objects.filter(id=row.id).update(next_step_at=Now())
        if send:
            enqueue(TaskName.RENAME_STEP, str(row.id))
    return row.id


def rename_apply_ask(renaming_id: uuid.UUID, *, send: bool = True) -> RenamingState:
    """Do what was planned. Asking again for one that is being done changes nothing. Raises RenameRefused `renaming_unknown`, `renaming_state`,
    `rename_nothing` (no line of it moves), `root_not_writable` (none of its lines is in a folder that may be changed)."""
    row = _known(renaming_id)
    if row.state == RenamingState.PLANNED:
        lines = FileMove.objects.filter(renaming_id=renaming_id, state=MoveState.PLANNED)
        if not lines.exists():
            read_only = (
                FileMove.objects.filter(renaming_id=renaming_id, code="root_not_writable")
                .select_related("root")
                .first()
            )
            if read_only is not None:
                raise RenameRefused(
                    "This folder is only read: nothing in it is changed unless you allow it.",
                    code="root_not_writable",
                    root=read_only.root.path,
                )
            raise RenameRefused("There is nothing to rename.", code="rename_nothing")
    return _ask(row, RenamingState.APPLYING, fine=RenamingState.DONE, send=send)


def rename_undo_ask(renaming_id: uuid.UUID, *, send: bool = True) -> RenamingState:
    """Put back what was renamed. Raises RenameRefused `renaming_unknown`, `renaming_state`."""
    return _ask(_known(renaming_id), RenamingState.UNDOING, fine=RenamingState.UNDONE, send=send)


def rename_stop(renaming_id: uuid.UUID, *, send: bool = True) -> None:
    """End one that is being applied: the file that is on its way gets there, what was renamed stays so (and can be taken back), the rest keeps its names.
    Raises RenameRefused as above."""
    row = _known(renaming_id)
    applying = LibraryRenaming.objects.filter(id=renaming_id, state=RenamingState.APPLYING)
    with transaction.atomic():
        if not applying.update(code=STOPPING, updated_at=Now()):
            raise _not_in_state(row)
        if send:
            enqueue(TaskName.RENAME_STEP, str(row.id))
        ring(WEB_CHANNEL, "library")


def rename_claim(renaming_id: uuid.UUID, *, lease_s: int) -> RenameClaim | None:
    """Take one that has something to do; None if there is nothing, or somebody else does it."""
    due = LibraryRenaming.objects.filter(id=renaming_id, state__in=sorted(RENAMING_OPEN), next_step_at__lte=Now())
    if not lease_claim(due, seconds=lease_s):
        return None
    row = LibraryRenaming.objects.get(id=renaming_id)
    return RenameClaim(
        id=row.id,
        attempt=row.attempt,
        state=RenamingState(row.state),
        template=row.template,
        root_id=row.root_id,
        below=bytes(row.below),
    )


def rename_renew(claim: RenameClaim, *, lease_s: int) -> bool:
    """Keep the lease. False: it is not this worker's any more."""
    return _mine(claim).update(lease_until=Now() + timedelta(seconds=lease_s)) == 1


def rename_again(claim: RenameClaim) -> bool:
    """Give it back to be gone on with at once."""
    with transaction.atomic():
        given = _mine(claim).update(lease_until=None, next_step_at=Now(), updated_at=Now()) == 1
        if given:
            enqueue(TaskName.RENAME_STEP, str(claim.id))
    return given


def plan_write(claim: RenameClaim, lines: Iterable[Line], sums: PlanSums) -> None:
    """Keep the plan: its lines in order, those that have their name already left out. Repeating it replaces what was written. Raises LeaseGone."""
    FileMove.objects.filter(renaming_id=claim.id).delete()
    counts = {"planned": 0, "beside": 0, "blocked": 0}
    rows: list[FileMove] = []
    position = 0
    for line in lines:
        if line.code == "rename_same":
            continue
        position += 1
        counts["blocked" if line.code else "planned" if line.wish.file_id is not None else "beside"] += 1
        rows.append(
            FileMove(
                renaming_id=claim.id,
                position=position,
                file_id=line.wish.file_id,
                sidecar=line.wish.file_id is None,
                root_id=line.wish.root_id,
                old_path=line.wish.old,
                new_path=line.wish.new,
                state=MoveState.BLOCKED if line.code else MoveState.PLANNED,
                code=line.code,
                params=dict(line.params or {}),
            )
        )
        if len(rows) == _AT_ONCE:
            _lines_write(claim, rows)
            rows = []
    _lines_write(claim, rows)
    _end(claim, RenamingState.PLANNED, looked=sums.looked, named=sums.named, **counts)


def plan_failed(claim: RenameClaim, *, code: str, params: Params) -> None:
    """No plan can be made; why. Raises LeaseGone."""
    _end(claim, RenamingState.FAILED, code=code, params=dict(params), ended_at=Now())


def move_begin(claim: RenameClaim, move_id: int, *, stat: FileStat) -> None:
    """What the file is like, before anything happens to it. Raises LeaseGone, Stopped."""
    back = claim.state is RenamingState.UNDOING
    with transaction.atomic():
        _fenced(claim)
        if _mine(claim).filter(code=STOPPING).exists():
            raise Stopped
        FileMove.objects.filter(id=move_id, state=MoveState.MOVED if back else MoveState.PLANNED).update(
            state=MoveState.RETURNING if back else MoveState.MOVING,
            size_bytes=stat.size_bytes,
            mtime_ns=stat.mtime_ns,
            inode=_signed(stat.inode),
        )


def move_done(claim: RenameClaim, move_id: int, *, stat: FileStat) -> None:
    """The file has its other name, and its row says so. Raises LeaseGone."""
    back = claim.state is RenamingState.UNDOING
    with transaction.atomic():
        _fenced(claim, returned=F("returned") + 1) if back else _fenced(claim, moved=F("moved") + 1)
        FileMove.objects.filter(id=move_id).update(
            state=MoveState.RETURNED if back else MoveState.MOVED, code="", params={}
        )
        line = FileMove.objects.get(id=move_id)
        if line.file_id is not None:
            path = bytes(line.old_path if back else line.new_path)
            file_named(line.root_id, line.file_id, path, stat)
            ring(NODE_CHANNEL, "library")


def move_failed(claim: RenameClaim, move_id: int, *, code: str, params: Params) -> None:
    """The file stays where it is; why. Raises LeaseGone."""
    back = claim.state is RenamingState.UNDOING
    with transaction.atomic():
        _fenced(claim, stuck=F("stuck") + 1) if back else _fenced(claim, failed=F("failed") + 1)
        FileMove.objects.filter(id=move_id).update(
            state=MoveState.STUCK if back else MoveState.FAILED, code=code, params=dict(params)
        )


def folders_follow(root_id: int, old: bytes, new: Sequence[bytes]) -> None:
    """Music of the folder `old` went to the folders `new`. If all of it went to one that is new itself, what is known of the folder (the release it was
    matched to, a person's choice) goes along; otherwise all of them are matched again. Repeating it has them matched again at worst."""
    if list(new) == [old]:
        return
    left = AudioFile.objects.filter(root_id=root_id, folder_hash=_hash(old), missing_since=None).exists()
    here = FolderMatch.objects.filter(root_id=root_id, folder_hash=_hash(old)).first()
    with transaction.atomic():
        there = FolderMatch.objects.filter(root_id=root_id, folder_hash=_hash(new[0])).exists()
        if len(new) == 1 and here is not None and not left and not there:
            shown = display_text(new[0])[:4000]
            FolderMatch.objects.filter(id=here.id).update(
                folder=new[0],
                folder_hash=_hash(new[0]),
                display=shown,
                attempt=F("attempt") + 1,
                lease_until=None,
                updated_at=Now(),
            )
            FolderWord.objects.filter(folder_id=here.id).delete()
            FolderWord.objects.bulk_create(FolderWord(folder_id=here.id, word=word) for word in words_of(shown))
            return
        for folder in {old, *new} if left or here is not None else set(new):
            folder_pending(root_id, folder)


def rename_ended(claim: RenameClaim, *, stopped: bool = False) -> None:
    """Every line was tried; `stopped`: as many as somebody wanted. Raises LeaseGone."""
    _end(
        claim,
        RenamingState.UNDONE if claim.state is RenamingState.UNDOING else RenamingState.DONE,
        code="rename_stopped" if stopped else "",
        ended_at=Now(),
    )


def renamings_forget(*, untouched_since: datetime) -> int:
    """Remove renamings and their lines that nobody did anything with since then; how many. Those at work stay."""
    rows = LibraryRenaming.objects.filter(updated_at__lt=untouched_since).exclude(state__in=sorted(RENAMING_OPEN))
    ids = list(rows.values_list("id", flat=True)[:100])
    return LibraryRenaming.objects.filter(id__in=ids).delete()[1].get("library.LibraryRenaming", 0)


def _ask(row: LibraryRenaming, to: RenamingState, *, fine: RenamingState, send: bool) -> RenamingState:
    with transaction.atomic():
        moved = advance(
            LibraryRenaming.objects.filter(id=row.id),
            moves=RENAMING_MOVES,
            to=to,
            code="",
            params={},
            next_step_at=Now(),
            lease_until=None,
        )
        if moved and to is RenamingState.APPLYING:
            LibraryRenaming.objects.filter(id=row.id).update(applied_at=Now())
        if moved and send:
            enqueue(TaskName.RENAME_STEP, str(row.id))
        ring(WEB_CHANNEL, "library")
    if moved:
        return to
    state = RenamingState(LibraryRenaming.objects.values_list("state", flat=True).get(id=row.id))
    if state not in (to, fine):
        raise _not_in_state(row)
    return state


def _known(renaming_id: uuid.UUID) -> LibraryRenaming:
    row = LibraryRenaming.objects.filter(id=renaming_id).first()
    if row is None:
        raise RenameRefused("There is no renaming of this id.", code="renaming_unknown")
    return row


def _not_in_state(row: LibraryRenaming) -> RenameRefused:
    state = LibraryRenaming.objects.values_list("state", flat=True).get(id=row.id)
    return RenameRefused(f"A renaming that is {state} can't do this.", code="renaming_state", state=state)


def _lines_write(claim: RenameClaim, rows: list[FileMove]) -> None:
    with transaction.atomic():
        _fenced(claim)
        FileMove.objects.bulk_create(rows)


def _fenced(claim: RenameClaim, **changes: object) -> None:
    """Inside a transaction: it is still ours, or nothing of it is written."""
    if _mine(claim).update(updated_at=Now(), **changes) != 1:
        raise LeaseGone


def _end(claim: RenameClaim, to: RenamingState, **changes: object) -> None:
    with transaction.atomic():
        _fenced(claim, **changes)
        if not advance(_mine(claim), moves=RENAMING_MOVES, to=to, next_step_at=None, lease_until=None):
            raise LeaseGone
        ring(WEB_CHANNEL, "library")


def _mine(claim: RenameClaim) -> QuerySet[LibraryRenaming]:
    return LibraryRenaming.objects.filter(id=claim.id, attempt=claim.attempt, state=claim.state)


def _hash(folder: bytes) -> bytes:
    return hashlib.sha256(folder).digest()


def _signed(inode: int) -> int:
    return inode - (1 << 64) if inode >= 1 << 63 else inode
