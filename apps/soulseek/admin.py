"""Rows of the Soulseek plane for operators; each topic's module registers itself."""

from __future__ import annotations

from apps.soulseek import (  # noqa: F401
    admin_downloads,
    admin_people,
    admin_searches,
    admin_session,
    admin_sharing,
    admin_traffic,
)
