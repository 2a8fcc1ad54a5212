"""The list of peers for API, pages and metrics: whom we met, what they gave, what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BigIntegerField, Case, F, QuerySet, Sum, When
from django.utils import timezone

from apps.common.pagination import Page, keyset_page
from apps.domain.peers.reputation import Standing
from apps.domain.swarm.cost import MIN_REPUTATION, CostWeights
from apps.peers.models import Peer, TrafficLedger
from apps.peers.selectors_metrics import METRICS_ORDER, MetricsRow, MetricsSort, band, metrics_query, metrics_row

PEER_ORDER = ("-id",)
"""Newest acquaintance first: the one order that never moves under a reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """One peer. Bytes are over its whole life with us."""

    id: int
    plane: str
    key: str
    agent: str
    first_seen: datetime
    last_seen: datetime | None
    down_bytes: int
    up_bytes: int
    bad_leaves: int
    wrong_claims: int
    violations: int
    banned_until: datetime | None

    metrics: MetricsRow | None = None
    """None: it never gave or refused us anything"""

    @property
    def banned(self) -> bool:
        """True while it is shut out."""
        return self.banned_until is not None and self.banned_until > timezone.now()


def peer_query(
    *, text: str = "", faulty: bool = False, wanted: Standing | None = None, min_reputation: float = MIN_REPUTATION
) -> QuerySet[Peer]:
    """Peers with their metrics; `text` is the beginning of a key, `faulty` keeps those with bad leaves, wrong claims or violations, `wanted` a band
    of reputation."""
    rows = Peer.objects.select_related("metrics")
    if text:
        rows = rows.filter(key__startswith=text)
    if faulty:
        rows = rows.exclude(bad_leaves=0, wrong_claims=0, violations=0)
    return rows.filter(band(wanted, min_reputation, prefix="metrics__")) if wanted is not None else rows


def peer_page(
    *,
    text: str,
    faulty: bool,
    wanted: Standing | None,
    min_reputation: float,
    sort: MetricsSort | None,
    cursor: str | None,
) -> Page[Peer]:
    """A page of peers with their metrics; `sort` None: newest acquaintance first, else only peers with metrics. Raises CursorInvalid."""
    if sort is None:
        rows = peer_query(text=text, faulty=faulty, wanted=wanted, min_reputation=min_reputation)
        return keyset_page(rows, order=PEER_ORDER, cursor=cursor)
    known = metrics_query(text=text, faulty=faulty, wanted=wanted, min_reputation=min_reputation, sort=sort)
    page = keyset_page(known, order=METRICS_ORDER[sort], cursor=cursor)
    return Page([row.peer for row in page.items], page.next_cursor, page.previous_cursor)


def peer_rows(
    peers: Sequence[Peer], *, weights: CostWeights | None = None, min_reputation: float = MIN_REPUTATION
) -> list[PeerRow]:
    """The peers of a page with their bytes; one query for all of them."""
    now = timezone.now()
    known = {
        peer.pk: metrics_row(
            peer.metrics, peer=peer, weights=weights or CostWeights(), min_reputation=min_reputation, now=now
        )
        for peer in peers
        if hasattr(peer, "metrics")
    }
    sums = (
        TrafficLedger.objects.filter(peer_id__in=[peer.pk for peer in peers])
        .values("peer_id")
        .annotate(down=_sum("down"), up=_sum("up"))
    )
    by_peer = {line["peer_id"]: (line["down"], line["up"]) for line in sums}
    return [
        PeerRow(
            id=peer.pk,
            plane=peer.plane,
            key=peer.key,
            agent=peer.agent,
            first_seen=peer.first_seen,
            last_seen=peer.last_seen,
            down_bytes=by_peer.get(peer.pk, (0, 0))[0] or 0,
            up_bytes=by_peer.get(peer.pk, (0, 0))[1] or 0,
            bad_leaves=peer.bad_leaves,
            wrong_claims=peer.wrong_claims,
            violations=peer.violations,
            banned_until=peer.banned_until,
            metrics=known.get(peer.pk),
        )
        for peer in peers
    ]


def traffic_totals() -> list[tuple[str, str, int]]:
    """(plane, direction, bytes) over all peers."""
    lines = TrafficLedger.objects.order_by().values("plane", "direction").annotate(total=Sum("total_bytes"))
    return [(line["plane"], line["direction"], line["total"] or 0) for line in lines]


def _sum(direction: str) -> Sum:
    return Sum(Case(When(direction=direction, then=F("total_bytes")), default=0, output_field=BigIntegerField()))
