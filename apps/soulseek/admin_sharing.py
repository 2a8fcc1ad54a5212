"""Shares, uploads, rules of users: for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.common.sentences import sentence
from apps.soulseek.models import ShareChange, ShareRule, Upload, UserRule


@admin.register(ShareRule)
class ShareRuleAdmin(ReadOnlyAdmin):
    """Who may see which folder."""

    list_display = ["id", "root", "display", "audience", "updated_at"]
    list_filter = ["audience"]
    list_select_related = ["root"]
    search_fields = ["display"]


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    """What was asked of us."""

    list_display = ["id", "user", "remote_path", "state", "reason", "group", "sent_bytes", "asked_at", "ended_at"]
    list_filter = ["state", "group"]
    search_fields = ["id", "user", "remote_path"]
    date_hierarchy = "asked_at"

    @admin.display
    def reason(self, row: Upload) -> str:
        """The code in words."""
        return str(sentence(row.code, row.params)) if row.code else ""


@admin.register(UserRule)
class UserRuleAdmin(ReadOnlyAdmin):
    """Buddies, the ignored, the banned, groups."""

    list_display = ["id", "effect", "match", "pattern", "group", "note", "created_at"]
    list_filter = ["effect", "match"]
    search_fields = ["pattern", "note"]


@admin.register(ShareChange)
class ShareChangeAdmin(ReadOnlyAdmin):
    """Changes that the node has not taken yet."""

    list_display = ["id", "file_id", "at"]
