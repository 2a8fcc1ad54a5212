"""Peers: whom this node met, what they gave, how far they are trusted, and one peer with its past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET

from apps.common.pagination import CursorInvalid
from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.text import searched
from apps.domain.peers.reputation import Standing
from apps.peers.selectors_list import PeerRow, peer_page, peer_rows
from apps.peers.selectors_metrics import MetricsSort
from apps.peers.selectors_one import peer_one
from apps.peers.web.looks import MetricsLook, count, metrics_look
from apps.peers.words import STANDING_WORDS

SORTS: Final[Mapping[str, Promise]] = {
    "": lazy("Newest acquaintance"),
    MetricsSort.LAST_ACTIVE.value: lazy("Last active"),
    MetricsSort.LOWEST_REPUTATION.value: lazy("Lowest reputation"),
    MetricsSort.HIGHEST_REPUTATION.value: lazy("Highest reputation"),
    MetricsSort.FASTEST.value: lazy("Fastest"),
    MetricsSort.SLOWEST.value: lazy("Slowest"),
    MetricsSort.MOST_ERRORS.value: lazy("Most errors"),
    MetricsSort.MOST_TIMEOUTS.value: lazy("Most timeouts"),
}
SHOWN: Final[Mapping[str, Promise]] = {
    "": lazy("All"),
    **{one.value: STANDING_WORDS[one] for one in Standing},
    "faulty": lazy("With faults"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLine:
    """A row of the table."""

    peer: PeerRow
    metrics: MetricsLook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the address asks for; what it can't ask for is left out."""

    text: str
    show: str
    sort: str

    @classmethod
    def of(cls, params: Mapping[str, str]) -> ListQuery:
        show, sort = params.get("show", ""), params.get("sort", "")
        return cls(
            text=searched(params.get("q", "")),
            show=show if show in SHOWN else "",
            sort=sort if sort in SORTS else "",
        )


@require_GET
@page_role(Role.VIEWER)
def peers(request: HttpRequest) -> HttpResponse:
    """In the order that was asked for, the newest acquaintance first by itself."""
    query, chosen = ListQuery.of(request.GET.dict()), settings.SWARM_SCHEDULER
    try:
        page = peer_page(
            text=query.text,
            faulty=query.show == "faulty",
            wanted=Standing(query.show) if query.show in set(Standing) else None,
            min_reputation=chosen.min_reputation,
            sort=MetricsSort(query.sort) if query.sort else None,
            cursor=request.GET.get("cursor"),
        )
    except CursorInvalid:
        return redirect("peers")
    rows = peer_rows(page.items, weights=chosen.weights, min_reputation=chosen.min_reputation)
    lines = [PeerLine(peer=row, metrics=metrics_look(row.metrics) if row.metrics else None) for row in rows]
    context = {
        "page": page,
        "lines": lines,
        "query": query,
        "sorts": SORTS.items(),
        "shown": SHOWN.items(),
        "filtered": bool(query.text or query.show or query.sort),
    }
    return render(request, "peers/list.html", context)


@require_GET
@page_role(Role.VIEWER)
def peer(request: HttpRequest, key: str) -> HttpResponse:
    """One overlay peer: why it is trusted as it is, what a MiB from it costs, what passed between us."""
    chosen = settings.SWARM_SCHEDULER
    found = peer_one(key, weights=chosen.weights, min_reputation=chosen.min_reputation)
    if found is None:
        raise Http404
    metrics = found.row.metrics
    context = {
        "peer": found.row,
        "one": found,
        "metrics": metrics_look(metrics) if metrics else None,
        "counters": _counters(found.row) if metrics else [],
        "threshold": f"{chosen.min_reputation:.2f}",
        "terms_decide": chosen.cost_based,
    }
    return render(request, "peers/peer.html", context)


def _counters(row: PeerRow) -> list[tuple[Promise, str, bool]]:
    """(what, how often lately, is it a fault)."""
    assert row.metrics is not None
    metrics = row.metrics.metrics
    faults: list[tuple[Promise, float]] = [
        (lazy("Leaves that did not verify"), metrics.corrupt),
        (lazy("Requests not answered in time"), metrics.timeouts),
        (lazy("Requests answered with an error"), metrics.failures),
        (lazy("Advertised and not delivered"), metrics.not_delivered),
        (lazy("Left while it owed an answer"), metrics.cancelled_by_peer),
        (lazy("Wrong claims"), metrics.wrong_claims),
    ]
    return [
        (lazy("Leaves that verified"), count(metrics.successful), False),
        *((label, count(value), value >= 0.05) for label, value in faults),
        (lazy("Said it was busy (no fault)"), count(metrics.busy), False),
    ]
