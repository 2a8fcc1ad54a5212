"""What the node reports about transfers, turned into states of tracks. Each event is dealt with once, in the order of its making.

The event is closed and its effect written in one transaction: a consumer that is killed leaves it open, and of two consumers one wins.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.common.transitions import advance
from apps.domain.contracts.events import (
    ContractError,
    NodeEventPayload,
    TransferAssembled,
    TransferEnded,
    TransferSampled,
    TransferStarted,
    read_event,
)
from apps.domain.jobs.lifecycle import TRACK_MOVES, TRANSFER_LIVE, TrackState, TransferState
from apps.jobs.models import JobTrack
from apps.jobs.services import lossy_limit_apply
from apps.jobs.services_manifest import manifest_mark
from apps.nodelink.selectors import OpenEvent, events_open
from apps.nodelink.services import event_failed, event_processed, events_sweep
from apps.transfers.models import Transfer

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
"""Of one event whose handling raises; then it is closed with its code, so that it can't hold up the rest for ever."""
KEEP = timedelta(days=7)
"""How long processed events stay for whoever looks into what happened."""
_QUIET_CODES = frozenset({"", "want_cancelled", "want_satisfied"})
"""Ends of transfers that need no word on the track: what is wanted changed."""


def node_events_consume(*, limit: int = 200) -> int:
    """Deal with open events, oldest first; returns how many were closed by this call. One that fails stays open; later ones go on."""
    closed = 0
    for event in events_open(limit=limit):
        try:
            closed += _consume(event)
        except ContractError as error:
            log.error("node event can't be read: event=%s kind=%s code=%s", event.id, event.kind, error.code)
            event_failed(event.id, code=error.code, final=True)
        except Exception as error:
            final = event.attempts + 1 >= MAX_ATTEMPTS
            log.exception("node event failed: event=%s kind=%s attempts=%s", event.id, event.kind, event.attempts + 1)
            event_failed(event.id, code=type(error).__name__[:60], final=final)
    return closed


def node_events_forget() -> int:
    """Delete processed events that are old; returns how many."""
    return events_sweep(processed_before=timezone.now() - KEEP)


def _consume(event: OpenEvent) -> int:
    told = read_event(kind=event.kind, version=event.version, payload=event.payload)
    with transaction.atomic():
        if not event_processed(event.id):
            return 0
        _apply(told)
    return 1


def _apply(event: NodeEventPayload) -> None:
    track = JobTrack.objects.filter(want_id=event.want_id).values("id", "job_id").first()
    if track is None:
        return  # the job was deleted meanwhile
    rows = JobTrack.objects.filter(id=track["id"])
    match event:
        case TransferStarted():
            advance(rows, moves=TRACK_MOVES, to=TrackState.DOWNLOADING, code="", params={})
            lossy_limit_apply(track["job_id"])
        case TransferSampled(transfer_id=transfer_id):
            # Only ever saves bytes: should the message be lost, the whole file is checked all the same.
            enqueue(TaskName.SAMPLE_DOWNLOAD, str(transfer_id))
        case TransferAssembled(transfer_id=transfer_id):
            _verify(rows, transfer_id)
        case TransferEnded(transfer_id=transfer_id, code=code):
            live = Transfer.objects.filter(want_id=event.want_id, state__in=sorted(TRANSFER_LIVE))
            others = set(live.exclude(id=transfer_id).values_list("state", flat=True))
            if TransferState.ASSEMBLED in others:
                return  # the other payload's file is under verification: for the track nothing changed
            shown = "" if code in _QUIET_CODES else code
            advance(
                rows,
                moves=TRACK_MOVES,
                to=TrackState.WANTED,
                only_from=[TrackState.DOWNLOADING, TrackState.VERIFYING],
                code=shown[:60],
                params={},
                next_step_at=None,
                lease_until=None,
            )
            if others:  # the other payload goes on
                advance(rows, moves=TRACK_MOVES, to=TrackState.DOWNLOADING, code="", params={})
    manifest_mark([track["job_id"]])
    ring(WEB_CHANNEL, f"job {track['job_id']}")


def _verify(rows: QuerySet[JobTrack], transfer_id: uuid.UUID) -> None:
    moved = advance(
        rows, moves=TRACK_MOVES, to=TrackState.VERIFYING, code="", params={}, next_step_at=Now(), lease_until=None
    )
    if moved:
        enqueue(TaskName.VERIFY_DOWNLOAD, str(transfer_id))
