"""Django app `jobs`."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Registers `apps.jobs` under the label `jobs`."""

    name = "apps.jobs"
    label = "jobs"
