"""What the pages and health checks know of the node: its last heartbeat, how old it is, and what it said of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from apps.nodelink.models import NodeEvent
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
    """both planes together"""
    soulseek: str = ""
    """Health of the session with the Soulseek server; "" = the node has no such plane, or is not alive."""
    soulseek_code: str = ""
    acting: str = ""
    """What the mode comes to."""
    loop_p99_ms: float = 0.0
    """99 of 100 beats of the node's event loop came less late than this, in the last five minutes."""
    report: Mapping[str, object]


def node_glance() -> NodeGlance:
    """The newest heartbeat; one query."""
    status = node_status()
    if status is None:
        return NodeGlance(presence=NodePresence.ABSENT, report={})
    report: Mapping[str, object] = status.report if status.alive else {}
    traffic = _map(report, "traffic")
    rates = _rates(
        status.boot_id,
        beat_at=status.beat_at,
        down=_number(traffic, "soulseek_down"),
        up=_number(_map(report, "bytes"), "up") + _number(traffic, "soulseek_up"),
    )
    return NodeGlance(
        presence=NodePresence.ALIVE if status.alive else NodePresence.SILENT,
        peer_id=status.peer_id,
        version=status.version,
        started_at=status.started_at,
        beat_at=status.beat_at,
        age_s=max(0.0, (timezone.now() - status.beat_at).total_seconds()),
        links=len(_list(report, "links")),
        dht_nodes=_sum(_map(_map(report, "dht"), "good_nodes")),
        down_bps=rates.down_bps + sum(_number(transfer, "speed_bps") for transfer in _list(report, "transfers")),
        up_bps=rates.up_bps,
        soulseek=str(_map(report, "soulseek").get("health") or ""),
        soulseek_code=str(_map(report, "soulseek").get("code") or ""),
        acting=str(report.get("acting") or ""),
        loop_p99_ms=_float(_map(report, "loop"), "p99_ms"),
        report=report,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Rows that wait for the worker."""

    events: int


def backlog() -> Backlog:
    """Open events; one query on a partial index."""
    return Backlog(events=NodeEvent.objects.filter(processed_at__isnull=True).count())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Bytes counted at a heartbeat (received over Soulseek, sent over both planes), and the rates since the one before."""

    boot_id: str
    beat_at: datetime
    down: int
    up: int
    down_bps: int = 0
    up_bps: int = 0


_sample: _Sample | None = None  # the newest beat this process has seen: the report counts bytes, people want a speed


def _rates(boot_id: str, *, beat_at: datetime, down: int, up: int) -> _Sample:
    """Bytes per second between the last two different heartbeats this process saw; 0 until there were two."""
    global _sample  # noqa: PLW0603  (replaced as a whole; a race costs one stale number)
    last = _sample
    if last is None or last.boot_id != boot_id or beat_at < last.beat_at:
        _sample = _Sample(boot_id=boot_id, beat_at=beat_at, down=down, up=up)
        return _sample
    seconds = (beat_at - last.beat_at).total_seconds()
    if seconds <= 0:
        return last
    _sample = _Sample(
        boot_id=boot_id,
        beat_at=beat_at,
        down=down,
        up=up,
        down_bps=max(0, round((down - last.down) / seconds)),
        up_bps=max(0, round((up - last.up) / seconds)),
    )
    return _sample


def _sum(report: Mapping[str, object]) -> int:
    """Of a count per address family."""
    return sum(_number(report, key) for key in report)


def _number(report: Mapping[str, object], key: str) -> int:
    value = report.get(key)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _map(report: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = report.get(key)
    return value if isinstance(value, dict) else {}


def _list(report: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    value = report.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _float(report: Mapping[str, object], key: str) -> float:
    value = report.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
