"""The only writers of peers' metrics and reputations. The node's, through its store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from apps.domain.contracts.peer_work import PeerMetricsReport
from apps.domain.peers.metrics import PeerMetricsSnapshot
from apps.domain.peers.reputation import reputation_of
from apps.peers.models import PeerMetrics
from apps.peers.selectors_metrics import snapshot_of
from apps.peers.services import peer_ids

FADE_BATCH: Final = 500
"""Rows rescored in one transaction."""
SNAPSHOT_FIELDS: Final = (
    "rtt_s",
    "throughput_var",
    "samples",
    "error_rate",
    "timeout_rate",
    "cancellation_rate",
    "successful",
    "corrupt",
    "timeouts",
    "cancelled_by_peer",
    "not_delivered",
    "wrong_claims",
    "busy",
    "verified_bytes",
)
FAILURE_FIELDS: Final = (
    "failed_io_error",
    "failed_invalid_range",
    "failed_policy_violation",
    "failed_bad_manifest",
    "failed_other",
)
_WRITTEN: Final = (
    "at",
    "outcome_at",
    "throughput_bps",
    *SNAPSHOT_FIELDS,
    *FAILURE_FIELDS,
    "claims_counted",
    "reputation",
    "scored_at",
)


def peer_metrics_record(reports: Sequence[PeerMetricsReport]) -> None:
    """Put each peer's metrics in place of what its row held, with the score that follows from them; two queries for any number of peers."""
    latest = {report.peer: report for report in reports}
    ids = peer_ids(latest)
    PeerMetrics.objects.bulk_create(
        [_row(ids[key], report) for key, report in sorted(latest.items())],
        update_conflicts=True,
        unique_fields=["peer"],
        update_fields=list(_WRITTEN),
    )


def reputations_fade(*, now: datetime, older_than: timedelta) -> int:
    """Score the rows anew whose score is older: reputations move towards 0.5 while nothing happens. Returns how many (at most FADE_BATCH)."""
    stale = PeerMetrics.objects.filter(scored_at__lt=now - older_than).order_by("scored_at")[:FADE_BATCH]
    rows = list(stale)
    for row in rows:
        row.reputation = _score(snapshot_of(row), now=now)
        row.scored_at = now
    PeerMetrics.objects.bulk_update(rows, ["reputation", "scored_at"])
    return len(rows)


def _row(peer_id: int, report: PeerMetricsReport) -> PeerMetrics:
    past = report.metrics
    failed = {f"failed_{code}": count for code, count in past.failed}
    return PeerMetrics(
        peer_id=peer_id,
        at=past.at,
        outcome_at=past.at - timedelta(seconds=min(past.idle_s, 1e9)),
        throughput_bps=past.throughput_bps or 0.0,
        **{name: getattr(past, name) for name in SNAPSHOT_FIELDS},
        **{name: failed.get(name, 0.0) for name in FAILURE_FIELDS},
        claims_counted=report.claims_counted,
        reputation=_score(past, now=past.at),
        scored_at=past.at,
    )


def _score(past: PeerMetricsSnapshot, *, now: datetime) -> float:
    faded = past.decayed_to(now)
    return reputation_of(faded, idle_s=faded.idle_s).score
