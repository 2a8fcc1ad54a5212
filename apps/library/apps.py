"""Django app `library`."""

from __future__ import annotations

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """Registers `apps.library` under the label `library`."""

    name = "apps.library"
    label = "library"
