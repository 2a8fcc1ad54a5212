"""Django app `slskdn_site`: makes the composition's system checks known, and our Celery application the one that tasks are sent through."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class SiteConfig(AppConfig):
    """Registers the checks and the Celery application."""

    name = "slskdn_site"
    label = "slskdn_site"

    @override
    def ready(self) -> None:
        """Importing the modules registers them; without the second, `dispatch` would send to a broker that nobody configured."""
        from slskdn_site import celery, checks  # noqa: F401
