"""Everything that is known of one peer, for its page: who it is, where it was heard, what passed, what it claimed wrongly."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, F

from apps.domain.swarm.cost import CostWeights
from apps.peers.models import Peer, Plane
from apps.peers.selectors_list import PeerRow, peer_rows

MAX_REFUTED: Final = 20
MAX_ADDRESSES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLine:
    """Bytes that passed, ever."""

    direction: str
    purpose: str
    path: str
    total_bytes: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLine:
    """Where it was heard, and when it answered there."""

    host: str
    port: int
    source: str
    last_ok: datetime | None
    last_try: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefutedClaim:
    """A payload it claimed to be a recording that it is not."""

    recording_mbid: uuid.UUID
    profile: str
    payload_root: str
    """hex"""
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePeer:
    """A peer and its past."""

    row: PeerRow
    traffic: tuple[TrafficLine, ...]
    addresses: tuple[AddressLine, ...]
    claims: Mapping[str, int]
    """by verdict"""
    refuted: tuple[RefutedClaim, ...]
    """the newest"""


def peer_one(key: str, *, weights: CostWeights, min_reputation: float, plane: Plane = Plane.OVERLAY) -> OnePeer | None:
    """A peer by its key; None when it was never met. Six queries."""
    if "\0" in key:  # Postgres refuses it with an error
        return None
    peer = Peer.objects.select_related("metrics").filter(plane=plane, key=key).first()
    if peer is None:
        return None
    (row,) = peer_rows([peer], weights=weights, min_reputation=min_reputation)
    verdicts = peer.claims.order_by().values("verdict").annotate(count=Count("pk"))
    return OnePeer(
        row=row,
        traffic=tuple(
            TrafficLine(
                direction=line.direction,
                purpose=line.purpose,
                path=line.path,
                total_bytes=line.total_bytes,
                updated_at=line.updated_at,
            )
            for line in peer.traffic.order_by("direction", "purpose", "path")
        ),
        addresses=tuple(
            AddressLine(
                host=line.host, port=line.port, source=line.source, last_ok=line.last_ok, last_try=line.last_try
            )
            for line in peer.addresses.order_by(F("last_ok").desc(nulls_last=True), "-id")[:MAX_ADDRESSES]
        ),
        claims={one["verdict"]: one["count"] for one in verdicts},
        refuted=tuple(
            RefutedClaim(
                recording_mbid=claim.recording_mbid,
                profile=claim.profile,
                payload_root=bytes(claim.payload_root).hex(),
                heard_at=claim.heard_at,
            )
            for claim in peer.claims.filter(verdict="refuted").order_by("-heard_at", "-id")[:MAX_REFUTED]
        ),
    )
