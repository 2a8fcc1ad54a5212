"""The session for operators: how it stands, what is wanted of it, what happened to it."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from apps.common.admin_base import ReadOnlyAdmin
from apps.soulseek.models import SessionEvent, SoulseekIntent, SoulseekSession
from apps.soulseek.services_session import session_connect, session_disconnect


@admin.register(SoulseekSession)
class SoulseekSessionAdmin(ReadOnlyAdmin):
    """One row, the node's."""

    list_display = ["health", "phase", "code", "username", "server", "since", "retry_at", "updated_at"]
    actions = ["connect", "disconnect"]

    @admin.action(description="Connect (again)", permissions=["operate"])
    def connect(self, request: HttpRequest, queryset: QuerySet[SoulseekSession]) -> None:
        """By the service."""
        session_connect(user=request.user if isinstance(request.user, User) else None)
        messages.success(request, _("The node connects now."))

    @admin.action(description="Disconnect", permissions=["operate"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[SoulseekSession]) -> None:
        """By the service."""
        session_disconnect(user=request.user if isinstance(request.user, User) else None)
        messages.success(request, _("Disconnected. Nothing connects until you want it."))


@admin.register(SoulseekIntent)
class SoulseekIntentAdmin(ReadOnlyAdmin):
    """One row, of whoever steered last."""

    list_display = ["online", "away", "generation", "set_by", "updated_at"]
    list_select_related = ["set_by"]


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnlyAdmin):
    """What happened."""

    list_display = ["at", "kind", "code"]
    list_filter = ["kind", "code"]
