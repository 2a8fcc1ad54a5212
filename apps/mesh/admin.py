"""Claims, seeds and announcements for operators."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from apps.common.admin_base import ReadOnlyAdmin, hex_of
from apps.mesh import admin_adverts, admin_labels  # noqa: F401  (they register themselves)
from apps.mesh.models import Announcement, Claim, SeededRelease
from apps.mesh.services import release_unseed


@admin.register(SeededRelease)
class SeededReleaseAdmin(ReadOnlyAdmin):
    """Releases seeded by choice."""

    list_display = ["release_mbid", "requested_by", "created_at"]
    list_select_related = ["requested_by"]
    search_fields = ["release_mbid"]
    actions = ["unseed"]

    @admin.action(description="Stop seeding", permissions=["operate"])
    def unseed(self, request: HttpRequest, queryset: QuerySet[SeededRelease]) -> None:
        """By the service."""
        for row in queryset:
            release_unseed(row.release_mbid)
        messages.success(request, _("No longer seeded; its files stay."))


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnlyAdmin):
    """What is announced in the DHT."""

    list_display = ["release_mbid", "slot", "since", "announced_at", "stored_at"]
    search_fields = ["release_mbid"]


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """What peers say of recordings."""

    list_display = [
        "recording_mbid",
        "root",
        "profile",
        "peer",
        "group",
        "payload_bytes",
        "complete",
        "verdict",
        "delivered_at",
        "undelivered",
        "facts_wrong",
        "heard_at",
    ]
    list_filter = ["verdict", "complete", "payload_format", "first_hand", "facts_wrong"]
    list_select_related = ["peer"]
    search_fields = ["recording_mbid", "peer__key"]

    @admin.display
    def root(self, claim: Claim) -> str:
        """Payload root, shortened."""
        return hex_of(claim.payload_root)
