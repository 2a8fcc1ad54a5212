"""Fixes for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.admin_base import ReadOnlyAdmin
from apps.common.sentences import message_of
from apps.domain.errors import DomainError
from apps.library.models import TrashedFile
from apps.library.services_trash import trash_purge_ask, trash_restore_ask
from apps.remediation.models import Remediation
from apps.remediation.services import remedy_undo_ask


@admin.register(Remediation)
class RemediationAdmin(ReadOnlyAdmin):
    """Attempts to mend issues."""

    list_display = ["id", "issue", "action", "state", "code", "job", "tries", "requested_by", "created_at", "ended_at"]
    list_filter = ["state", "action"]
    list_select_related = ["issue", "job", "requested_by"]
    search_fields = ["code", "issue__artist", "issue__album", "issue__title"]
    actions = ["take_back"]

    @admin.action(description="Take back", permissions=["operate"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Remediation]) -> None:
        """Undo the chosen fixes."""
        for row in queryset:
            try:
                remedy_undo_ask(row.id)
            except DomainError as error:
                self.message_user(
                    request, message_of(error.code, error.params, fallback=error.sentence), level=messages.ERROR
                )


@admin.register(TrashedFile)
class TrashedFileAdmin(ReadOnlyAdmin):
    """The trash."""

    list_display = [
        "display",
        "state",
        "code",
        "reason",
        "place",
        "size_bytes",
        "keep_until_proven",
        "trashed_at",
        "purged_at",
    ]
    list_filter = ["state", "reason", "place", "root"]
    list_select_related = ["root"]
    search_fields = ["display"]
    actions = ["put_back", "delete_for_good"]

    @admin.action(description="Put back", permissions=["operate"])
    def put_back(self, request: HttpRequest, queryset: QuerySet[TrashedFile]) -> None:
        """Ask for the chosen files back."""
        for row in queryset:
            try:
                trash_restore_ask(row.id)
            except DomainError as error:
                self.message_user(
                    request, message_of(error.code, error.params, fallback=error.sentence), level=messages.ERROR
                )

    @admin.action(description="Delete for good", permissions=["administer"])
    def delete_for_good(self, request: HttpRequest, queryset: QuerySet[TrashedFile]) -> None:
        """Give the chosen files up."""
        trash_purge_ask([row.id for row in queryset])
