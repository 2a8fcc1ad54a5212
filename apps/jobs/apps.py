"""Django app `jobs`."""

from __future__ import annotations

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Registers `apps.jobs` under the label `jobs`."""

    name = "apps.jobs"
    label = "jobs"

    def ready(self) -> None:
        """What the System page asks of jobs."""
        from apps.jobs.manifest_trouble import check_manifests
        from apps.nodelink.health import check_add

        check_add(check_manifests)
