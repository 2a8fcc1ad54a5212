"""Pages of the library."""

from __future__ import annotations

from django.urls import path

from apps.library.web import duplicates_page, file_page, folders, review_page, views

urlpatterns = [
    path("library/review", review_page.review, name="library-review"),
    path("library/review/confirm", review_page.confirm_selected, name="review-confirm"),
    path("library/review/<int:variant_id>", review_page.question, name="library-question"),
    path("library/review/<int:variant_id>/<str:answer>", review_page.answer, name="review-answer"),
    path("library", views.files, name="library"),
    path("library/files/<int:file_id>", file_page.file, name="library-file"),
    path("library/duplicates", duplicates_page.duplicates, name="library-duplicates"),
    path("library/duplicates/<str:kind>/<str:key>/trash", duplicates_page.trash, name="duplicates-trash"),
    path("library/folders", folders.folders, name="library-folders"),
    path("library/folders/<int:match_id>", folders.folder, name="library-folder"),
    path("library/folders/<int:match_id>/<slug:name>", folders.act, name="library-folder-act"),
]
