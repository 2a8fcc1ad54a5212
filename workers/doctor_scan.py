"""Task: the Collection Doctor looks over the library's rows, slice by slice.

Each slice is one read (values for the rules), the pure rules, and one transaction that records findings and cursor together: a worker that dies costs
a slice, and looking twice finds the same. A worker works RUN_S at a stretch, so that a look at a large library does not keep others waiting.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from celery import shared_task
from django.db.utils import Error as DatabaseError
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.domain.library.detect import FILE_RULES, Thresholds, file_findings
from apps.domain.library.detect_duplicates import duplicate_findings
from apps.domain.library.detect_releases import release_findings
from apps.domain.library.doctor import DoctorKind, DoctorStage, stage_after
from apps.domain.library.issues import IssueType
from apps.library.selectors_doctor import (
    CopySlice,
    FileSlice,
    ReleaseSlice,
    files_after,
    files_of,
    payloads_after,
    recordings_after,
    recordings_of,
    releases_after,
    releases_of,
)
from apps.library.services_doctor import (
    DoctorClaim,
    SliceDone,
    doctor_scan_claim,
    doctor_scan_due,
    doctor_scan_ended,
    doctor_scan_failed,
    doctor_scan_released,
    doctor_scan_stumbled,
    doctor_scans_waiting,
    doctor_slice_record,
)
from apps.library.services_issues import IssueScope
from apps.library.services_measures import quality_measure, quality_measure_due
from slskdn_site.config import load_config

log = logging.getLogger(__name__)

RUN_S = 20.0
"""Seconds of work in one task; a slice takes well below one."""
FILES = 300
VARIANTS = 600
RELEASES = 100
_COPIES = frozenset({IssueType.DUPLICATE_VARIANT})
_TRACKS = frozenset({IssueType.MISSING_TRACK})


@shared_task(name=TaskName.DOCTOR_LOOK.value)
def doctor_look(scan_id: str) -> None:
    """See the module. With `library_health.enabled` off nothing is looked at, whoever asked."""
    if load_config().library_health.enabled:
        look(uuid.UUID(scan_id), thresholds=thresholds_configured())
    elif (claim := doctor_scan_claim(uuid.UUID(scan_id))) is not None:
        doctor_scan_failed(claim, code="doctor_disabled")


@shared_task(name=TaskName.DOCTOR_DUE.value)
def doctor_due() -> None:
    """Begin what is due: a scheduled look, or one at what changed. Send again what waits. Count the library's figures anew."""
    for scan_id in doctor_scans_waiting():
        enqueue(TaskName.DOCTOR_LOOK, str(scan_id))
    now = timezone.now()
    if quality_measure_due(now=now):
        quality_measure(now=now)
    section = load_config().library_health
    if section.enabled:
        interval = timedelta(hours=section.auto_scan.interval_hours)
        doctor_scan_due(auto=section.auto_scan.enabled, interval=interval, now=now)


def thresholds_configured() -> Thresholds:
    """As slskdn.yml says."""
    limits, scoring = load_config().library_health.thresholds, load_config().audio.canonical_scoring
    return Thresholds(
        quality_gap_for_upgrade=limits.quality_gap_for_upgrade,
        duration_tolerance_ms=limits.duration_tolerance_ms,
        missing_tracks_min_share=limits.missing_tracks_min_share,
        good_enough=scoring.local_quality_threshold,
        canonical=scoring.enabled,
    )


def look(
    scan_id: uuid.UUID,
    *,
    thresholds: Thresholds,
    run_s: float = RUN_S,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Work on a look for `run_s`; True if it has ended (or is not to be worked on by anybody)."""
    claim = doctor_scan_claim(scan_id)
    if claim is None:
        return True
    until = clock() + run_s
    try:
        while True:
            done = _slice(claim, thresholds)
            if not doctor_slice_record(claim, done):
                return True  # paused, cancelled, or another worker's
            following = _advance(claim, done)
            if following is None:
                doctor_scan_ended(claim)
                log.info("the doctor has looked: scan=%s kind=%s", claim.id, claim.kind)
                return True
            claim = following
            if clock() >= until:
                doctor_scan_released(claim)
                return False
    except DatabaseError:
        raise  # nothing could be written now; the lease runs out and the sweep sends it again
    except Exception as error:  # a row that no rule thought of must not stop the look in silence
        log.exception("a slice could not be looked at: scan=%s stage=%s cursor=%s", claim.id, claim.stage, claim.cursor)
        doctor_scan_stumbled(claim, code=getattr(error, "code", "unexpected"))
        return False


def _advance(claim: DoctorClaim, done: SliceDone) -> DoctorClaim | None:
    if done.cursor:
        return replace(claim, cursor=done.cursor)
    following = stage_after(claim.kind, claim.stage)
    return None if following is None else replace(claim, stage=following, cursor="")


def _slice(claim: DoctorClaim, thresholds: Thresholds) -> SliceDone:
    began = timezone.now()
    changed = claim.kind is DoctorKind.CHANGED
    match claim.stage:
        case DoctorStage.FILES:
            if changed:
                ids, cursor = _next(claim, "files", FILES)
                return _files(files_of([int(one) for one in ids]), thresholds, began=began, cursor=cursor)
            files = files_after(int(claim.cursor or 0), limit=FILES)
            return _files(files, thresholds, began=began, cursor=str(files.ids[-1]) if files.ids else "")
        case DoctorStage.RECORDINGS:
            if changed:
                ids, cursor = _next(claim, "recordings", VARIANTS // 2)
                return _copies(recordings_of([uuid.UUID(one) for one in ids]), thresholds, began=began, cursor=cursor)
            copies = recordings_after(claim.cursor, limit=VARIANTS)
            return _copies(copies, thresholds, began=began, cursor=copies.last)
        case DoctorStage.PAYLOADS:
            copies = payloads_after(claim.cursor, limit=VARIANTS)
            return _copies(copies, thresholds, began=began, cursor=copies.last)
        case DoctorStage.RELEASES:
            if changed:
                ids, cursor = _next(claim, "releases", RELEASES)
                return _releases(releases_of([uuid.UUID(one) for one in ids]), thresholds, began=began, cursor=cursor)
            found = releases_after(claim.cursor, limit=RELEASES)
            return _releases(found, thresholds, began=began, cursor=str(found.ids[-1]) if found.ids else "")
        case DoctorStage.CLEARING:
            everything = IssueScope(types=frozenset(IssueType))
            return SliceDone(findings=(), looked_at=[everything], held_back=(), began=claim.began, cursor="", rows=0)


def _next(claim: DoctorClaim, stage: str, limit: int) -> tuple[list[str], str]:
    """The next ids of a look at what changed, and the cursor behind them ("" = they were the last)."""
    start = int(claim.cursor or 0)
    ids = claim.todo.get(stage, [])
    end = start + limit
    return ids[start:end], str(end) if end < len(ids) else ""


def _files(found: FileSlice, thresholds: Thresholds, *, began: datetime, cursor: str) -> SliceDone:
    return SliceDone(
        findings=[one for file in found.files for one in file_findings(file, thresholds)],
        looked_at=[IssueScope(types=FILE_RULES, file_ids=sorted(set(found.ids) - set(found.held_back)))],
        held_back=[IssueScope(types=FILE_RULES, file_ids=found.held_back)],
        began=began,
        cursor=cursor,
        rows=len(found.ids),
        files=len(found.files),
        away=len(found.held_back),
    )


def _copies(found: CopySlice, thresholds: Thresholds, *, began: datetime, cursor: str) -> SliceDone:
    judged = sorted(set(found.recordings) - set(found.held_back))
    return SliceDone(
        findings=[one for group in found.groups for one in duplicate_findings(group, thresholds)],
        looked_at=[IssueScope(types=_COPIES, recording_mbids=judged)],
        held_back=[IssueScope(types=_COPIES, recording_mbids=found.held_back)],
        began=began,
        cursor=cursor,
        rows=found.rows,
    )


def _releases(found: ReleaseSlice, thresholds: Thresholds, *, began: datetime, cursor: str) -> SliceDone:
    judged = sorted(set(found.ids) - set(found.held_back))
    return SliceDone(
        findings=[one for release in found.releases for one in release_findings(release, thresholds)],
        looked_at=[IssueScope(types=_TRACKS, release_mbids=judged)],
        held_back=[IssueScope(types=_TRACKS, release_mbids=found.held_back)],
        began=began,
        cursor=cursor,
        rows=len(found.ids),
    )
