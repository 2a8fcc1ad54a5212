"""Events, commands and heartbeats for operators."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin_base import ReadOnlyAdmin, ReadOnlyInline
from apps.nodelink.models import NodeCommand, NodeCommandAnswer, NodeEvent, NodeHeartbeat


@admin.register(NodeEvent)
class NodeEventAdmin(ReadOnlyAdmin):
    """Facts from the node."""

    list_display = ["id", "kind", "version", "attempts", "created_at", "processed_at", "error_code"]
    list_filter = ["kind", ("processed_at", admin.EmptyFieldListFilter), "error_code"]
    search_fields = ["id"]


@admin.register(NodeHeartbeat)
class NodeHeartbeatAdmin(ReadOnlyAdmin):
    """Signs of life."""

    list_display = ["peer_id", "version", "started_at", "beat_at", "report_version"]
    search_fields = ["peer_id"]


class NodeCommandAnswerInline(ReadOnlyInline):
    """What came of it."""

    model = NodeCommandAnswer
    fields = ["code", "params", "body", "boot_id", "at", "done_at"]


@admin.register(NodeCommand)
class NodeCommandAdmin(ReadOnlyAdmin):
    """What the node was asked to do once."""

    list_display = ["id", "kind", "requested_by", "created_at", "deadline"]
    list_filter = ["kind"]
    list_select_related = ["requested_by"]
    search_fields = ["id", "dedup_key"]
    inlines = [NodeCommandAnswerInline]
