"""Django app `common`."""

from __future__ import annotations

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Registers `apps.common` under the label `common`."""

    name = "apps.common"
    label = "common"
