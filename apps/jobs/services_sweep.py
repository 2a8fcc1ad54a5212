"""The net under every lost message: which rows wait, are due, and are in nobody's hands."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from apps.common.transitions import advance
from apps.domain.jobs.lifecycle import TRACK_ENDED, TRACK_MOVES, JobState, TrackState, TransferState, WantDesired
from apps.domain.jobs.tree import TREE_KINDS
from apps.jobs.models import Job, JobTrack
from apps.jobs.services import job_refresh_state
from apps.transfers.models import Transfer

BATCH = 500
ORPHAN_AFTER = timedelta(seconds=60)
"""A track that is being verified without an assembled file for so long lost its transfer on the way."""

UNSEEN_AFTER = timedelta(seconds=10)
"""An assembled file whose event should have put its track under verification by now: events take milliseconds, or two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStep:
    """A row whose next step is due. `id` is the task's argument; `attempt` tells one waiting from the next."""

    id: uuid.UUID
    attempt: int


def jobs_waiting() -> list[WaitingStep]:
    """Releases and recordings that wait to be resolved."""
    return _steps(Job.objects.filter(_free(), state__in=[JobState.PENDING, JobState.RESOLVING]), tree=False)


def trees_waiting() -> list[WaitingStep]:
    """Jobs of jobs that wait to be expanded."""
    return _steps(Job.objects.filter(_free(), state__in=[JobState.PENDING, JobState.RESOLVING]), tree=True)


def _steps(rows: QuerySet[Job], *, tree: bool) -> list[WaitingStep]:
    rows = rows.filter(kind__in=TREE_KINDS) if tree else rows.exclude(kind__in=TREE_KINDS)
    return [WaitingStep(id=key, attempt=attempt) for key, attempt in rows.values_list("id", "attempt")[:BATCH]]


def verifications_waiting() -> list[WaitingStep]:
    """Transfers whose assembled file waits for its verdict."""
    rows = Transfer.objects.filter(
        _free("want__job_track__"),
        state=TransferState.ASSEMBLED,
        verdict__isnull=True,
        want__job_track__state=TrackState.VERIFYING,
    )
    found = rows.values_list("id", "want__job_track__attempt")[:BATCH]
    return [WaitingStep(id=key, attempt=attempt) for key, attempt in found]


def tracks_put_right() -> int:
    """Repair what no message will: tracks under verification whose transfer is gone, assembled files that no track verifies (cancelled and taken
    back before the node had looked), running jobs whose tracks have all ended."""
    live = Transfer.objects.filter(want_id=OuterRef("want_id"), state=TransferState.ASSEMBLED, verdict__isnull=True)
    orphans = JobTrack.objects.filter(
        ~Exists(live),
        Q(lease_until=None) | Q(lease_until__lt=Now()),
        state=TrackState.VERIFYING,
        updated_at__lt=Now() - ORPHAN_AFTER,
    )
    put_right = advance(
        JobTrack.objects.filter(id__in=list(orphans.values_list("id", flat=True)[:BATCH])),
        moves=TRACK_MOVES,
        to=TrackState.WANTED,
        only_from=[TrackState.VERIFYING],
        code="file_missing",
        params={},
        next_step_at=None,
        lease_until=None,
    )
    unseen = JobTrack.objects.filter(
        Exists(live),
        state__in=[TrackState.WANTED, TrackState.DOWNLOADING],
        want__desired__in=[WantDesired.ACTIVE, WantDesired.PAUSED],
        updated_at__lt=Now() - UNSEEN_AFTER,
    )
    put_right += advance(
        JobTrack.objects.filter(id__in=list(unseen.values_list("id", flat=True)[:BATCH])),
        moves=TRACK_MOVES,
        to=TrackState.VERIFYING,
        only_from=[TrackState.WANTED, TrackState.DOWNLOADING],
        code="",
        params={},
        next_step_at=Now(),
        lease_until=None,
    )
    open_tracks = JobTrack.objects.filter(job_id=OuterRef("id")).exclude(state__in=sorted(TRACK_ENDED))
    over = Job.objects.filter(~Exists(open_tracks), state=JobState.RUNNING).exclude(kind__in=TREE_KINDS)
    for job_id in list(over.values_list("id", flat=True)[:BATCH]):
        job_refresh_state(job_id)
        put_right += 1
    return put_right


def _free(prefix: str = "") -> Q:
    """Due, and in nobody's hands."""
    nobody = Q(**{f"{prefix}lease_until": None}) | Q(**{f"{prefix}lease_until__lt": Now()})
    return Q(**{f"{prefix}next_step_at__lte": Now()}) & nobody
