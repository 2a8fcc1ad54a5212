"""Frozen values about peers that pass between the rows and the node: what was learnt of them. Peers are known by their overlay key (base32)."""

from __future__ import annotations

from dataclasses import dataclass

from apps.domain.peers.metrics import PeerMetricsSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMetricsReport:
    """What the node knows of an overlay peer now, in absolute numbers: the row becomes this."""

    peer: str
    metrics: PeerMetricsSnapshot
    claims_counted: int = 0
    """of the peer's wrong claims ever, how many `metrics.wrong_claims` took in"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHistory:
    """What rows hold of an overlay peer."""

    peer: str
    metrics: PeerMetricsSnapshot | None
    wrong_claims: int = 0
    """ever"""
    claims_counted: int = 0
