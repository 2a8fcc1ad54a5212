"""What neighbours advertise, for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin, hex_of
from apps.mesh.models_adverts import Advert, AvailableVariant


@admin.register(Advert)
class AdvertAdmin(ReadOnlyAdmin):
    """How far each peer's adverts are held."""

    list_display = ["peer", "group", "sequence", "whole", "truncated", "heard_at", "expires_at"]
    list_filter = ["whole", "truncated"]
    list_select_related = ["peer"]
    search_fields = ["peer__key", "group"]


@admin.register(AvailableVariant)
class AvailableVariantAdmin(ReadOnlyAdmin):
    """What they say that they hold."""

    list_display = [
        "recording_mbid",
        "root",
        "profile",
        "peer",
        "payload_bytes",
        "duration_ms",
        "quality_score",
        "transcode_suspect",
    ]
    list_filter = ["payload_format", "transcode_suspect"]
    list_select_related = ["advert__peer"]
    search_fields = ["recording_mbid", "advert__peer__key"]

    @admin.display
    def root(self, row: AvailableVariant) -> str:
        """Payload root, shortened."""
        return hex_of(row.payload_root)

    @admin.display
    def peer(self, row: AvailableVariant) -> str:
        """Who says so."""
        return row.advert.peer.key
