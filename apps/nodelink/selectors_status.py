"""What the pages and health checks know of the node: its last heartbeat, how old it is, and what it said of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from apps.nodelink.models import NodeCommand, NodeEvent
from apps.nodelink.selectors import node_status


class NodePresence(StrEnum):
    """How the node is, as far as its heartbeat tells."""

    ABSENT = "absent"  # never seen
    SILENT = "silent"  # was here, the heartbeat is too old
    ALIVE = "alive"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGlance:
    """The node's last sign of life. Numbers are 0 when it did not say."""

    presence: NodePresence
    peer_id: str = ""
    version: str = ""
    started_at: datetime | None = None
    beat_at: datetime | None = None
    age_s: float | None = None
    links: int = 0
    """Authenticated overlay links open."""
    dht_nodes: int = 0
    """Good nodes in the DHT routing table."""
    down_bps: int = 0
    up_bps: int = 0
    report: Mapping[str, object]


def node_glance() -> NodeGlance:
    """The newest heartbeat; one query."""
    status = node_status()
    if status is None:
        return NodeGlance(presence=NodePresence.ABSENT, report={})
    report: Mapping[str, object] = status.report if status.alive else {}
    return NodeGlance(
        presence=NodePresence.ALIVE if status.alive else NodePresence.SILENT,
        peer_id=status.peer_id,
        version=status.version,
        started_at=status.started_at,
        beat_at=status.beat_at,
        age_s=max(0.0, (timezone.now() - status.beat_at).total_seconds()),
        links=_number(report, "links"),
        dht_nodes=_number(report, "dht_nodes"),
        down_bps=_number(report, "down_bps"),
        up_bps=_number(report, "up_bps"),
        report=report,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Rows that wait to be taken up by the other side."""

    commands: int
    events: int


def backlog() -> Backlog:
    """Open commands and events; two queries on partial indexes."""
    return Backlog(
        commands=NodeCommand.objects.filter(processed_at__isnull=True).count(),
        events=NodeEvent.objects.filter(processed_at__isnull=True).count(),
    )


def _number(report: Mapping[str, object], key: str) -> int:
    value = report.get(key)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
