"""Pages of the trash, and the buttons of fixes."""

from __future__ import annotations

from django.urls import path

from apps.remediation.web import views

urlpatterns = [
    path("doctor/fix", views.fix, name="remediation-fix"),
    path("doctor/undo", views.undo, name="remediation-undo"),
    path("doctor/fixes/<uuid:remediation_id>/undo", views.take_back, name="remediation-take-back"),
    path("library/trash", views.trash, name="library-trash"),
    path("library/trash/restore", views.restore, name="trash-restore"),
    path("library/trash/purge", views.purge, name="trash-purge"),
]
