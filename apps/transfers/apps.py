"""Django app `transfers`."""

from __future__ import annotations

from django.apps import AppConfig


class TransfersConfig(AppConfig):
    """Registers `apps.transfers` under the label `transfers`."""

    name = "apps.transfers"
    label = "transfers"
