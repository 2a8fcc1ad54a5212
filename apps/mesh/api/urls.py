"""Addresses of the mesh API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.mesh.api import views, views_available

urlpatterns = [
    path("mesh/status", views.MeshStatus.as_view(), name="api-mesh-status"),
    path("mesh/available", views_available.Available.as_view(), name="api-mesh-available"),
    path("mesh/seeds", views.Seeds.as_view(), name="api-mesh-seeds"),
    path("mesh/seeds/<uuid:release_mbid>", views.OneSeed.as_view(), name="api-mesh-seed"),
]
