"""Renamings and their lines for operators. They are applied and taken back on their pages."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.library.paths import display_text
from apps.library.models import FileMove, LibraryRenaming


@admin.register(LibraryRenaming)
class LibraryRenamingAdmin(ReadOnlyAdmin):
    """Renamings."""

    list_display = [
        "display",
        "template",
        "state",
        "code",
        "planned",
        "beside",
        "blocked",
        "moved",
        "failed",
        "requested_by",
        "created_at",
    ]
    list_filter = ["state"]
    search_fields = ["display", "template"]
    exclude = ["below"]


@admin.register(FileMove)
class FileMoveAdmin(ReadOnlyAdmin):
    """Lines of renamings."""

    list_display = ["renaming_id", "position", "old_name", "new_name", "sidecar", "state", "code"]
    list_filter = ["state", "sidecar"]
    raw_id_fields = ["file", "renaming"]
    exclude = ["old_path", "new_path"]
    show_full_result_count = False

    @admin.display(description="old")
    def old_name(self, row: FileMove) -> str:
        """Harmless text."""
        return display_text(bytes(row.old_path))

    @admin.display(description="new")
    def new_name(self, row: FileMove) -> str:
        """Harmless text."""
        return display_text(bytes(row.new_path))
