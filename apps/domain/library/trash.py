"""The states of a file on its way to, in, and out of the trash, and the only moves between them. Pure.

A trashed file is **planned** when somebody asked for it and nothing was read; **moving** once its bytes were hashed and the move may have begun;
**trashed** when it lies in the trash, byte for byte; **restoring** on its way back, and **restored** when it is there again; **purging** and **purged** when
its bytes were given up. A move that can't be made ends **failed**: the file is where it was, untouched. A restore that can't be made (its old name
is taken, the disk is full) goes back to **trashed** with a code.

Tables are data: tests walk them, rows move only by `apps.common.transitions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class TrashState(StrEnum):
    """State of a TrashedFile row."""

    PLANNED = "planned"
    MOVING = "moving"
    TRASHED = "trashed"
    RESTORING = "restoring"
    RESTORED = "restored"
    PURGING = "purging"
    PURGED = "purged"
    FAILED = "failed"


class TrashReason(StrEnum):
    """Why a file was put there."""

    REPLACED = "replaced"
    """a better or sound file took its place"""
    DUPLICATE = "duplicate"
    """another file of the same recording is kept"""
    RETAGGED = "retagged"
    """what it was before its tags were written"""
    UNDONE = "undone"
    """a new file whose fix was taken back"""
    PERSON = "person"
    """somebody put it there"""


_S = TrashState
TRASH_MOVES: Final[Mapping[TrashState, frozenset[TrashState]]] = {
    _S.PLANNED: frozenset({_S.MOVING, _S.FAILED}),
    _S.MOVING: frozenset({_S.TRASHED, _S.FAILED}),
    _S.TRASHED: frozenset({_S.RESTORING, _S.PURGING}),
    _S.RESTORING: frozenset({_S.RESTORED, _S.TRASHED}),
    _S.PURGING: frozenset({_S.PURGED}),
    _S.RESTORED: frozenset(),
    _S.PURGED: frozenset(),
    _S.FAILED: frozenset(),
}
TRASH_OPEN: Final = frozenset({_S.PLANNED, _S.MOVING, _S.RESTORING, _S.PURGING})
"""Somebody has work to do."""
TRASH_LIVE: Final = TRASH_OPEN | {_S.TRASHED}
"""At most one of a file."""

FOLDER: Final = ".slskdn-trash"
"""Of a library root; scans and shares pass over hidden names."""
