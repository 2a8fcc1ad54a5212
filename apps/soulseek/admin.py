"""Rows of the Soulseek plane for operators; each topic's module registers itself."""

from __future__ import annotations

from apps.soulseek import admin_downloads, admin_people, admin_session, admin_sharing, admin_traffic  # noqa: F401
