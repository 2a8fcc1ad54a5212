"""Reads of peers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Prefetch, Q, Sum
from django.utils import timezone

from apps.domain.contracts.node_work import KnownAddress
from apps.peers.models import Peer, PeerAddress, Plane

MAX_PEERS_SHOWN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """A peer as lists show it."""

    plane: str
    key: str
    agent: str
    first_seen: datetime
    last_seen: datetime | None
    bad_leaves: int
    wrong_claims: int
    violations: int
    down_bytes: int
    up_bytes: int
    addresses: tuple[str, ...]


def peer_list(*, limit: int = MAX_PEERS_SHOWN) -> list[PeerRow]:
    """Peers, the last seen first, with what passed between us."""
    newest = PeerAddress.objects.order_by(F("last_ok").desc(nulls_last=True))
    rows = (
        Peer.objects.annotate(
            down=Sum("traffic__total_bytes", filter=Q(traffic__direction="down"), default=0),
            up=Sum("traffic__total_bytes", filter=Q(traffic__direction="up"), default=0),
        )
        .prefetch_related(Prefetch("addresses", queryset=newest))
        .order_by(F("last_seen").desc(nulls_last=True), "id")[: min(limit, MAX_PEERS_SHOWN)]
    )
    return [
        PeerRow(
            plane=row.plane,
            key=row.key,
            agent=row.agent,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            bad_leaves=row.bad_leaves,
            wrong_claims=row.wrong_claims,
            violations=row.violations,
            down_bytes=row.down,
            up_bytes=row.up,
            addresses=tuple(f"{one.host}:{one.port}" for one in row.addresses.all()),
        )
        for row in rows
    ]


def known_addresses(*, limit: int) -> list[KnownAddress]:
    """Where overlay peers answered before, the most recent first; then where others say they are: strangers who come in by the
    hundred must not push those away who are known to be there."""
    rows = (
        PeerAddress.objects.filter(peer__plane=Plane.OVERLAY)
        .select_related("peer")
        .order_by(F("last_ok").desc(nulls_last=True), "-id")[:limit]
    )
    return [KnownAddress(peer=row.peer.key, host=row.host, port=row.port) for row in rows]


def bans() -> dict[str, float]:
    """Overlay peers that are shut out, and for how many seconds more."""
    now = timezone.now()
    rows = Peer.objects.filter(plane=Plane.OVERLAY, banned_until__gt=now).values_list("key", "banned_until")
    return {key: (until - now).total_seconds() for key, until in rows if until is not None}
