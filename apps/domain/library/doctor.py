"""A look of the Collection Doctor: its states, moves and stages, and how far it is. Pure.

A **look** goes over rows, never over files: what scans, analysis, identification and matching wrote. It is `queued` until a worker takes it,
`running` slice by slice, and ends `completed`. A person may pause it (the cursor stays, resuming goes on behind it) or cancel it; what was found by then
stays found. `failed`: a slice could not be looked at SLICE_TRIES times in a row.

`full` looks at everything and, at the end, resolves what no slice has seen. `changed` looks at the files that changed since the last look began, at
their recordings and their releases; it resolves only what belongs to those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SLICE_TRIES: Final = 5
OVERLAP: Final = timedelta(minutes=5)
"""A look at what changed begins so long before the last one began: a transaction may commit that much after the time it wrote."""
SETTLE: Final = timedelta(seconds=60)
"""What changed is looked at when nothing has changed for so long …"""
SETTLE_MOST: Final = timedelta(minutes=15)
"""… or, while a library is being read for days, so long after the last look."""


class DoctorState(StrEnum):
    """State of a DoctorScan row."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DoctorKind(StrEnum):
    """How much a look looks at."""

    FULL = "full"
    CHANGED = "changed"


class DoctorStage(StrEnum):
    """What a running look goes over, in this order."""

    FILES = "files"
    RECORDINGS = "recordings"
    PAYLOADS = "payloads"
    """those whose recording nobody knows"""
    RELEASES = "releases"
    CLEARING = "clearing"
    """what no stage has seen"""


_S = DoctorState
DOCTOR_MOVES: Final[Mapping[DoctorState, frozenset[DoctorState]]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.PAUSED, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.COMPLETED, _S.FAILED, _S.PAUSED, _S.CANCELLED}),
    _S.PAUSED: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
DOCTOR_LIVE: Final = frozenset({_S.QUEUED, _S.RUNNING, _S.PAUSED})
"""There is at most one look of a kind in these."""
DOCTOR_AT_WORK: Final = frozenset({_S.QUEUED, _S.RUNNING})

_NEXT: Final[Mapping[DoctorKind, tuple[DoctorStage, ...]]] = {
    DoctorKind.FULL: tuple(DoctorStage),
    DoctorKind.CHANGED: (DoctorStage.FILES, DoctorStage.RECORDINGS, DoctorStage.RELEASES),
}


def stage_after(kind: DoctorKind, stage: DoctorStage) -> DoctorStage | None:
    """The stage that follows; None: the look is over."""
    stages = _NEXT[kind]
    at = stages.index(stage)
    return stages[at + 1] if at + 1 < len(stages) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorProgress:
    """How far a look is. None: nobody can know yet."""

    share: float
    """0..1"""
    per_s: float | None
    eta_s: float | None


def progress(*, done: int, expected: int, running: bool, seconds: float) -> DoctorProgress:
    """`seconds`: since it began to run. The rest at the rate so far; slices are alike enough for that."""
    share = 1.0 if expected <= 0 else min(1.0, done / expected)
    rate = done / seconds if running and seconds >= 1 and done else None
    left = max(0, expected - done)
    return DoctorProgress(share=share, per_s=rate, eta_s=left / rate if rate else None)


def changed_is_due(*, newest: datetime | None, looked_from: datetime | None, now: datetime) -> bool:
    """Whether a look at what changed should begin: something did since the last look began, and it has settled (or has been going on for long)."""
    if newest is None or (looked_from is not None and newest <= looked_from):
        return False
    return now - newest >= SETTLE or looked_from is None or now - looked_from >= SETTLE_MOST


def full_is_due(*, last_began: datetime | None, interval: timedelta, now: datetime) -> bool:
    """Whether a scheduled full look should begin."""
    return last_began is None or now - last_began >= interval
