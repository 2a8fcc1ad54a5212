"""Plans of jobs of jobs for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.jobs.sentences import sentence
from apps.jobs.models import PlannedRelease


@admin.register(PlannedRelease)
class PlannedReleaseAdmin(ReadOnlyAdmin):
    """What each job of jobs took or left out, and why."""

    list_display = [
        "title",
        "artist",
        "year",
        "kind",
        "job",
        "position",
        "state",
        "why",
        "weight",
        "recommended",
        "child",
    ]
    list_filter = ["state", "kind", "reason", "recommended"]
    list_select_related = ["job", "child"]
    search_fields = ["title", "artist", "release_mbid", "group_mbid", "job__id"]

    @admin.display(description="why")
    def why(self, planned: PlannedRelease) -> str:
        """The reason's sentence."""
        return sentence(planned.reason, {})
