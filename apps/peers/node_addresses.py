"""Addresses of peers as the node dials them: where claimers are, what came of trying. Heard and tried are different things, and both are bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import F
from django.db.models.functions import Now

from apps.domain.contracts.node_work import AddressTried, KnownAddress
from apps.peers.models import PeerAddress, Plane

MAX_UNTRIED = 2000
"""Addresses that were only heard of and never answered, over all peers: naming addresses costs strangers nothing. The oldest go."""


def addresses_of(peers: Collection[str], *, limit: int) -> list[KnownAddress]:
    """Where these overlay peers answered, the most recent first; then where they are said to be, those not tried yet first."""
    rows = (
        PeerAddress.objects.filter(peer__plane=Plane.OVERLAY, peer__key__in=sorted(peers))
        .select_related("peer")
        .order_by(F("last_ok").desc(nulls_last=True), F("last_try").asc(nulls_first=True), "-id")[:limit]
    )
    return [KnownAddress(peer=row.peer.key, host=row.host, port=row.port) for row in rows]


def addresses_tried(tries: Iterable[AddressTried]) -> None:
    """Note when addresses were dialled, and forget what was heard too often in vain. Whoever answered is noted by `peer_met` too, with its key."""
    for one in tries:
        changes = {"last_try": Now(), **({"last_ok": Now()} if one.answered else {})}
        PeerAddress.objects.filter(peer__plane=Plane.OVERLAY, host=one.host, port=one.port).update(**changes)
    heard = PeerAddress.objects.filter(peer__plane=Plane.OVERLAY, last_ok=None).order_by("-id")
    surplus = list(heard.values_list("id", flat=True)[MAX_UNTRIED:])
    if surplus:
        PeerAddress.objects.filter(id__in=surplus[:MAX_UNTRIED]).delete()
