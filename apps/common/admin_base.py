"""What all admin pages share: they are for looking. Rows are changed by services, which the actions call."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.core.exceptions import FieldDoesNotExist
from django.core.paginator import Paginator
from django.db.models import CharField, Model, QuerySet
from django.http import HttpRequest

from apps.common.roles import Role, role_at_least, role_of_user

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Model]
    AnyTabularInline = admin.TabularInline[Model, Model]
else:  # the stubs know these as generic, Django itself does not
    AnyModelAdmin = admin.ModelAdmin
    AnyTabularInline = admin.TabularInline


MOST_COUNTED: Final = 10_000
"""Rows of a list that are counted and paged through: the newest. Tables have millions; older rows are found by search and filters."""
LOOKED_AT: Final = 1_000
"""Newest rows whose values a filter offers."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # any model's rows
    """Counts no further than MOST_COUNTED: a list costs the same however large its table is."""

    @cached_property
    def count(self) -> int:
        """At most MOST_COUNTED."""
        rows: Any = self.object_list  # a QuerySet; lists have no order to lose
        return min(MOST_COUNTED, rows.order_by()[:MOST_COUNTED].count() if isinstance(rows, QuerySet) else len(rows))


class NewestValuesFilter(AllValuesFieldListFilter):
    """Offers the values that the newest rows have: those of all rows would be one look at every row."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        model: type[Model] = given[3]
        newest = model._default_manager.order_by("-pk").values_list(self.field_path, flat=True)[:LOOKED_AT]
        choices: Any = sorted({str(one) for one in newest if one is not None})
        self.lookup_choices = choices


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
    paginator = BoundedPaginator

    def get_list_filter(self, request: HttpRequest) -> Any:  # what Django takes there
        """Text without a list of choices is offered by what the newest rows have."""
        return [(one, NewestValuesFilter) if self._is_text(one) else one for one in super().get_list_filter(request)]

    def _is_text(self, given: object) -> bool:
        try:
            field = self.opts.get_field(given) if isinstance(given, str) else None
        except FieldDoesNotExist:
            return False  # a path to another table
        return isinstance(field, CharField) and not field.choices

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
