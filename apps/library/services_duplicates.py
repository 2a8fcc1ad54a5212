"""What a person does with duplicates: keep one file of a group, put the others into the trash. Asked for one group at a time, never by itself."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from apps.domain.errors import DomainError
from apps.domain.library.duplicates import DuplicateKind
from apps.domain.library.trash import TrashReason
from apps.library.selectors_duplicates import duplicate_group
from apps.library.services_trash import TrashRefused, trash_plan


class DuplicatesRefused(DomainError):
    """duplicate_unknown (the group is none any more), duplicate_not_member, duplicate_keep_one."""

    default_code = "duplicate_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trashing:
    """What became of each file: the trash's row, or the code that says why it stays (root_not_writable, file_is_missing)."""

    file_id: int
    path: str
    trash_id: uuid.UUID | None
    code: str = ""


def duplicates_trash(
    kind: DuplicateKind, key: str, *, keep: int, trash: Collection[int] | None = None
) -> tuple[Trashing, ...]:
    """Put files of a group into the trash (all but `keep`, unless `trash` names them); each can be taken back from there.

    Files in folders that are only read stay, with their code. Raises DuplicatesRefused.
    """
    group = duplicate_group(kind, key)
    if group is None:
        raise DuplicatesRefused("These files are no duplicates any more.", kind=kind.value)
    members = {one.file.file_id: one.file for one in group.files}
    going = set(members) - {keep} if trash is None else set(trash)
    if keep not in members or not going <= set(members):
        raise DuplicatesRefused("This file is not of that group.", code="duplicate_not_member", kind=kind.value)
    if keep in going:
        raise DuplicatesRefused("At least one of the files is kept.", code="duplicate_keep_one", kind=kind.value)
    done: list[Trashing] = []
    for file_id in sorted(going):
        path = members[file_id].path
        try:
            row = trash_plan(file_id, reason=TrashReason.DUPLICATE, replaced_by_id=keep)
        except TrashRefused as refused:
            done.append(Trashing(file_id=file_id, path=path, trash_id=None, code=refused.code))
        else:
            done.append(Trashing(file_id=file_id, path=path, trash_id=row))
    return tuple(done)
