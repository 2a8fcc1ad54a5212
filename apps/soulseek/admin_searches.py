"""Searches, hunts, candidates, outcomes of sources and what answers taught: for operators."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.errors import DomainError
from apps.soulseek.models import Candidate, Hunt, OfferSighting, Search, SearchProgress, SourceOutcome
from apps.soulseek.services_hunt import hunt_search_now
from apps.soulseek.services_search import search_withdraw


@admin.register(Search)
class SearchAdmin(ReadOnlyAdmin):
    """What was searched for."""

    list_display = ["query", "state", "origin", "urgency", "requested_by", "created_at"]
    list_filter = ["origin", "scope", "progress__state"]
    list_select_related = ["progress", "requested_by"]
    search_fields = ["id", "query", "whom"]
    date_hierarchy = "created_at"
    actions = ["withdraw"]

    @admin.display(ordering="progress__state")
    def state(self, row: Search) -> str:
        """The node's word."""
        return row.progress.state if hasattr(row, "progress") else "–"

    @admin.action(description=_("Withdraw"))
    def withdraw(self, request: HttpRequest, rows: QuerySet[Search]) -> None:
        """No more answers are wanted."""
        for search_id in list(rows.values_list("id", flat=True)):
            search_withdraw(search_id)
        self.message_user(request, _("Withdrawn."))


@admin.register(SearchProgress)
class SearchProgressAdmin(ReadOnlyAdmin):
    """How searches stand."""

    list_display = ["search_id", "state", "code", "ahead", "due_at", "users", "files", "truncated", "ended_at"]
    list_filter = ["state", "truncated"]
    search_fields = ["search__id", "search__query"]


@admin.register(Hunt)
class HuntAdmin(ReadOnlyAdmin):
    """What is looked for."""

    list_display = ["title", "state", "code", "auto_download", "rounds", "next_step_at", "lease_until", "created_at"]
    list_filter = ["state", "origin", "auto_download", "dry_run"]
    search_fields = ["id", "job_id", "title", "words"]
    actions = ["look_now"]

    @admin.action(description=_("Look now"))
    def look_now(self, request: HttpRequest, rows: QuerySet[Hunt]) -> None:
        """From the first question."""
        for hunt_id in list(rows.values_list("id", flat=True)):
            try:
                hunt_search_now(hunt_id)
            except DomainError as error:
                self.message_user(request, str(error))


@admin.register(Candidate)
class CandidateAdmin(ReadOnlyAdmin):
    """Who offers it."""

    list_display = ["hunt", "rank", "user", "folder", "score", "whole", "refused", "chosen_by", "tried_at"]
    list_filter = ["refused", "whole", "chosen_by"]
    list_select_related = ["hunt"]
    search_fields = ["user", "folder", "hunt__id"]


@admin.register(SourceOutcome)
class SourceOutcomeAdmin(ReadOnlyAdmin):
    """What came of sources."""

    list_display = ["user", "outcome", "code", "recording_mbid", "again_at", "at"]
    list_filter = ["outcome"]
    search_fields = ["user", "recording_mbid", "hunt_id"]
    date_hierarchy = "at"


@admin.register(OfferSighting)
class OfferSightingAdmin(ReadOnlyAdmin):
    """Who was seen to offer what."""

    list_display = [
        "sharer",
        "artist",
        "title",
        "release_mbid",
        "recording_mbid",
        "certainty",
        "verdict",
        "code",
        "files",
        "profile",
        "times",
        "last_seen",
    ]
    list_filter = ["verdict"]
    search_fields = ["artist", "title", "release_mbid", "recording_mbid"]
