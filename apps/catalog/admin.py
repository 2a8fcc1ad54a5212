"""The MusicBrainz cache for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.catalog.models import Artist, Label, Medium, Recording, Release, ReleaseGroup, Track
from apps.common.admin_base import ReadOnlyAdmin


@admin.register(Artist)
class ArtistAdmin(ReadOnlyAdmin):
    """Artists."""

    list_display = ["name", "sort_name", "mbid"]
    search_fields = ["name", "sort_name", "mbid"]


@admin.register(Label)
class LabelAdmin(ReadOnlyAdmin):
    """Labels."""

    list_display = ["name", "mbid"]
    search_fields = ["name", "mbid"]


@admin.register(ReleaseGroup)
class ReleaseGroupAdmin(ReadOnlyAdmin):
    """Albums in the abstract."""

    list_display = ["title", "primary_type", "first_release_date", "mbid"]
    list_filter = ["primary_type"]
    search_fields = ["title", "mbid"]


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    """Editions."""

    list_display = [
        "title",
        "artist_credit",
        "date",
        "country",
        "label",
        "catalog_number",
        "status",
        "source",
        "fetched_at",
    ]
    list_filter = ["status", "source", "country"]
    list_select_related = ["label"]
    search_fields = ["title", "artist_credit", "mbid", "catalog_number", "barcode"]


@admin.register(Medium)
class MediumAdmin(ReadOnlyAdmin):
    """Discs and sides."""

    list_display = ["release", "position", "title", "format"]
    list_filter = ["format"]
    list_select_related = ["release"]
    search_fields = ["release__title", "release__mbid"]


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    """Recordings."""

    list_display = ["title", "artist_credit", "length_ms", "mbid"]
    search_fields = ["title", "artist_credit", "mbid"]


@admin.register(Track)
class TrackAdmin(ReadOnlyAdmin):
    """Tracks of editions."""

    list_display = ["title", "artist_credit", "medium", "position", "length_ms", "recording"]
    list_select_related = ["medium", "recording"]
    search_fields = ["title", "mbid", "recording__mbid"]
