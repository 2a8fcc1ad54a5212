"""The only writers of peers, their addresses, charges and traffic."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from apps.domain.contracts.node_work import PeerReport, TrafficReport
from apps.peers.models import Peer, PeerAddress, Plane, TrafficLedger

MAX_ADDRESSES_PER_PEER = 8
"""A peer that moves (dial-up, mobile) leaves old addresses behind; the least recently answered ones go."""
FORGET_BATCH = 500
"""Rows deleted in one transaction."""


def peer_ids(keys: Collection[str], *, plane: Plane = Plane.OVERLAY) -> dict[str, int]:
    """Row ids of peers by key; rows are made for peers never met before."""
    wanted = set(keys)
    known = dict(Peer.objects.filter(plane=plane, key__in=wanted).values_list("key", "id"))
    if missing := sorted(wanted - known.keys()):
        Peer.objects.bulk_create([Peer(plane=plane, key=key) for key in missing], ignore_conflicts=True)
        known.update(Peer.objects.filter(plane=plane, key__in=missing).values_list("key", "id"))
    return known


def peer_met(report: PeerReport) -> int:
    """A peer proved its key on a link: it was seen now, and its address answered or was told. Returns the row's id."""
    peer_id = peer_ids([report.key])[report.key]
    changes: dict[str, object] = {"last_seen": Now()}
    if report.agent:
        changes["agent"] = report.agent[:80]
    Peer.objects.filter(id=peer_id).update(**changes)
    if report.host and report.port:
        met: dict[str, object] = {"source": report.source, "group": report.group}
        if report.answered:
            met |= {"last_ok": Now(), "last_try": Now()}
        PeerAddress.objects.update_or_create(
            peer_id=peer_id, kind="direct", host=report.host, port=report.port, defaults=met
        )
        kept = PeerAddress.objects.filter(peer_id=peer_id).order_by(F("last_ok").desc(nulls_last=True), "-id")
        stale = list(kept.values_list("id", flat=True)[MAX_ADDRESSES_PER_PEER:])
        if stale:
            PeerAddress.objects.filter(id__in=stale).delete()
    return peer_id


def peer_charge(
    key: str, *, bad_leaves: int = 0, wrong_claims: int = 0, violations: int = 0, banned_for_s: float = 0.0
) -> None:
    """Count a peer's faults. Counters only grow; what they mean is decided by policies. `banned_for_s`: it is shut out from now on."""
    peer_id = peer_ids([key])[key]
    Peer.objects.filter(id=peer_id).update(
        bad_leaves=F("bad_leaves") + bad_leaves,
        wrong_claims=F("wrong_claims") + wrong_claims,
        violations=F("violations") + violations,
        **({"banned_until": Now() + timedelta(seconds=banned_for_s)} if banned_for_s > 0 else {}),
    )


def peers_forget(*, unseen_since: datetime) -> int:
    """Delete overlay peers that gave and took nothing, did nothing wrong and were not seen since; returns how many. A key costs nothing, so
    strangers leave rows behind without end. What they claimed goes with them."""
    seen = Q(last_seen__gte=unseen_since) | Q(last_seen=None, first_seen__gte=unseen_since)
    strangers = Peer.objects.filter(plane=Plane.OVERLAY, bad_leaves=0, wrong_claims=0, violations=0).exclude(seen)
    unused = strangers.filter(traffic=None, transfer_sources=None).order_by("id").values_list("id", flat=True)
    gone = 0
    while batch := list(unused[:FORGET_BATCH]):
        Peer.objects.filter(id__in=batch).delete()
        gone += len(batch)
    return gone


def traffic_add(lines: Iterable[TrafficReport]) -> None:
    """Add bytes to the ledger. Who sends or takes bytes over Soulseek was seen now; overlay peers are seen when they prove their key."""
    reports = [line for line in lines if line.count_bytes > 0]
    ids = {
        plane: peer_ids({line.peer for line in reports if line.plane == plane}, plane=Plane(plane))
        for plane in {line.plane for line in reports}
    }
    if users := ids.get(Plane.SOULSEEK.value):
        Peer.objects.filter(id__in=users.values()).update(last_seen=Now())
    for line in reports:
        key = {
            "peer_id": ids[line.plane][line.peer],
            "plane": line.plane,
            "direction": line.direction,
            "purpose": line.purpose,
            "path": line.path,
        }
        grown = F("total_bytes") + line.count_bytes
        if not TrafficLedger.objects.filter(**key).update(total_bytes=grown, updated_at=Now()):
            _, created = TrafficLedger.objects.get_or_create(**key, defaults={"total_bytes": line.count_bytes})
            if not created:
                TrafficLedger.objects.filter(**key).update(total_bytes=grown, updated_at=Now())
