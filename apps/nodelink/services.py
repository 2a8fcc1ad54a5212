"""The only writers of node events and heartbeats."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import F
from django.db.models.functions import Now

from apps.common.dispatch import TaskName, enqueue
from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.contracts.events import NodeEventPayload, write_event
from apps.domain.contracts.node_work import Heartbeat
from apps.nodelink.models import NodeEvent, NodeHeartbeat

REPORT_VERSION = 1


def event_record(event: NodeEventPayload) -> uuid.UUID:
    """Write an event and, once the transaction commits, wake its consumer. Call inside the transaction of the change it tells of."""
    kind, version, payload = write_event(event)
    row = NodeEvent.objects.create(kind=kind, version=version, payload=payload)
    enqueue(TaskName.CONSUME_NODE_EVENTS)
    ring(WEB_CHANNEL, kind)
    return row.id


def event_processed(event_id: uuid.UUID) -> bool:
    """Mark an event as dealt with. True if this call did it: of two racing consumers exactly one commits the work that goes with it."""
    moved = NodeEvent.objects.filter(id=event_id, processed_at__isnull=True).update(
        processed_at=Now(), attempts=F("attempts") + 1, error_code=""
    )
    return moved == 1


def event_failed(event_id: uuid.UUID, *, code: str, final: bool) -> None:
    """An event could not be dealt with: it stays open for another try, or is closed with its code (`final`: no try would help)."""
    rows = NodeEvent.objects.filter(id=event_id, processed_at__isnull=True)
    if final:
        rows.update(processed_at=Now(), attempts=F("attempts") + 1, error_code=code)
    else:
        rows.update(attempts=F("attempts") + 1, error_code=code)


def events_sweep(*, processed_before: datetime) -> int:
    """Delete events dealt with before a time; returns how many."""
    deleted, _ = NodeEvent.objects.filter(processed_at__lt=processed_before).delete()
    return deleted


def heartbeat_record(beat: Heartbeat) -> None:
    """The node is alive and says this of itself."""
    NodeHeartbeat.objects.update_or_create(
        peer_id=beat.peer_id,
        defaults={
            "boot_id": beat.boot_id,
            "started_at": beat.started_at,
            "beat_at": Now(),
            "version": beat.version,
            "report_version": REPORT_VERSION,
            "report": dict(beat.report),
        },
    )
