"""Django app `remediation`."""

from __future__ import annotations

from django.apps import AppConfig


class RemediationConfig(AppConfig):
    """Registers `apps.remediation` under the label `remediation`."""

    name = "apps.remediation"
    label = "remediation"
