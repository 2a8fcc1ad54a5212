"""Reads of what the node reports."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from apps.nodelink.models import NodeEvent, NodeHeartbeat

ALIVE_WITHIN_S = 20  # four beats of five seconds: one late UPDATE is no death


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvent:
    """An event nobody dealt with yet."""

    id: uuid.UUID
    kind: str
    version: int
    payload: dict[str, object]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """The node as it last reported. `report` is described in overlay_node.services.heartbeat (version 1)."""

    peer_id: str
    boot_id: str
    started_at: datetime
    beat_at: datetime
    version: str
    report_version: int
    report: dict[str, object]
    alive: bool


def events_open(*, limit: int = 200) -> list[OpenEvent]:
    """Events not dealt with yet, oldest first."""
    rows = NodeEvent.objects.filter(processed_at__isnull=True).order_by("created_at", "id")[:limit]
    return [
        OpenEvent(
            id=row.id,
            kind=row.kind,
            version=row.version,
            payload=row.payload,
            attempts=row.attempts,
            created_at=row.created_at,
        )
        for row in rows
    ]


def node_status() -> NodeStatus | None:
    """The newest heartbeat; None if a node never ran with this database."""
    row = NodeHeartbeat.objects.order_by("-beat_at").first()
    if row is None:
        return None
    return NodeStatus(
        peer_id=row.peer_id,
        boot_id=row.boot_id,
        started_at=row.started_at,
        beat_at=row.beat_at,
        version=row.version,
        report_version=row.report_version,
        report=row.report,
        alive=timezone.now() - row.beat_at <= timedelta(seconds=ALIVE_WITHIN_S),
    )
