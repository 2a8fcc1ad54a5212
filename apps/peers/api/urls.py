"""Addresses of the peers API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.peers.api import metrics, views

urlpatterns = [
    path("mesh/peers", views.Peers.as_view(), name="api-mesh-peers"),
    path("swarm/stats/peers", metrics.SwarmPeerStats.as_view(), name="api-swarm-peer-stats"),
    path("peers/metrics", metrics.PeerMetricsList.as_view(), name="api-peers-metrics"),
    path("peers/reputation", metrics.PeerReputationList.as_view(), name="api-peers-reputation"),
    path("peers/<str:key>/metrics", metrics.OnePeerMetrics.as_view(), name="api-peer-metrics"),
    path("peers/<str:key>/reputation", metrics.OnePeerReputation.as_view(), name="api-peer-reputation"),
]
