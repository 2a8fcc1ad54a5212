"""Django app `slskdn_site`: only there so that the composition's system checks are known to Django."""

from __future__ import annotations

from django.apps import AppConfig
from typing_extensions import override


class SiteConfig(AppConfig):
    """Registers the checks."""

    name = "slskdn_site"
    label = "slskdn_site"

    @override
    def ready(self) -> None:
        """Importing the module registers its checks."""
        from slskdn_site import checks  # noqa: F401
