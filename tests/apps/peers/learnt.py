"""Peers with a past, for the tests of API, pages and commands."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.domain.contracts.peer_work import PeerMetricsReport
from apps.domain.peers.metrics import PeerMetrics, PeerMetricsSnapshot
from apps.peers.services_metrics import peer_metrics_record

LEAF = 256 * 1024


def past(
    *,
    good: int = 0,
    corrupt: int = 0,
    timeouts: int = 0,
    busy_s: float = 0.25,
    rtt_s: float = 0.04,
    failed: str = "",
    idle: timedelta = timedelta(0),
) -> PeerMetricsSnapshot:
    """What so many events leave behind."""
    metrics = PeerMetrics(0.0)
    for _ in range(good):
        metrics.chunk_received(1.0, length=LEAF, busy_s=busy_s, rtt_s=rtt_s)
        metrics.leaf_verified(1.0, length=LEAF)
    for _ in range(corrupt):
        metrics.leaf_corrupt(1.0)
    for _ in range(timeouts):
        metrics.timed_out(1.0)
    if failed:
        metrics.refused(1.0, failed)
    return metrics.snapshot(1.0, wall=timezone.now() - idle)


def peers_learnt(**pasts: PeerMetricsSnapshot) -> None:
    """Rows for peers by key."""
    peer_metrics_record([PeerMetricsReport(peer=key, metrics=one) for key, one in pasts.items()])


def known_people() -> None:
    """A good one, a liar, one that lets us wait, a newcomer."""
    peers_learnt(
        alice=past(good=300),
        liar=past(good=3, corrupt=12),
        slow=past(good=40, timeouts=25, busy_s=9.0, rtt_s=1.5),
        newcomer=past(good=2),
    )
