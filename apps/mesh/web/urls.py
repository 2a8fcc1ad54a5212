"""Pages of the mesh."""

from __future__ import annotations

from django.urls import path

from apps.mesh.web import views

urlpatterns = [
    path("mesh", views.mesh, name="mesh"),
    path("mesh/seed", views.seed, name="mesh-seed"),
    path("mesh/unseed/<uuid:release_mbid>", views.unseed, name="mesh-unseed"),
    path("live/mesh", views.live_mesh, name="live-mesh"),
]
