"""Django app `catalog`."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Registers `apps.catalog` under the label `catalog`."""

    name = "apps.catalog"
    label = "catalog"
