"""What all remedies share: what ends one, and how a file of theirs gets into the trash and out of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

from apps.domain.errors import DomainError
from apps.domain.library.trash import TrashState
from apps.library.selectors_trash import root_writable
from apps.remediation.selectors import FileOnDisk, TrashedBytes, file_on_disk, trashed_bytes
from workers import trash
from workers.gateways.files import FilesError, identify
from workers.lease import LeaseKeeper

Checkpoint = Callable[[str], None]


class NotMended(DomainError):
    """The fix ends here; `code` says why. Everything is as it was."""

    default_code = "fix_failed"


def nothing(_step: str) -> None:
    """The checkpoint of whoever is not watched."""


def sound(file_id: int | None) -> FileOnDisk:
    """A file, whole on disk as it was verified. Raises NotMended, FilesError."""
    new = file_on_disk(file_id)
    if new is None or new.missing:
        raise NotMended("The file is not there any more.", code="fix_new_file_gone")
    if identify(new.path).root != new.payload_root:
        raise NotMended("The file is not what was verified.", code="fix_new_file_changed", path=new.key.display)
    return new


def allowed(*folders: tuple[int, Path]) -> None:
    """Looked at right before a file of these roots (id, path) is changed. Raises NotMended `root_not_writable` if one of them may not be."""
    for root_id, path in folders:
        if root_writable(root_id) is None:
            raise NotMended("This folder is only read.", code="root_not_writable", root=str(path))


def in_trash(trash_id: uuid.UUID, lease: LeaseKeeper, checkpoint: Checkpoint) -> TrashedBytes:
    """Bring a planned file into the trash. Raises NotMended if it stays, FilesError (retryable) if the disk must be waited for."""
    lease.check()
    trash.trash_step(trash_id, checkpoint=checkpoint)
    row = trashed_bytes(trash_id)
    if row is None:
        raise NotMended("The file's row in the trash is gone.", code="trash_missing")
    if row.state == TrashState.TRASHED:
        return row
    if row.state == TrashState.FAILED:
        refused = NotMended("The file could not be put into the trash.", code=row.code or "trash_failed")
        refused.params.update(row.params)
        raise refused
    if row.state in (TrashState.PLANNED, TrashState.MOVING):
        raise FilesError("The file is not in the trash yet.", code=row.code or "trash_busy", retryable=True)
    raise NotMended("The file was taken out of the trash meanwhile.", code="fix_interrupted", state=row.state)


def out_of_trash(row: TrashedBytes, checkpoint: Checkpoint = nothing) -> None:
    """Bring a file back to its place. Raises NotMended."""
    if row.state == TrashState.RESTORED:
        return
    view = trash.trash_restore(row.id, checkpoint=checkpoint)
    if view.state is not TrashState.RESTORED:
        raise NotMended("The old file can't come back.", code=view.code or "trash_busy", path=view.path)
