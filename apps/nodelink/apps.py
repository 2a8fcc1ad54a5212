"""Django app `nodelink`."""

from __future__ import annotations

from django.apps import AppConfig


class NodelinkConfig(AppConfig):
    """Registers `apps.nodelink` under the label `nodelink`."""

    name = "apps.nodelink"
    label = "nodelink"
