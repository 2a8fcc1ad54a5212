"""Pages of finding, asking, and of what people mean to have."""

from __future__ import annotations

from django.urls import path

from apps.jobs.web import find, targets

urlpatterns = [
    path("find", find.find, name="find"),
    path("find/again", find.find_again, name="find-again"),
    path("ask", find.ask, name="ask"),
    path("live/find/<uuid:find_id>", find.live_find, name="live-find"),
    path("targets", targets.targets, name="targets"),
    path("targets/<slug:kind>/<uuid:mbid>", targets.target, name="target"),
    path("targets/<slug:kind>/<uuid:mbid>/related", targets.related, name="target-related"),
    path("targets/<slug:kind>/<uuid:mbid>/act/<slug:name>", targets.act, name="target-act"),
]
