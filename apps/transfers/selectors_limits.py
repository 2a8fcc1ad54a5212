"""Rate limits and uploads, as people and the node see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from apps.domain.contracts.node_work import RateLimitWork
from apps.domain.swarm.limits import LimitScope
from apps.nodelink.selectors import node_status
from apps.transfers.models import RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitView:
    """A limit in force. `set_by` and `set_at` are empty for what is configured."""

    scope: str
    key: str
    direction: str
    kbps: int
    set_by: str = ""
    set_at: datetime | None = None


def rate_limits_work() -> tuple[RateLimitWork, ...]:
    """For the node."""
    rows = RateLimit.objects.order_by("scope", "key", "direction")
    return tuple(RateLimitWork(scope=row.scope, key=row.key, direction=row.direction, kbps=row.kbps) for row in rows)


def rate_limit_list() -> list[LimitView]:
    """What people set."""
    rows = RateLimit.objects.select_related("set_by").order_by("scope", "key", "direction")
    return [
        LimitView(
            scope=row.scope,
            key=row.key,
            direction=row.direction,
            kbps=row.kbps,
            set_by=row.set_by.username if row.set_by is not None else "",
            set_at=row.updated_at,
        )
        for row in rows
    ]


def rate_limited_jobs() -> list[str]:
    """Ids, as text, of the jobs that have a limit of their own."""
    return list(RateLimit.objects.filter(scope=LimitScope.JOB).values_list("key", flat=True).distinct())


def rate_limit_defaults() -> list[LimitView]:
    """What is configured for the node and for each peer; it holds where nobody set anything."""
    overlay = settings.CONFIG.overlay
    return [
        LimitView(scope="global", key="", direction="up", kbps=overlay.upload_kbps),
        LimitView(scope="global", key="", direction="down", kbps=overlay.download_kbps),
        LimitView(scope="peer", key="", direction="up", kbps=overlay.peer_upload_kbps),
        LimitView(scope="peer", key="", direction="down", kbps=overlay.peer_download_kbps),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadView:
    """A transfer that is served now."""

    peer: str
    transfer: str
    payload_root: str
    state: str
    sent_bytes: int
    queued: int
    """its requests that wait"""
    peer_bps: int
    """bytes a second to its peer, over all its transfers"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsView:
    """What the node serves, as of its last heartbeat."""

    alive: bool
    beat_at: datetime | None
    slots: int
    served: int
    """peers that hold a slot"""
    waiting: int
    """peers that were told to come back"""
    queued: int
    """requests accepted and not begun"""
    rate_bps: int
    uploads: tuple[UploadView, ...]


def uploads_now() -> UploadsView:
    """One query; zeros and nothing when the node is silent."""
    status = node_status()
    report: Mapping[str, object] = status.report if status is not None and status.alive else {}
    queue = _part(report, "upload_queue")
    rates = _part(queue, "rates_bps")
    listed = report.get("uploads")
    return UploadsView(
        alive=status is not None and status.alive,
        beat_at=status.beat_at if status is not None else None,
        slots=_number(queue, "slots"),
        served=_number(queue, "served"),
        waiting=_number(queue, "waiting"),
        queued=_number(queue, "queued"),
        rate_bps=_number(queue, "rate_bps"),
        uploads=tuple(
            UploadView(
                peer=str(one.get("peer", "")),
                transfer=str(one.get("transfer", "")),
                payload_root=str(one.get("payload_root", "")),
                state=str(one.get("state", "")),
                sent_bytes=_number(one, "sent_bytes"),
                queued=_number(one, "queued"),
                peer_bps=_number(rates, str(one.get("peer", ""))),
            )
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict)
        ),
    )


def _part(report: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = report.get(key)
    return value if isinstance(value, dict) else {}


def _number(report: Mapping[str, object], key: str) -> int:
    value = report.get(key)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
