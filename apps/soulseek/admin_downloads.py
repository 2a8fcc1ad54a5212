"""Batches, downloads, what is known of sharers: for operators."""

from __future__ import annotations

import uuid

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.common.admin_base import ReadOnlyAdmin
from apps.common.sentences import sentence
from apps.soulseek.download_actions import DOWNLOAD_ACTIONS
from apps.soulseek.models import Batch, Download, DownloadProgress, Rescue, SoulseekUser


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    """Files that were asked for together."""

    list_display = ["id", "title", "user", "origin", "job_id", "created_at", "ended_at"]
    list_filter = ["origin"]
    search_fields = ["id", "title", "user", "folder", "job_id"]
    date_hierarchy = "created_at"


@admin.register(Download)
class DownloadAdmin(ReadOnlyAdmin):
    """What is asked of sharers, beside how the node gets on with it."""

    list_display = [
        "id",
        "user",
        "remote_path",
        "desired",
        "state",
        "reason",
        "priority",
        "order",
        "live",
        "created_at",
    ]
    list_filter = ["desired", "live", "external", "progress__state"]
    list_select_related = ["progress"]
    search_fields = ["id", "user", "remote_path", "recording_mbid"]
    actions = ["pause", "resume", "cancel", "retry"]

    @admin.display(ordering="progress__state")
    def state(self, row: Download) -> str:
        """The node's word."""
        return row.progress.state if hasattr(row, "progress") else "–"

    @admin.display
    def reason(self, row: Download) -> str:
        """Why."""
        return sentence(row.progress.code, row.progress.params).what if hasattr(row, "progress") else ""

    @admin.action(description=_("Pause"), permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Download]) -> None:
        """Let them rest."""
        self._act(request, queryset, "pause")

    @admin.action(description=_("Resume"), permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Download]) -> None:
        """Let them go on."""
        self._act(request, queryset, "resume")

    @admin.action(description=_("Cancel"), permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Download]) -> None:
        """End them."""
        self._act(request, queryset, "cancel")

    @admin.action(description=_("Ask again for what did not come"), permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Download]) -> None:
        """A new row each."""
        self._act(request, queryset, "retry")

    def _act(self, request: HttpRequest, queryset: QuerySet[Download], name: str) -> None:
        ids: list[uuid.UUID] = list(queryset.values_list("id", flat=True))
        changed = DOWNLOAD_ACTIONS[name](ids)
        self.message_user(request, f"{changed}")


@admin.register(DownloadProgress)
class DownloadProgressAdmin(ReadOnlyAdmin):
    """The node's side of downloads."""

    list_display = [
        "download",
        "state",
        "code",
        "bytes_have",
        "speed_bps",
        "place",
        "attempts",
        "trouble",
        "updated_at",
    ]
    list_filter = ["state", "code", "trouble"]
    list_select_related = ["download"]
    search_fields = ["download__id", "download__user", "download__remote_path"]


@admin.register(Rescue)
class RescueAdmin(ReadOnlyAdmin):
    """What the mesh gave to downloads that did badly."""

    list_display = [
        "id", "download", "trouble", "state", "reason", "overlay_bytes", "soulseek_bytes", "peers", "started_at", "ended_at",
    ]  # fmt: skip
    list_filter = ["state", "code", "trouble"]
    list_select_related = ["download"]
    search_fields = ["id", "download__id", "download__user", "job_id", "recording_mbid"]
    date_hierarchy = "started_at"

    @admin.display
    def reason(self, row: Rescue) -> str:
        """Why."""
        return sentence(row.code, row.params).what if row.code else ""


@admin.register(SoulseekUser)
class SoulseekUserAdmin(ReadOnlyAdmin):
    """What is known of users."""

    list_display = ["name", "status", "completed", "failed", "median_bps", "files", "banned_us_at", "seen_at"]
    list_filter = ["status"]
    search_fields = ["name"]
    exclude = ["picture", "share"]
