"""Addresses of finds, targets and editions, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.jobs.api import find

urlpatterns = [
    path("find", find.Finds.as_view(), name="api-finds"),
    path("find/<uuid:find_id>", find.OneFind.as_view(), name="api-find"),
    path("targets", find.Targets.as_view(), name="api-targets"),
    path("targets/<slug:kind>/<uuid:mbid>", find.OneTarget.as_view(), name="api-target"),
    path("targets/<slug:kind>/<uuid:mbid>/missing", find.TargetMissing.as_view(), name="api-target-missing"),
    path("targets/<slug:kind>/<uuid:mbid>/related", find.TargetRelated.as_view(), name="api-target-related"),
    path("editions/<uuid:group>", find.Editions.as_view(), name="api-editions"),
]
