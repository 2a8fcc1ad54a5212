"""Addresses of the system API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.nodelink.api import views

urlpatterns = [path("system/status", views.SystemStatus.as_view(), name="api-system-status")]
