"""Django app `remediation`."""

from __future__ import annotations

from django.apps import AppConfig


class RemediationConfig(AppConfig):
    """Registers `apps.remediation` under the label `remediation`."""

    name = "apps.remediation"
    label = "remediation"

    def ready(self) -> None:
        """/metrics tells the library's figures too; its own layer knows none of them."""
        from apps.jobs.web.metrics import ROW_METRICS
        from apps.remediation.metrics import LibraryHealthCollector

        ROW_METRICS.register(LibraryHealthCollector())
