"""Addresses of the library API, below /api/."""

from __future__ import annotations

from django.urls import path

from apps.library.api import folders, identifications, quality, renamings, scans, views

urlpatterns = [
    path("library/identifications", identifications.Identifications.as_view(), name="api-identifications"),
    path(
        "library/identifications/<int:variant_id>",
        identifications.OneIdentification.as_view(),
        name="api-identification",
    ),
    path(
        "library/identifications/<int:variant_id>/<str:answer>",
        identifications.Answer.as_view(),
        name="api-identification-answer",
    ),
    path("library/scans", scans.Scans.as_view(), name="api-library-scans"),
    path("library/scans/<uuid:scan_id>", scans.OneScan.as_view(), name="api-library-scan"),
    path("library/scans/<uuid:scan_id>/<slug:name>", scans.ScanAct.as_view(), name="api-library-scan-act"),
    path("library/roots", scans.Roots.as_view(), name="api-library-roots"),
    path("library/files", views.Files.as_view(), name="api-library-files"),
    path("library/variants/<int:variant_id>", quality.Variant.as_view(), name="api-library-variant"),
    path(
        "library/recordings/<uuid:recording_mbid>/canonical",
        quality.RecordingCanonical.as_view(),
        name="api-library-canonical",
    ),
    path("library/duplicates", quality.Duplicates.as_view(), name="api-library-duplicates"),
    path("library/renamings", renamings.Renamings.as_view(), name="api-renamings"),
    path("library/renamings/<uuid:renaming_id>", renamings.OneRenaming.as_view(), name="api-renaming"),
    path("library/renamings/<uuid:renaming_id>/lines", renamings.Lines.as_view(), name="api-renaming-lines"),
    path("library/renamings/<uuid:renaming_id>/<slug:name>", renamings.RenamingAct.as_view(), name="api-renaming-act"),
    path("library/folders", folders.Folders.as_view(), name="api-library-folders"),
    path("library/folders/<int:match_id>", folders.Folder.as_view(), name="api-library-folder"),
]
