"""Pages of the library."""

from __future__ import annotations

from django.urls import path

from apps.library.web import duplicates_page, file_page, folders, renames_page, review_page, scans_page, views

urlpatterns = [
    path("library/review", review_page.review, name="library-review"),
    path("library/review/confirm", review_page.confirm_selected, name="review-confirm"),
    path("library/review/<int:variant_id>", review_page.question, name="library-question"),
    path("library/review/<int:variant_id>/<str:answer>", review_page.answer, name="review-answer"),
    path("library", views.files, name="library"),
    path("library/scans", scans_page.scans, name="library-scans"),
    path("library/scans/panel", scans_page.panel, name="library-scans-panel"),
    path("library/scans/begin", scans_page.begin, name="library-scan-begin"),
    path("library/scans/<uuid:scan_id>/<slug:name>", scans_page.act, name="library-scan-act"),
    path("library/files/<int:file_id>", file_page.file, name="library-file"),
    path("library/duplicates", duplicates_page.duplicates, name="library-duplicates"),
    path("library/duplicates/<str:kind>/<str:key>/trash", duplicates_page.trash, name="duplicates-trash"),
    path("library/renamings", renames_page.renamings, name="library-renamings"),
    path("library/renamings/begin", renames_page.begin, name="library-renaming-begin"),
    path("library/renamings/<uuid:renaming_id>", renames_page.renaming, name="library-renaming"),
    path("library/renamings/<uuid:renaming_id>/<slug:name>", renames_page.act, name="library-renaming-act"),
    path("library/folders", folders.folders, name="library-folders"),
    path("library/folders/<int:match_id>", folders.folder, name="library-folder"),
    path("library/folders/<int:match_id>/<slug:name>", folders.act, name="library-folder-act"),
]
