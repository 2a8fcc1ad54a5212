"""The only writer of the Collection Doctor's looks: asked for, taken, a slice recorded with its cursor in one transaction, paused, cancelled, ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.transitions import advance, sources_of
from apps.domain.errors import DomainError
from apps.domain.library.doctor import (
    DOCTOR_AT_WORK,
    DOCTOR_LIVE,
    DOCTOR_MOVES,
    OVERLAP,
    SLICE_TRIES,
    DoctorKind,
    DoctorStage,
    DoctorState,
    changed_is_due,
    full_is_due,
    stage_after,
)
from apps.domain.library.issues import Finding
from apps.library.models import DoctorScan
from apps.library.selectors_doctor_due import changed_since, doctor_expected, newest_change
from apps.library.services_issues import MAX_MOVED, IssueScope, issues_cleared, issues_held, issues_record

LEASE: Final = timedelta(seconds=60)
RESEND: Final = timedelta(seconds=10)
"""A message reaches a worker much sooner, or waits in a queue where copies do no harm."""
KEPT: Final = 200
"""Ended looks that stay listed."""

Origin = Literal["person", "schedule", "change"]


class DoctorScanUnknown(DomainError):
    """No look has this id."""

    default_code = "doctor_scan_unknown"


class DoctorScanRefused(DomainError):
    """The look is not where that can be done with it."""

    default_code = "doctor_scan_refused"


class DoctorDisabled(DomainError):
    """`library_health.enabled` is false."""

    default_code = "doctor_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorClaim:
    """A look that is this worker's until its lease ends. `attempt` is the fencing token; `todo`: ids by stage, of a look at what changed."""

    id: uuid.UUID
    kind: DoctorKind
    stage: DoctorStage
    cursor: str
    attempt: int
    began: datetime
    todo: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDone:
    """What a slice brought: findings, what they were looked for in, and where the next one begins ("" = the stage is over)."""

    findings: Sequence[Finding]
    looked_at: Sequence[IssueScope]
    """Issues in here that this slice did not find are resolved."""
    held_back: Sequence[IssueScope]
    """Issues in here could not be looked at."""
    began: datetime
    cursor: str
    rows: int
    files: int = 0
    away: int = 0
    """Files that could not be judged."""


def doctor_scan_create(*, kind: DoctorKind = DoctorKind.FULL, origin: Origin = "person") -> tuple[uuid.UUID, bool]:
    """Ask for a look; (its id, whether it is new). One that is under way is the one that was asked for; a paused one goes on."""
    live = DoctorScan.objects.filter(kind=kind.value, state__in=sorted(DOCTOR_LIVE))
    for _ in range(3):
        if (row := live.first()) is not None:
            if row.state == DoctorState.PAUSED and origin == "person":
                doctor_scan_resume(row.id)
            return row.id, False
        try:
            with transaction.atomic():
                made = DoctorScan.objects.create(
                    kind=kind.value, origin=origin, state=DoctorState.QUEUED.value, stage=DoctorStage.FILES.value
                )
                enqueue(TaskName.DOCTOR_LOOK, str(made.id))
                return made.id, True
        except IntegrityError:
            continue  # somebody else asked at the same time
    raise DoctorScanRefused("Others ask for looks at the same time; try again.", retryable=True)


def doctor_scan_due(*, auto: bool, interval: timedelta, now: datetime) -> uuid.UUID | None:
    """Begin the look that is due by schedule (`auto`) or because something changed; None: none is, or one is under way."""
    if DoctorScan.objects.filter(state__in=sorted(DOCTOR_LIVE)).exists():
        return None
    full = DoctorScan.objects.filter(kind=DoctorKind.FULL.value, state=DoctorState.COMPLETED.value)
    last_full = full.order_by("-created_at").values_list("created_at", flat=True).first()
    if auto and full_is_due(last_began=last_full, interval=interval, now=now):
        return doctor_scan_create(origin="schedule")[0]
    looked_from = _looked_from()
    if not changed_is_due(newest=newest_change(), looked_from=looked_from, now=now):
        return None
    kind = DoctorKind.FULL if looked_from is None else DoctorKind.CHANGED
    return doctor_scan_create(kind=kind, origin="change")[0]


def doctor_scans_waiting() -> tuple[uuid.UUID, ...]:
    """Looks that nobody works on, though they are to be worked on: their message was lost, or their worker died."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    rows = DoctorScan.objects.filter(free, state__in=sorted(DOCTOR_AT_WORK), updated_at__lt=Now() - RESEND)
    return tuple(rows.values_list("id", flat=True))


def doctor_scan_claim(scan_id: uuid.UUID) -> DoctorClaim | None:
    """Take a look that waits or whose worker died. None: it is not there to be taken."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
    rows = DoctorScan.objects.filter(free, id=scan_id, state__in=sorted(DOCTOR_AT_WORK))
    taken = rows.update(
        state=DoctorState.RUNNING.value,
        lease_until=Now() + LEASE,
        attempt=F("attempt") + 1,
        started_at=Coalesce(F("started_at"), Now()),
        updated_at=Now(),
    )
    if not taken:
        return None
    row = DoctorScan.objects.get(id=scan_id)
    assert row.started_at is not None
    if not row.expected:
        _begin(row)
    return DoctorClaim(
        id=row.id,
        kind=DoctorKind(row.kind),
        stage=DoctorStage(row.stage),
        cursor=row.cursor,
        attempt=row.attempt,
        began=row.started_at,
        todo={name: list(ids) for name, ids in row.params.get("todo", {}).items()},
    )


def doctor_slice_record(claim: DoctorClaim, done: SliceDone) -> bool:
    """Write a slice with its findings and the cursor behind it. False: the look is not this worker's any more, nothing was written."""
    with transaction.atomic():
        mine = DoctorScan.objects.select_for_update().filter(
            id=claim.id, attempt=claim.attempt, state=DoctorState.RUNNING.value
        )
        if mine.first() is None:
            return False
        recorded = issues_record(done.findings, scan_id=claim.id)
        for scope in done.held_back:
            issues_held(scope, scan_id=claim.id)
        resolved = 0
        for scope in done.looked_at:
            while gone := issues_cleared(scope, seen_before=done.began, unless_by=claim.id):
                resolved += gone
                if gone < MAX_MOVED:
                    break
        following = None if done.cursor else stage_after(claim.kind, claim.stage)
        changes: dict[str, object] = {
            "cursor": done.cursor,
            "done": F("done") + done.rows,
            "files": F("files") + done.files,
            "found": F("found") + len(done.findings),
            "added": F("added") + recorded.added,
            "resolved": F("resolved") + resolved,
            "held_back": F("held_back") + done.away,
            "lease_until": Now() + LEASE,
            "code": "",
            "updated_at": Now(),
        }
        if following is not None:
            changes["stage"] = following.value
        mine.update(**changes)
    return True


def doctor_scan_ended(claim: DoctorClaim) -> bool:
    """All stages are over."""
    with transaction.atomic():
        rows = DoctorScan.objects.filter(id=claim.id, attempt=claim.attempt)
        ended = advance(
            rows,
            moves=DOCTOR_MOVES,
            to=DoctorState.COMPLETED,
            ended_at=Now(),
            lease_until=None,
            expected=F("done"),
            params={},
        )
        old = DoctorScan.objects.exclude(state__in=sorted(DOCTOR_LIVE)).order_by("-created_at", "-id")
        DoctorScan.objects.filter(id__in=list(old.values_list("id", flat=True)[KEPT : KEPT + 500])).delete()
    return bool(ended)


def doctor_scan_released(claim: DoctorClaim) -> None:
    """The worker has worked long enough at a stretch; the next one goes on behind the cursor."""
    rows = DoctorScan.objects.filter(id=claim.id, attempt=claim.attempt, state=DoctorState.RUNNING.value)
    if rows.update(lease_until=None, updated_at=Now()):
        enqueue(TaskName.DOCTOR_LOOK, str(claim.id))


def doctor_scan_stumbled(claim: DoctorClaim, *, code: str) -> None:
    """A slice could not be looked at. It is tried again when the lease has run out; after SLICE_TRIES in a row the look has failed, with its code."""
    with transaction.atomic():
        row = DoctorScan.objects.select_for_update().filter(id=claim.id, attempt=claim.attempt).first()
        if row is None:
            return
        tries = int(row.params.get("tries", 0)) + 1 if row.code else 1
        rows = DoctorScan.objects.filter(id=claim.id)
        rows.update(code=code, params={**row.params, "tries": tries}, updated_at=Now())
        if tries >= SLICE_TRIES:
            advance(rows, moves=DOCTOR_MOVES, to=DoctorState.FAILED, ended_at=Now(), lease_until=None)


def doctor_scan_failed(claim: DoctorClaim, *, code: str) -> None:
    """It can't be worked on at all."""
    rows = DoctorScan.objects.filter(id=claim.id, attempt=claim.attempt)
    advance(rows, moves=DOCTOR_MOVES, to=DoctorState.FAILED, ended_at=Now(), lease_until=None, code=code, params={})


def doctor_scan_pause(scan_id: uuid.UUID) -> None:
    """Stop after the slice that is under way. Raises DoctorScanUnknown, DoctorScanRefused."""
    _steer(scan_id, DoctorState.PAUSED, lease_until=None)


def doctor_scan_resume(scan_id: uuid.UUID) -> None:
    """Go on behind the cursor. Raises as doctor_scan_pause."""
    with transaction.atomic():
        _steer(scan_id, DoctorState.QUEUED, lease_until=None)
        enqueue(TaskName.DOCTOR_LOOK, str(scan_id))


def doctor_scan_cancel(scan_id: uuid.UUID) -> None:
    """End it; what it found stays. Raises as doctor_scan_pause."""
    _steer(scan_id, DoctorState.CANCELLED, ended_at=Now(), lease_until=None, code="cancelled_by_person", params={})


def _steer(scan_id: uuid.UUID, to: DoctorState, **changes: Any) -> None:  # columns
    row = DoctorScan.objects.filter(id=scan_id).only("state").first()
    if row is None:
        raise DoctorScanUnknown("There is no such look.")
    if row.state == to:
        return
    if not advance(DoctorScan.objects.filter(id=scan_id), moves=DOCTOR_MOVES, to=to, **changes):
        allowed = ", ".join(sorted(sources_of(DOCTOR_MOVES, to)))
        raise DoctorScanRefused(f"Only a look that is {allowed} can become {to}.", state=row.state, to=to.value)


def _looked_from() -> datetime | None:
    """When the last look that saw everything up to then began."""
    ended = DoctorScan.objects.filter(state=DoctorState.COMPLETED.value, started_at__isnull=False)
    return ended.order_by("-created_at", "-id").values_list("started_at", flat=True).first()


def _begin(row: DoctorScan) -> None:
    """How much there is; of a look at what changed also which rows, and if that is too much, it becomes one at everything."""
    changes: dict[str, object] = {}
    if row.kind == DoctorKind.CHANGED:
        last = _looked_from()
        since = (last or timezone.now() - timedelta(days=3650)) - OVERLAP
        found = changed_since(since)
        if found.more:
            changes["kind"] = DoctorKind.FULL.value
        else:
            todo = {
                "files": [str(one) for one in found.files],
                "recordings": [str(one) for one in found.recordings],
                "releases": [str(one) for one in found.releases],
            }
            changes |= {"since": since, "params": {"todo": todo}, "expected": max(1, sum(map(len, todo.values())))}
    if "expected" not in changes:
        changes["expected"] = max(1, doctor_expected())
    DoctorScan.objects.filter(id=row.id, attempt=row.attempt).update(**changes)
    for name, value in changes.items():
        setattr(row, name, value)
