"""Issues and the doctor's looks for operators. Acts call services."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.library.issues import IssueState
from apps.library.models import DoctorScan, IssueCount, IssueDay, IssueTally, LibraryIssue, LibraryMeasure
from apps.library.services_issues import MAX_MOVED, issues_decide


@admin.register(LibraryIssue)
class LibraryIssueAdmin(ReadOnlyAdmin):
    """Issues."""

    list_display = ["type", "severity", "state", "artist", "album", "title", "code", "detected_at", "seen_at"]
    list_filter = ["open", "type", "severity", "state"]
    search_fields = ["artist", "album", "title", "path", "release_mbid", "recording_mbid"]
    raw_id_fields = ["file", "variant"]
    actions = ["ignore", "resolve", "reopen"]

    @admin.action(description="Ignore", permissions=["operate"])
    def ignore(self, request: HttpRequest, rows: QuerySet[LibraryIssue]) -> None:
        """Set aside."""
        self._decide(request, rows, IssueState.IGNORED)

    @admin.action(description="Resolve", permissions=["operate"])
    def resolve(self, request: HttpRequest, rows: QuerySet[LibraryIssue]) -> None:
        """Call done."""
        self._decide(request, rows, IssueState.RESOLVED)

    @admin.action(description="Open again", permissions=["operate"])
    def reopen(self, request: HttpRequest, rows: QuerySet[LibraryIssue]) -> None:
        """Take back."""
        self._decide(request, rows, IssueState.DETECTED)

    def _decide(self, request: HttpRequest, rows: QuerySet[LibraryIssue], to: IssueState) -> None:
        ids = list(rows.values_list("id", flat=True)[:MAX_MOVED])
        moved = len(issues_decide(ids, to=to, by=request.user.get_username()))
        words = ngettext("%(n)s issue changed.", "%(n)s issues changed.", moved) % {"n": moved}
        self.message_user(request, words, messages.SUCCESS if moved else messages.WARNING)


@admin.register(DoctorScan)
class DoctorScanAdmin(ReadOnlyAdmin):
    """Looks."""

    list_display = ["id", "kind", "state", "stage", "origin", "files", "found", "added", "resolved", "held_back", "created_at", "ended_at"]  # fmt: skip
    list_filter = ["kind", "state", "origin"]


@admin.register(IssueCount)
class IssueCountAdmin(ReadOnlyAdmin):
    """Rolled-up counts."""

    list_display = ["type", "severity", "state", "count"]
    list_filter = ["type", "state"]


@admin.register(IssueDay)
class IssueDayAdmin(ReadOnlyAdmin):
    """The trend."""

    list_display = ["day", "type", "detected", "resolved", "open_at_end"]
    list_filter = ["type"]
    date_hierarchy = "day"


@admin.register(IssueTally)
class IssueTallyAdmin(ReadOnlyAdmin):
    """Who carries most."""

    list_display = ["kind", "label", "open", "weight"]
    list_filter = ["kind"]
    search_fields = ["label", "key"]


@admin.register(LibraryMeasure)
class LibraryMeasureAdmin(ReadOnlyAdmin):
    """Figures counted in the background."""

    list_display = ["name", "measured_at"]
