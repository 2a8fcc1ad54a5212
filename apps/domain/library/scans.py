"""A scan of a library folder: its states and moves, whether the folder is really there, and how long it will take. Pure.

A **scan** walks one root (or a folder of it) and leaves rows to be read. It is `queued` until a worker takes it, `walking` while paths are compared with
rows, `reading` while what was new or changed is decoded, and ends `completed`. A person may `pause` (the cursor stays, `resume` goes on behind it)
or cancel it. `failed` means that nothing can be said of the folder (it is not there, it does not answer); the rows of its files stay as they are.

A share that stalls leaves the scan in its state with the code `root_stalled` and the time of the next attempt; after STALL_TRIES it fails.

The cursor of a walk is the last path of the last batch that is in the rows; behind a NUL, which no path has, it is the id of the last row whose file was
looked for by its own path: after the walk, rows that no path confirmed are asked for one by one, and only what is answered with "no such file" is missing.

**An absent mount never means "all files deleted".** A root's marker file holds the root's id. Without it (never writable, or gone) known files must be
found where they were, or a walked file must be one that is known by inode, size and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

STALL_TRIES: Final = 8
"""With STALL_DELAYS_S about an hour."""
STALL_DELAYS_S: Final = (30, 60, 120, 300, 600, 900, 900)
CHANGING_TRIES: Final = 5
"""A file that changes while it is read is read again so often, then left until the next scan."""
CHANGING_DELAY_S: Final = 60


class ScanState(StrEnum):
    """State of a LibraryScan row."""

    QUEUED = "queued"
    WALKING = "walking"
    READING = "reading"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_S = ScanState
SCAN_MOVES: Final[Mapping[ScanState, frozenset[ScanState]]] = {
    _S.QUEUED: frozenset({_S.WALKING, _S.PAUSED, _S.CANCELLED}),
    _S.WALKING: frozenset({_S.READING, _S.COMPLETED, _S.PAUSED, _S.FAILED, _S.CANCELLED}),
    _S.READING: frozenset({_S.COMPLETED, _S.PAUSED, _S.FAILED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.QUEUED, _S.READING, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
SCAN_LIVE: Final = frozenset({_S.QUEUED, _S.WALKING, _S.READING, _S.PAUSED})
"""A root has at most one scan in these states."""
SCAN_AT_WORK: Final = frozenset({_S.QUEUED, _S.WALKING, _S.READING})
"""While one of its scans is in these, a root's pending files are read."""


class ReadState(StrEnum):
    """State of an AudioFile's content."""

    PENDING = "pending"
    READ = "read"
    UNREADABLE = "unreadable"


# --- is the folder there? -------------------------------------------------------------------------------------------------------------

RootVerdict = Literal["present", "root_missing", "root_differs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootEvidence:
    """What tells whether the folder at a root's path is that root."""

    is_folder: bool
    marker_known: str
    """What the root's row says its marker holds; "" if none could ever be written."""
    marker_found: str | None
    """What the marker file in the folder holds; None: there is none, or it can't be read."""
    files_known: bool
    """The rows have files that are not known to be missing."""
    file_found: bool
    """At least one of them was found: where it was, or under another name by inode, size and time."""


def root_verdict(evidence: RootEvidence) -> RootVerdict:
    """`root_differs`: another root's disk is mounted here. A root without known files is believed: there is nothing to lose."""
    if not evidence.is_folder:
        return "root_missing"
    if evidence.marker_found and evidence.marker_known and evidence.marker_found != evidence.marker_known:
        return "present" if evidence.file_found else "root_differs"
    if evidence.marker_found is not None and evidence.marker_found == evidence.marker_known:
        return "present"
    if not evidence.files_known or evidence.file_found:
        return "present"
    return "root_missing"


def stall_delay_s(tries: int) -> int | None:
    """Seconds to wait after the `tries`-th stall in a row (≥ 1); None: no more attempts."""
    return STALL_DELAYS_S[tries - 1] if tries < STALL_TRIES else None


# --- how far is it? -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCounts:
    """Numbers of a scan. `expected`: paths that the last complete scan of the same folder saw; None: there was none."""

    state: ScanState
    seen: int
    expected: int | None
    to_read: int
    """New and changed files."""
    read: int
    """Of them, by now; unreadable ones too."""
    bytes_read: int
    window_s: float
    """Seconds of work in the current stretch (since the scan was taken up, resumed, or the last ten minutes)."""
    window_seen: int
    """Seen, read and bytes read in that stretch."""
    window_read: int
    window_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProgress:
    """How far a scan is. Numbers nobody can know yet are None."""

    done: int
    total: int | None
    share: float | None
    """0..1"""
    files_per_s: float | None
    bytes_per_s: float | None
    eta_s: float | None


_SHORTEST_WINDOW_S = 1.0
"""A rate over less is noise."""


def progress(counts: ScanCounts) -> ScanProgress:
    """Of the phase a scan is in: paths while it walks, files while it reads. The ETA is the rest at the rate of the current stretch."""
    if counts.state is ScanState.READING or (counts.state is ScanState.PAUSED and counts.to_read and counts.read):
        done, in_window = counts.read, counts.window_read
        total: int | None = max(counts.to_read, counts.read)
    elif counts.state is ScanState.COMPLETED:
        done, in_window, total = counts.seen, 0, counts.seen
    else:
        done, in_window = counts.seen, counts.window_seen
        total = max(counts.expected, counts.seen) if counts.expected else None
    moving = counts.window_s >= _SHORTEST_WINDOW_S and counts.state in (ScanState.WALKING, ScanState.READING)
    rate = in_window / counts.window_s if moving and in_window > 0 else None
    left = total - done if total is not None else None
    return ScanProgress(
        done=done,
        total=total,
        share=(1.0 if not total else min(1.0, done / total)) if total is not None else None,
        files_per_s=rate,
        bytes_per_s=counts.window_bytes / counts.window_s if moving and counts.window_bytes > 0 else None,
        eta_s=left / rate if rate and left is not None else None,
    )


# --- cursor ---------------------------------------------------------------------------------------------------------------------------


def cursor_of_row(row_id: int) -> bytes:
    """The cursor of the second stage: rows up to this id have been asked for."""
    return b"\0%d" % row_id


def row_of_cursor(cursor: bytes) -> int | None:
    """The row id that a cursor of the second stage holds; None: the walk is not over."""
    return int(cursor[1:]) if cursor.startswith(b"\0") else None
