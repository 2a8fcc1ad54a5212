"""What Discogs told, for operators."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.catalog.models import DiscogsEntity
from apps.catalog.services_discogs import discogs_ask
from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.catalog.links import DiscogsKind


@admin.register(DiscogsEntity)
class DiscogsEntityAdmin(ReadOnlyAdmin):
    """Releases, masters, labels and artists of Discogs."""

    list_display = ["kind", "discogs_id", "named", "derived_id", "etag", "fetched_at"]
    list_filter = ["kind"]
    search_fields = ["discogs_id", "derived_id"]
    actions = ["again"]

    @admin.display(description="Title or name")
    def named(self, row: DiscogsEntity) -> str:
        """As Discogs tells it."""
        told = row.facts.get("title") or row.facts.get("name") if isinstance(row.facts, dict) else ""
        return str(told or "")[:200]

    @admin.action(description="Ask Discogs again", permissions=["operate"])
    def again(self, request: HttpRequest, queryset: QuerySet[DiscogsEntity]) -> None:
        """However fresh they are; a worker asks, within Discogs' limit."""
        rows = list(queryset[:100])
        for row in rows:
            discogs_ask(DiscogsKind(row.kind), row.discogs_id)
        self.message_user(request, f"{len(rows)} are asked for again.")
