"""The policy of fixes as configured, for whoever asks for one in a web process."""

from __future__ import annotations

from django.conf import settings

from apps.remediation.services import FixPolicy


def configured_policy() -> FixPolicy:
    """`library_health.remediation`."""
    section = settings.CONFIG.library_health.remediation
    return FixPolicy(replace_existing=section.replace_existing, backup_before_replace=section.backup_before_replace)


def keep_days() -> int:
    """`library.trash.keep_days`."""
    days: int = settings.CONFIG.library.trash.keep_days
    return days
