"""Messages, rooms and users: for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.common.text import display_text
from apps.soulseek.models import Conversation, Correspondent, PrivateMessage, Room, RoomMessage, RoomState


@admin.register(PrivateMessage)
class PrivateMessageAdmin(ReadOnlyAdmin):
    """Every private message."""

    list_display = ["id", "user", "incoming", "words", "while_away", "at"]
    list_filter = ["incoming", "while_away"]
    search_fields = ["user", "text"]
    date_hierarchy = "at"

    @admin.display(description="text")
    def words(self, row: PrivateMessage) -> str:
        """Harmless, and short."""
        return display_text(row.text, limit=120)


@admin.register(Correspondent)
class CorrespondentAdmin(ReadOnlyAdmin):
    """Ends of conversations."""

    list_display = ["user", "last_id", "last_incoming_id", "last_at"]
    search_fields = ["user"]


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    """How far somebody read."""

    list_display = ["user", "read_up_to", "closed_up_to"]
    search_fields = ["user"]


@admin.register(Room)
class RoomAdmin(ReadOnlyAdmin):
    """Rooms that somebody wants to be in."""

    list_display = ["name", "joined", "read_up_to", "created_at"]
    list_filter = ["joined"]
    search_fields = ["name"]


@admin.register(RoomState)
class RoomStateAdmin(ReadOnlyAdmin):
    """Rooms as the server tells of them."""

    list_display = ["name", "members", "private", "here", "listed", "code", "updated_at"]
    list_filter = ["here", "private", "listed"]
    search_fields = ["name"]
    exclude = ["users"]


@admin.register(RoomMessage)
class RoomMessageAdmin(ReadOnlyAdmin):
    """Lines of rooms."""

    list_display = ["id", "room", "user", "words", "ours", "at"]
    list_filter = ["ours"]
    search_fields = ["room", "user", "text"]
    date_hierarchy = "at"

    @admin.display(description="text")
    def words(self, row: RoomMessage) -> str:
        """Harmless, and short."""
        return display_text(row.text, limit=120)
