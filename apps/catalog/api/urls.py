"""Addresses of the catalog API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.catalog.api import discogs, views

urlpatterns = [
    path("catalog/artists/<uuid:mbid>", views.Artist.as_view(), name="api-catalog-artist"),
    path("catalog/artists/<uuid:mbid>/groups", views.ArtistGroups.as_view(), name="api-catalog-artist-groups"),
    path("catalog/artists/<uuid:mbid>/refresh", views.ArtistRefresh.as_view(), name="api-catalog-artist-refresh"),
    path("catalog/labels/<uuid:mbid>", views.Label.as_view(), name="api-catalog-label"),
    path("catalog/labels/<uuid:mbid>/releases", views.LabelReleases.as_view(), name="api-catalog-label-releases"),
    path("catalog/labels/<uuid:mbid>/refresh", views.LabelRefresh.as_view(), name="api-catalog-label-refresh"),
    path("catalog/release-groups/<uuid:mbid>", views.Group.as_view(), name="api-catalog-group"),
    path(
        "catalog/release-groups/<uuid:mbid>/releases", views.GroupReleases.as_view(), name="api-catalog-group-releases"
    ),
    path("catalog/discogs/<slug:kind>/<int:number>", discogs.DiscogsThing.as_view(), name="api-catalog-discogs"),
    path(
        "catalog/discogs/<slug:kind>/<int:number>/refresh",
        discogs.DiscogsRefresh.as_view(),
        name="api-catalog-discogs-refresh",
    ),
    path("catalog/release-groups/<uuid:mbid>/refresh", views.GroupRefresh.as_view(), name="api-catalog-group-refresh"),
]
