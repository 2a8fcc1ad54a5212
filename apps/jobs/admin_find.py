"""Finds and targets for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.errors import DomainError
from apps.jobs.models import AlbumTarget, Find
from apps.jobs.services_targets import target_get_missing


@admin.register(Find)
class FindAdmin(ReadOnlyAdmin):
    """What was looked up within the last day."""

    list_display = ["id", "text", "state", "code", "found", "tries", "requested_by", "next_step_at", "created_at"]
    list_filter = ["state", "code"]
    list_select_related = ["requested_by"]
    search_fields = ["id", "text"]


@admin.register(AlbumTarget)
class AlbumTargetAdmin(ReadOnlyAdmin):
    """What people mean to have, as counted last."""

    list_display = ["mbid", "kind", "title", "artist", "state", "held", "tracks", "missing", "wrong", "extra", "source", "counted_at"]  # fmt: skip
    list_filter = ["state", "kind", "source"]
    search_fields = ["mbid", "title", "artist", "source_ref"]
    actions = ["get_missing"]

    @admin.action(description="Get what is missing", permissions=["operate"])
    def get_missing(self, request: HttpRequest, queryset: QuerySet[AlbumTarget]) -> None:
        """A job for each, by the service."""
        made = 0
        for kind, mbid in queryset.values_list("kind", "mbid"):
            try:
                target_get_missing(kind, mbid)
                made += 1
            except DomainError as error:
                messages.warning(request, f"{mbid}: {error.sentence}")
        messages.success(request, f"{made} jobs made.")
