"""Addresses of the transfers API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.transfers.api import views_limits

urlpatterns = [
    path("transfers/uploads", views_limits.Uploads.as_view(), name="api-uploads"),
    path("transfers/limits", views_limits.Limits.as_view(), name="api-limits"),
    path(
        "transfers/limits/global/<slug:direction>",
        views_limits.GlobalLimit.as_view(),
        {"scope": "global"},
        name="api-limit-global",
    ),
    path(
        "transfers/limits/<slug:scope>/<slug:key>/<slug:direction>", views_limits.OneLimit.as_view(), name="api-limit"
    ),
]
