"""Addresses of fixes and of the trash, below /api/; fixes also by the alias slskdn/library/health (not in the schema)."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from apps.remediation.api import views


def patterns(prefix: str, *, name: str, **given: Any) -> list[URLPattern]:  # of as_view
    """Fixes below `prefix`; `name` begins the names of the routes."""
    one = f"{prefix}/remediations/<uuid:remediation_id>"
    return [
        path(f"{prefix}/fix", views.Fix.as_view(**given), name=f"{name}-fix"),
        path(f"{prefix}/remediations", views.Remediations.as_view(**given), name=f"{name}-remediations"),
        path(one, views.OneRemediation.as_view(**given), name=f"{name}-remediation"),
        path(f"{one}/undo", views.Undo.as_view(**given), name=f"{name}-undo"),
    ]


urlpatterns = [
    *patterns("library/health", name="api-health"),
    *patterns("slskdn/library/health", name="api-slskdn-health", schema=None),
    path("library/trash", views.Trash.as_view(), name="api-trash"),
    path("library/trash/purge", views.Purge.as_view(), name="api-trash-purge"),
    path("library/trash/<uuid:trash_id>", views.OneTrashed.as_view(), name="api-trashed"),
    path("library/trash/<uuid:trash_id>/restore", views.Restore.as_view(), name="api-trash-restore"),
]
