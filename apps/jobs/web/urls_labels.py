"""Pages of labels: here and not with the mesh, because one label is shown with MusicBrainz' list and makes jobs."""

from __future__ import annotations

from django.urls import path

from apps.jobs.web import labels

urlpatterns = [
    path("mesh/labels", labels.labels, name="mesh-labels"),
    path("mesh/labels/<uuid:key>", labels.label, name="mesh-label"),
    path("mesh/labels/<uuid:key>/crate", labels.label_crate, name="mesh-label-crate"),
    path("mesh/labels/<uuid:key>/ask", labels.label_ask, name="mesh-label-ask"),
]
