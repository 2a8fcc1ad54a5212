"""Django app `common`."""

from __future__ import annotations

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as installed
from django.db.models.signals import post_migrate

ROLES = ("viewer", "operator", "admin")


class CommonConfig(AppConfig):
    """Registers `apps.common` under the label `common`."""

    name = "apps.common"
    label = "common"

    def ready(self) -> None:
        """See to it that a database always has the roles."""
        post_migrate.connect(_roles_keep, sender=self, dispatch_uid="slskdn.roles")


def _roles_keep(*, using: str, apps: Apps = installed, **_told: object) -> None:
    """A migration makes the roles; a database that was emptied (`manage flush`) is not migrated again, and nobody could be given a role."""
    try:
        group = apps.get_model("auth", "Group")
    except LookupError:  # migrated back to before there were groups
        return
    there = set(group.objects.using(using).values_list("name", flat=True))
    group.objects.using(using).bulk_create(
        [group(name=name) for name in ROLES if name not in there], ignore_conflicts=True
    )
