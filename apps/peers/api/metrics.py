"""Peers' metrics and reputations over HTTP: local knowledge for people who run this node, never for other nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api_base import REFUSALS, ApiView, PageQuery, page_body, query_of
from apps.common.pagination import keyset_page
from apps.domain.errors import DomainError
from apps.domain.peers.reputation import Standing
from apps.domain.swarm.settings import SchedulerSettings
from apps.peers.api.serializers import (
    MetricsOut,
    MetricsPageOut,
    ReputationOut,
    ReputationPageOut,
    StatsPageOut,
    metrics_body,
    reputation_body,
    stats_body,
)
from apps.peers.selectors_metrics import (
    METRICS_ORDER,
    MetricsRow,
    MetricsSort,
    metrics_of_keys,
    metrics_query,
    metrics_rows,
)


class PeerUnknown(DomainError):
    """No overlay peer with this key gave or refused us anything."""

    default_code = "peer_not_found"


class MetricsQueryIn(PageQuery):
    """Filters and order."""

    text = serializers.CharField(required=False, max_length=200, help_text="Beginning of a peer's key.")
    standing = serializers.ChoiceField(choices=[one.value for one in Standing], required=False)
    sort = serializers.ChoiceField(
        choices=[one.value for one in MetricsSort], required=False, default=MetricsSort.LAST_ACTIVE.value
    )


def scheduler() -> SchedulerSettings:
    """What is configured."""
    return settings.SWARM_SCHEDULER


def _page(request: Request, body: Callable[[MetricsRow], dict[str, object]]) -> Response:
    query, chosen = query_of(request, MetricsQueryIn), scheduler()
    sort = MetricsSort(str(query["sort"]))
    rows = metrics_query(
        text=str(query.get("text", "")),
        wanted=Standing(str(query["standing"])) if query.get("standing") else None,
        min_reputation=chosen.min_reputation,
        sort=sort,
    )
    page = keyset_page(
        rows,
        order=METRICS_ORDER[sort],
        cursor=cast("str | None", query.get("cursor")),
        limit=cast("int", query["limit"]),
    )
    found = metrics_rows(page.items, weights=chosen.weights, min_reputation=chosen.min_reputation)
    return Response(page_body(page, [body(row) for row in found]))


def _one(key: str) -> MetricsRow:
    chosen = scheduler()
    found = metrics_of_keys([key], weights=chosen.weights, min_reputation=chosen.min_reputation).get(key)
    if found is None:
        raise PeerUnknown("Nothing is known of such a peer.")
    return found


class SwarmPeerStats(ApiView):
    """How overlay peers perform: round trip, throughput, error and timeout rates, and what a MiB from each costs."""

    @extend_schema(
        operation_id="swarm_peer_stats", parameters=[MetricsQueryIn], responses={200: StatsPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return _page(request, stats_body)


class PeerMetricsList(ApiView):
    """Rates and counters of overlay peers."""

    @extend_schema(
        operation_id="peer_metrics_list", parameters=[MetricsQueryIn], responses={200: MetricsPageOut, **REFUSALS}
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return _page(request, metrics_body)


class PeerReputationList(ApiView):
    """How far overlay peers are trusted, and why."""

    @extend_schema(
        operation_id="peer_reputation_list",
        parameters=[MetricsQueryIn],
        responses={200: ReputationPageOut, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """One page."""
        return _page(request, reputation_body)


class OnePeerMetrics(ApiView):
    """Of one overlay peer."""

    @extend_schema(operation_id="peer_metrics", responses={200: MetricsOut, **REFUSALS})
    def get(self, request: Request, key: str) -> Response:
        """Rates and counters."""
        return Response(metrics_body(_one(key)))


class OnePeerReputation(ApiView):
    """Of one overlay peer."""

    @extend_schema(operation_id="peer_reputation", responses={200: ReputationOut, **REFUSALS})
    def get(self, request: Request, key: str) -> Response:
        """Score, terms, reasons."""
        return Response(reputation_body(_one(key)))
