"""Library roots, files and variants for operators."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.common.admin_base import ReadOnlyAdmin, hex_of
from apps.library import admin_issues, admin_renames  # noqa: F401  (they register themselves)
from apps.library.models import (
    AcoustidAnswer,
    AudioFile,
    AudioVariant,
    CanonicalDirty,
    CanonicalStats,
    FolderMatch,
    Identification,
    LibraryRoot,
    LibraryScan,
    TrackStats,
    VariantEvidence,
)

BULKY = frozenset({"leaf_hashes", "fingerprint", "preamble"})


@admin.register(LibraryRoot)
class LibraryRootAdmin(ReadOnlyAdmin):
    """Folders."""

    list_display = ["path", "writable", "scanned", "state_code", "last_scan_at", "created_at"]
    list_filter = ["scanned", "writable"]
    search_fields = ["path"]


@admin.register(LibraryScan)
class LibraryScanAdmin(ReadOnlyAdmin):
    """Scans."""

    list_display = [
        "created_at",
        "root",
        "state",
        "code",
        "seen",
        "added",
        "changed",
        "missing",
        "read",
        "unreadable",
        "refused",
        "ended_at",
    ]
    list_filter = ["state", "origin", "root"]
    list_select_related = ["root"]


@admin.register(AudioVariant)
class AudioVariantAdmin(ReadOnlyAdmin):
    """Distinct payloads."""

    list_display = [
        "root",
        "profile",
        "recording_mbid",
        "recording_source",
        "verified",
        "quality_score",
        "transcode_suspect",
        "transcode_verdict",
        "payload_bytes",
        "duration_ms",
        "vendor",
        "created_at",
    ]
    list_filter = [
        "verified",
        "transcode_suspect",
        "transcode_verdict",
        "recording_source",
        "container",
        "payload_format",
    ]
    search_fields = ["recording_mbid", "profile"]
    exclude = sorted(BULKY)

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """All but the bulky ones."""
        return [name for name in super().get_readonly_fields(request) if name not in BULKY]

    @admin.display
    def root(self, variant: AudioVariant) -> str:
        """Payload root, shortened."""
        return hex_of(variant.payload_root)


@admin.register(AudioFile)
class AudioFileAdmin(ReadOnlyAdmin):
    """Files."""

    list_display = [
        "display",
        "title",
        "artist",
        "album",
        "variant",
        "read_state",
        "read_code",
        "size_bytes",
        "missing_since",
        "added_at",
    ]
    list_filter = ["read_state", ("missing_since", admin.EmptyFieldListFilter), "root", "variant__verified"]
    list_select_related = ["variant", "root"]
    search_fields = ["display", "title", "artist", "album", "release_mbid"]


@admin.register(Identification)
class IdentificationAdmin(ReadOnlyAdmin):
    """Which recordings variants are, and why. Answers are given on the review page."""

    list_display = ["variant", "state", "code", "recording_mbid", "confidence", "tries", "decided_by", "updated_at"]
    list_filter = ["state", "code"]
    list_select_related = ["variant", "decided_by"]
    search_fields = ["recording_mbid", "release_mbid"]


@admin.register(AcoustidAnswer)
class AcoustidAnswerAdmin(ReadOnlyAdmin):
    """Kept answers of AcoustID."""

    list_display = ["__str__", "duration_s", "named", "fetched_at"]

    @admin.display
    def named(self, answer: AcoustidAnswer) -> int:
        """Recordings it names."""
        return len(answer.matches)


@admin.register(FolderMatch)
class FolderMatchAdmin(ReadOnlyAdmin):
    """Folders and their releases. Deciding is done in the pages."""

    list_display = ["display", "state", "code", "release_mbid", "distance", "files", "choice", "updated_at"]
    list_filter = ["state", "choice", "root"]
    list_select_related = ["root"]
    search_fields = ["display", "release_mbid"]


@admin.register(CanonicalStats)
class CanonicalStatsAdmin(ReadOnlyAdmin):
    """Variants of recordings by codec profile."""

    list_display = [
        "recording_mbid",
        "profile",
        "variants",
        "scored",
        "mean_score",
        "suspects",
        "best_score",
        "updated_at",
    ]
    list_filter = ["codec", "lossless"]
    search_fields = ["recording_mbid", "profile"]


@admin.register(TrackStats)
class TrackStatsAdmin(ReadOnlyAdmin):
    """Variants held of tracks of releases."""

    list_display = [
        "release_mbid",
        "medium_position",
        "track_position",
        "variants",
        "mean_score",
        "suspects",
        "best_score",
        "updated_at",
    ]
    search_fields = ["release_mbid", "recording_mbid"]


@admin.register(CanonicalDirty)
class CanonicalDirtyAdmin(ReadOnlyAdmin):
    """What waits to be counted again."""

    list_display = ["kind", "mbid", "marks", "since"]
    list_filter = ["kind"]
    search_fields = ["mbid"]


@admin.register(VariantEvidence)
class VariantEvidenceAdmin(ReadOnlyAdmin):
    """What verdicts rest on."""

    list_display = ["variant"]
    list_select_related = ["variant"]
