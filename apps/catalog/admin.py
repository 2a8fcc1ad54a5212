"""The MusicBrainz cache for operators."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.catalog import admin_discogs  # noqa: F401  (it registers itself)
from apps.catalog.models import (
    Artist,
    EntityTag,
    GroupArtist,
    Label,
    Medium,
    MergedMbid,
    Recording,
    Relation,
    Release,
    ReleaseGroup,
    ReleaseLabel,
    Track,
    Validator,
    Walk,
)
from apps.catalog.services_walk import walk_ask
from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.catalog.walks import WalkKind


@admin.register(Artist)
class ArtistAdmin(ReadOnlyAdmin):
    """Artists."""

    list_display = ["name", "sort_name", "kind", "country", "mbid", "source", "fetched_at"]
    list_filter = ["kind", "source"]
    search_fields = ["name", "sort_name", "mbid"]


@admin.register(Label)
class LabelAdmin(ReadOnlyAdmin):
    """Labels."""

    list_display = ["name", "kind", "country", "label_code", "mbid", "source", "fetched_at"]
    list_filter = ["kind", "source"]
    search_fields = ["name", "mbid"]


@admin.register(ReleaseGroup)
class ReleaseGroupAdmin(ReadOnlyAdmin):
    """Albums in the abstract."""

    list_display = ["title", "artist_credit", "primary_type", "first_release_date", "mbid", "source", "fetched_at"]
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


@admin.register(Walk)
class WalkAdmin(ReadOnlyAdmin):
    """Lists that are read, or were."""

    list_display = ["kind", "mbid", "state", "taken", "total", "unreadable", "code", "next_step_at", "read_at"]
    list_filter = ["kind", "state", "code"]
    search_fields = ["mbid"]
    actions = ["again"]

    @admin.action(description="Read again from MusicBrainz", permissions=["operate"])
    def again(self, request: HttpRequest, queryset: QuerySet[Walk]) -> None:
        """However fresh they are."""
        asked = [walk_ask(WalkKind(row.kind), row.mbid, refresh=True) for row in queryset[:200]]
        self.message_user(request, f"{len(asked)} lists are read again.")


@admin.register(GroupArtist)
class GroupArtistAdmin(ReadOnlyAdmin):
    """Credits of release groups."""

    list_display = ["group", "artist", "position"]
    list_select_related = ["group", "artist"]
    search_fields = ["group__title", "artist__name", "artist__mbid", "group__mbid"]


@admin.register(ReleaseLabel)
class ReleaseLabelAdmin(ReadOnlyAdmin):
    """Labels and catalogue numbers of releases."""

    list_display = ["release", "label", "catalog_number", "position"]
    list_select_related = ["release", "label"]
    search_fields = ["label__name", "catalog_number", "release__title", "label__mbid"]


@admin.register(Relation)
class RelationAdmin(ReadOnlyAdmin):
    """What is connected with what."""

    list_display = ["source_kind", "source_mbid", "kind", "target_kind", "target_mbid", "name", "address"]
    list_filter = ["source_kind", "target_kind"]
    search_fields = ["source_mbid", "target_mbid", "name", "kind"]


@admin.register(EntityTag)
class EntityTagAdmin(ReadOnlyAdmin):
    """Genres and tags."""

    list_display = ["name", "count", "entity_kind", "mbid"]
    list_filter = ["entity_kind"]
    search_fields = ["name", "mbid"]


@admin.register(MergedMbid)
class MergedMbidAdmin(ReadOnlyAdmin):
    """MBIDs that became others."""

    list_display = ["kind", "old", "mbid", "seen_at"]
    list_filter = ["kind"]
    search_fields = ["old", "mbid"]


@admin.register(Validator)
class ValidatorAdmin(ReadOnlyAdmin):
    """By what answers are known again."""

    list_display = ["kind", "mbid", "etag", "last_modified"]
    list_filter = ["kind"]
    search_fields = ["mbid"]
