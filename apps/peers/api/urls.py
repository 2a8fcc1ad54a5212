"""Addresses of the peers API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.peers.api import views

urlpatterns = [path("mesh/peers", views.Peers.as_view(), name="api-mesh-peers")]
