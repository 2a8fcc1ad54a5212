"""Pages of transfers."""

from __future__ import annotations

from django.urls import path

from apps.transfers.web import views_limits

urlpatterns = [
    path("uploads", views_limits.uploads, name="uploads"),
    path("uploads/limit", views_limits.limit, name="limit-set"),
    path("uploads/limit/clear", views_limits.limit_clear, name="limit-clear"),
    path("live/uploads", views_limits.live_uploads, name="live-uploads"),
]
