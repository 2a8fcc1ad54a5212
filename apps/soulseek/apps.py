"""Django app `soulseek`."""

from __future__ import annotations

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class SoulseekConfig(AppConfig):
    """Registers `apps.soulseek` under the label `soulseek`."""

    name = "apps.soulseek"
    label = "soulseek"

    def ready(self) -> None:
        """Triggers are put back after each `migrate`."""
        post_migrate.connect(_triggers, sender=self)


def _triggers(using: str = "default", **_more: object) -> None:
    from apps.soulseek.share_triggers import triggers_create

    triggers_create(connections[using])
