"""Pages of peers."""

from __future__ import annotations

from django.urls import path

from apps.peers.web import views

urlpatterns = [
    path("peers", views.peers, name="peers"),
    path("peers/<str:key>", views.peer, name="peer"),
]
