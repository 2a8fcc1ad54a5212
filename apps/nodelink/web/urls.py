"""Pages of the system."""

from __future__ import annotations

from django.urls import path

from apps.nodelink.web import views

urlpatterns = [
    path("system", views.system, name="system"),
    path("system/keys", views.key_create, name="key-create"),
    path("system/keys/<uuid:key_id>/revoke", views.key_revoke, name="key-revoke"),
    path("live/system", views.live_system, name="live-system"),
    path("live/frame", views.live_frame, name="live-frame"),
]
