"""Addresses of the library API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.library.api import views

urlpatterns = [path("library/files", views.Files.as_view(), name="api-library-files")]
