"""API keys for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from apps.common.admin_base import ReadOnlyAdmin
from apps.common.models import ApiKey
from apps.common.services import api_key_revoke


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys are made on the System page, where their secret is shown once; here they are looked at and revoked."""

    list_display = ["name", "prefix", "user", "role", "cidrs", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["role", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    date_hierarchy = "created_at"
    exclude = ["secret_hash"]
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """All but the hash."""
        return [name for name in super().get_readonly_fields(request) if name != "secret_hash"]

    @admin.action(description="Revoke", permissions=["administer"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """By the service."""
        for key in queryset:
            api_key_revoke(key.id)
        messages.success(request, _("Revoked."))
