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
        from apps.catalog.selectors_presence import label_names, labels_merged, releases_covered, releases_labelled
        from apps.common.names import (
            LabelLookUps,
            register_label_look_ups,
            register_recording_names,
            register_release_names,
        )

        register_release_names(release_names)
        register_recording_names(recording_names)
        register_label_look_ups(
            LabelLookUps(releases=releases_labelled, names=label_names, covered=releases_covered, merged=labels_merged)
        )
