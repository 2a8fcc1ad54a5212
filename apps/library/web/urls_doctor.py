"""Pages of the Collection Doctor."""

from __future__ import annotations

from django.urls import path

from apps.library.web import doctor

urlpatterns = [
    path("doctor", doctor.doctor, name="doctor"),
    path("doctor/issues", doctor.issues, name="doctor-issues"),
    path("doctor/issues/<int:issue_id>", doctor.issue, name="doctor-issue"),
    path("doctor/act/<slug:name>", doctor.decide, name="doctor-act"),
    path("doctor/scan", doctor.scan, name="doctor-scan"),
    path("doctor/scan/now", doctor.scan_part, name="doctor-scan-part"),
    path("doctor/scan/<uuid:scan_id>/<slug:name>", doctor.scan_act, name="doctor-scan-act"),
]
