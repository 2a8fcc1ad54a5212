"""Django app `peers`."""

from __future__ import annotations

from django.apps import AppConfig


class PeersConfig(AppConfig):
    """Registers `apps.peers` under the label `peers`."""

    name = "apps.peers"
    label = "peers"
