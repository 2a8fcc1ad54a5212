"""Pages of the catalog."""

from __future__ import annotations

from django.urls import path

from apps.catalog.web import views

urlpatterns = [
    path("catalog/artists/<uuid:mbid>", views.artist, name="catalog-artist"),
    path("catalog/labels/<uuid:mbid>", views.label, name="catalog-label"),
    path("catalog/release-groups/<uuid:mbid>", views.group, name="catalog-group"),
    path("catalog/<slug:kind>/<uuid:mbid>/refresh", views.refresh, name="catalog-refresh"),
    path("live/catalog/<slug:kind>/<uuid:mbid>", views.live, name="live-catalog"),
]
