"""Pages of the library."""

from __future__ import annotations

from django.urls import path

from apps.library.web import views

urlpatterns = [path("library", views.files, name="library")]
