"""Reads of peers' metrics and reputations: for the node, and for people with the reasons in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Count, F, Max, Min, Q, QuerySet
from django.utils import timezone

from apps.domain.contracts.peer_work import PeerHistory
from apps.domain.peers.metrics import Failure, PeerMetricsSnapshot
from apps.domain.peers.reputation import GOOD, NEUTRAL, Reputation, Standing, reputation_of, standing
from apps.domain.swarm.cost import MIN_REPUTATION, Cost, CostWeights, cost_variance, peer_cost
from apps.peers.models import Peer, PeerMetrics, Plane

MAX_COUNTED: Final = 1000
"""Peers, the last active ones, over which the variance of costs is taken: as many as the node keeps in mind."""


class MetricsSort(StrEnum):
    """Orders of the list; each is unique by peer, so that pages are stable."""

    LOWEST_REPUTATION = "lowest_reputation"
    HIGHEST_REPUTATION = "highest_reputation"
    FASTEST = "fastest"
    SLOWEST = "slowest"
    MOST_ERRORS = "most_errors"
    MOST_TIMEOUTS = "most_timeouts"
    LAST_ACTIVE = "last_active"


METRICS_ORDER: Final[Mapping[MetricsSort, tuple[str, str]]] = {
    MetricsSort.LOWEST_REPUTATION: ("reputation", "peer_id"),
    MetricsSort.HIGHEST_REPUTATION: ("-reputation", "-peer_id"),
    MetricsSort.FASTEST: ("-throughput_bps", "-peer_id"),
    MetricsSort.SLOWEST: ("throughput_bps", "peer_id"),
    MetricsSort.MOST_ERRORS: ("-error_rate", "-peer_id"),
    MetricsSort.MOST_TIMEOUTS: ("-timeout_rate", "-peer_id"),
    MetricsSort.LAST_ACTIVE: ("-outcome_at", "-peer_id"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRow:
    """A peer's metrics as of now, its reputation with reasons, and what a MiB from it costs."""

    peer_id: int
    key: str
    agent: str
    last_seen: datetime | None
    metrics: PeerMetricsSnapshot
    reputation: Reputation
    standing: Standing
    cost: Cost
    active_at: datetime
    """its last outcome"""


def snapshot_of(row: PeerMetrics) -> PeerMetricsSnapshot:
    """What a row holds, as of its `at`."""
    failed = ((reason.value, getattr(row, f"failed_{reason.value}")) for reason in Failure)
    return PeerMetricsSnapshot(
        at=row.at,
        idle_s=max(0.0, (row.at - row.outcome_at).total_seconds()),
        rtt_s=row.rtt_s,
        throughput_bps=row.throughput_bps or None,
        throughput_var=row.throughput_var,
        samples=row.samples,
        error_rate=row.error_rate,
        timeout_rate=row.timeout_rate,
        cancellation_rate=row.cancellation_rate,
        successful=row.successful,
        failed=tuple(sorted((code, count) for code, count in failed if count > 0)),
        corrupt=row.corrupt,
        timeouts=row.timeouts,
        cancelled_by_peer=row.cancelled_by_peer,
        not_delivered=row.not_delivered,
        wrong_claims=row.wrong_claims,
        busy=row.busy,
        verified_bytes=row.verified_bytes,
    )


def peer_histories(keys: Collection[str]) -> list[PeerHistory]:
    """What rows hold of these overlay peers; those never met are left out. One query."""
    rows = Peer.objects.filter(plane=Plane.OVERLAY, key__in=set(keys)).select_related("metrics")
    return [
        PeerHistory(
            peer=row.key,
            metrics=snapshot_of(metrics) if (metrics := getattr(row, "metrics", None)) is not None else None,
            wrong_claims=row.wrong_claims,
            claims_counted=metrics.claims_counted if metrics is not None else 0,
        )
        for row in rows
    ]


def wrong_claims_of(keys: Collection[str]) -> dict[str, int]:
    """Wrong claims ever of those of these overlay peers that made any. One query."""
    rows = Peer.objects.filter(plane=Plane.OVERLAY, key__in=set(keys), wrong_claims__gt=0)
    return dict(rows.values_list("key", "wrong_claims"))


def metrics_query(
    *,
    text: str = "",
    faulty: bool = False,
    wanted: Standing | None = None,
    min_reputation: float = MIN_REPUTATION,
    sort: MetricsSort = MetricsSort.LAST_ACTIVE,
) -> QuerySet[PeerMetrics]:
    """Rows with metrics and their peers; `text` is the beginning of a key, `faulty` keeps peers with bad leaves, wrong claims or violations ever,
    `wanted` a band of reputation. Orders by speed leave out those whose speed is not known. For `keyset_page` with `METRICS_ORDER[sort]`."""
    rows = PeerMetrics.objects.select_related("peer")
    if sort in {MetricsSort.FASTEST, MetricsSort.SLOWEST}:
        rows = rows.filter(throughput_bps__gt=0)
    if text:
        rows = rows.filter(peer__key__startswith=text)
    if faulty:
        rows = rows.exclude(peer__bad_leaves=0, peer__wrong_claims=0, peer__violations=0)
    return rows.filter(band(wanted, min_reputation)) if wanted is not None else rows


def metrics_rows(
    rows: Sequence[PeerMetrics],
    *,
    weights: CostWeights,
    min_reputation: float = MIN_REPUTATION,
    now: datetime | None = None,
) -> list[MetricsRow]:
    """The rows of a page, as of now. No query (`metrics_query` joined the peer)."""
    moment = now or timezone.now()
    return [metrics_row(row, peer=row.peer, weights=weights, min_reputation=min_reputation, now=moment) for row in rows]


def metrics_row(
    row: PeerMetrics, *, peer: Peer, weights: CostWeights, min_reputation: float, now: datetime
) -> MetricsRow:
    """One peer, decayed to now."""
    metrics = snapshot_of(row).decayed_to(now)
    reputation = reputation_of(metrics, idle_s=metrics.idle_s)
    return MetricsRow(
        peer_id=row.peer_id,
        key=peer.key,
        agent=peer.agent,
        last_seen=peer.last_seen,
        metrics=metrics,
        reputation=reputation,
        standing=standing(reputation.score, min_reputation=min_reputation),
        cost=peer_cost(metrics, reputation.score, weights),
        active_at=row.outcome_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSummary:
    """All peers with metrics together."""

    bands: Mapping[Standing, int]
    lowest: float | None
    median: float | None
    cost_variance: float
    """over the last active peers of known speed; of total costs"""


def standing_summary(*, weights: CostWeights, min_reputation: float) -> StandingSummary:
    """Bands of reputation, its extremes and the variance of costs; three queries however many peers there are."""
    rows = PeerMetrics.objects.all()
    counts = rows.aggregate(
        low=Min("reputation"),
        high=Max("reputation"),
        every=Count("pk"),
        **{one.value: Count("pk", filter=band(one, min_reputation)) for one in Standing},
    )
    every = counts["every"]
    median = rows.order_by("reputation", "peer_id").values_list("reputation", flat=True)[every // 2] if every else None
    known = rows.filter(throughput_bps__gt=0).order_by(F("outcome_at").desc(), "peer_id")[:MAX_COUNTED]
    costs = [peer_cost(snapshot_of(row), row.reputation, weights).total for row in known]
    return StandingSummary(
        bands={one: counts[one.value] for one in Standing},
        lowest=counts["low"],
        median=median,
        cost_variance=cost_variance(costs),
    )


def band(wanted: Standing, min_reputation: float, *, prefix: str = "") -> Q:
    """Rows whose score means `wanted`; `prefix` leads from the rows to their metrics."""
    low, high = {
        Standing.QUARANTINED: (None, min_reputation),
        Standing.DOWN_WEIGHTED: (min_reputation, max(NEUTRAL, min_reputation)),
        Standing.NEUTRAL: (max(NEUTRAL, min_reputation), max(GOOD, min_reputation)),
        Standing.PREFERRED: (max(GOOD, min_reputation), None),
    }[wanted]
    condition = Q()
    if low is not None:
        condition &= Q(**{f"{prefix}reputation__gte": low})
    if high is not None:
        condition &= Q(**{f"{prefix}reputation__lt": high})
    return condition


def metrics_list(
    *,
    sort: MetricsSort,
    limit: int,
    text: str = "",
    wanted: Standing | None = None,
    weights: CostWeights,
    min_reputation: float,
) -> list[MetricsRow]:
    """Up to `limit` peers in an order. One query."""
    rows = metrics_query(text=text, wanted=wanted, min_reputation=min_reputation, sort=sort).order_by(
        *METRICS_ORDER[sort]
    )
    return metrics_rows(list(rows[:limit]), weights=weights, min_reputation=min_reputation)


def metrics_of_keys(keys: Collection[str], *, weights: CostWeights, min_reputation: float) -> dict[str, MetricsRow]:
    """Those of these overlay peers that have metrics. One query."""
    asked = {key for key in keys if "\0" not in key}  # Postgres refuses it with an error
    rows = PeerMetrics.objects.select_related("peer").filter(peer__plane=Plane.OVERLAY, peer__key__in=asked)
    found = metrics_rows(list(rows), weights=weights, min_reputation=min_reputation)
    return {one.key: one for one in found}
