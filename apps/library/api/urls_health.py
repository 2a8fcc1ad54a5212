"""Addresses of the Collection Doctor's API, below /api/: library/health, and its alias slskdn/library/health (not in the schema)."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from apps.library.api import health


def patterns(prefix: str, *, name: str, **given: Any) -> list[URLPattern]:  # of as_view
    """Every address below `prefix`; `name` begins the names of the routes."""
    return [
        path(prefix, health.Summary.as_view(schema=None), name=name),
        path(f"{prefix}/summary", health.Summary.as_view(**given), name=f"{name}-summary"),
        path(f"{prefix}/issues", health.Issues.as_view(**given), name=f"{name}-issues"),
        path(f"{prefix}/issues/state", health.IssuesState.as_view(**given), name=f"{name}-issues-state"),
        path(f"{prefix}/issues/<int:issue_id>", health.OneIssue.as_view(**given), name=f"{name}-issue"),
        path(f"{prefix}/scan", health.Scans.as_view(**given), name=f"{name}-scans"),
        path(f"{prefix}/scan/<uuid:scan_id>", health.OneScan.as_view(**given), name=f"{name}-scan"),
        *(
            path(
                f"{prefix}/scan/<uuid:scan_id>/{action}",
                health.ScanAction.as_view(action_name=action, **given),
                name=f"{name}-scan-{action}",
            )
            for action in health.SCAN_ACTIONS
        ),
    ]


urlpatterns = [
    *patterns("library/health", name="api-health"),
    *patterns("slskdn/library/health", name="api-slskdn-health", schema=None),
]
