"""What the mesh shows of labels, for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.mesh.models_labels import LabelPresence, LabelRelease, LabelSighting


@admin.register(LabelPresence)
class LabelPresenceAdmin(ReadOnlyAdmin):
    """Figures of labels."""

    list_display = ["name", "label_key", "releases", "artists", "peers", "rank", "heard_at", "counted_at", "due"]
    list_filter = ["due"]
    search_fields = ["name_search", "label_key"]


@admin.register(LabelRelease)
class LabelReleaseAdmin(ReadOnlyAdmin):
    """Figures of their releases."""

    list_display = ["title", "artist", "release_mbid", "label_key", "peers", "rank", "quality", "tracks_held", "tracks"]
    search_fields = ["title", "artist", "release_mbid", "label_key"]


@admin.register(LabelSighting)
class LabelSightingAdmin(ReadOnlyAdmin):
    """Who was heard to have what."""

    list_display = [
        "label_name",
        "title",
        "artist",
        "release_mbid",
        "peer",
        "label_by",
        "heard_in",
        "tracks_held",
        "tracks",
        "profile",
        "quality",
        "heard_at",
    ]
    list_filter = ["heard_in", "label_by"]
    list_select_related = ["peer"]
    search_fields = ["label_name", "title", "artist", "release_mbid", "peer__key"]
