"""Django app `soulseek`."""

from __future__ import annotations

from django.apps import AppConfig


class SoulseekConfig(AppConfig):
    """Registers `apps.soulseek` under the label `soulseek`."""

    name = "apps.soulseek"
    label = "soulseek"
