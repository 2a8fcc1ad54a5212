"""Django app `catalog`."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Registers `apps.catalog` under the label `catalog`."""

    name = "apps.catalog"
    label = "catalog"

    def ready(self) -> None:
        """Lend the catalog's names to apps that only know ids."""
        from apps.catalog.selectors_names import recording_names, release_names
        from apps.common.names import register_recording_names, register_release_names

        register_release_names(release_names)
        register_recording_names(recording_names)
