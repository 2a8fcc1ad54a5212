"""Bytes and what the fairness governor did, for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin
from apps.soulseek.models import FairnessAction, JobTraffic, TrafficHour, TrafficMark


@admin.register(TrafficHour)
class TrafficHourAdmin(ReadOnlyAdmin):
    """Bytes by the hour."""

    list_display = ["hour", "plane", "direction", "total_bytes"]
    list_filter = ["plane", "direction"]
    date_hierarchy = "hour"
    ordering = ["-hour"]


@admin.register(JobTraffic)
class JobTrafficAdmin(ReadOnlyAdmin):
    """Bytes by job."""

    list_display = ["job_id", "plane", "total_bytes", "updated_at"]
    list_filter = ["plane"]
    search_fields = ["job_id"]


@admin.register(FairnessAction)
class FairnessActionAdmin(ReadOnlyAdmin):
    """What was held back, and by which rule."""

    list_display = ["at", "rule", "action", "share", "job_id"]
    list_filter = ["action", "rule"]
    date_hierarchy = "at"
    ordering = ["-at"]


@admin.register(TrafficMark)
class TrafficMarkAdmin(ReadOnlyAdmin):
    """How far each run of the node has written."""

    list_display = ["boot_id", "number", "updated_at"]
    ordering = ["-updated_at"]
