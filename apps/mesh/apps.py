"""Django app `mesh`."""

from __future__ import annotations

from django.apps import AppConfig


class MeshConfig(AppConfig):
    """Registers `apps.mesh` under the label `mesh`."""

    name = "apps.mesh"
    label = "mesh"
