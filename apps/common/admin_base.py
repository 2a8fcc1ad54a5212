"""What all admin pages share: they are for looking. Rows are changed by services, which the actions call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from apps.common.roles import Role, role_at_least, role_of_user

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Model]
    AnyTabularInline = admin.TabularInline[Model, Model]
else:  # the stubs know these as generic, Django itself does not
    AnyModelAdmin = admin.ModelAdmin
    AnyTabularInline = admin.TabularInline


class ReadOnlyInline(AnyTabularInline):
    """Rows below another: shown, never edited."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: Django then shows every field as text."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """All that are shown."""
        return [str(name) for name in self.fields or ()]


class ReadOnlyAdmin(AnyModelAdmin):
    """Every field is shown, none can be edited; nothing is added or deleted by hand."""

    show_full_result_count = False  # counting a million rows for a caption helps nobody
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """For `@admin.action(permissions=["operate"])`: being let in to look does not let one steer."""
        return role_at_least(role_of_user(request.user), Role.OPERATOR)

    def has_administer_permission(self, request: HttpRequest) -> bool:
        """For actions that touch what other people own."""
        return role_at_least(role_of_user(request.user), Role.ADMIN)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No: rows of others hang on these, and the node may be working on them."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """All."""
        return [field.name for field in self.opts.fields]


def hex_of(value: bytes | memoryview | None, *, digits: int = 16) -> str:
    """The first digits of a hash."""
    return bytes(value).hex()[:digits] if value else "–"
