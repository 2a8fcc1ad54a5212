"""Wants, transfers, sources, verdicts and denials for operators."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common.admin_base import ReadOnlyAdmin, ReadOnlyInline, hex_of
from apps.common.sentences import sentence
from apps.transfers.models import (
    PayloadDenial,
    RateLimit,
    Transfer,
    TransferSource,
    TransferVerdict,
    Want,
    WantProgress,
)
from apps.transfers.services_limits import rate_limit_clear


@admin.register(Want)
class WantAdmin(ReadOnlyAdmin):
    """What shall arrive, beside what the node does for it."""

    list_display = [
        "id",
        "recording_mbid",
        "desired",
        "phase",
        "reason",
        "priority",
        "origin",
        "requested_by",
        "created_at",
    ]
    list_filter = ["desired", "progress__phase", "origin"]
    list_select_related = ["progress", "requested_by"]
    search_fields = ["id", "recording_mbid"]

    @admin.display(ordering="progress__phase")
    def phase(self, want: Want) -> str:
        """The node's word."""
        return want.progress.phase if hasattr(want, "progress") else "–"

    @admin.display
    def reason(self, want: Want) -> str:
        """Why it waits."""
        return sentence(want.progress.code, want.progress.params).what if hasattr(want, "progress") else ""


@admin.register(WantProgress)
class WantProgressAdmin(ReadOnlyAdmin):
    """The node's side of wants."""

    list_display = ["want", "phase", "code", "sources_known", "next_look_at", "since", "updated_at"]
    list_filter = ["phase", "code"]
    list_select_related = ["want"]
    search_fields = ["want__id", "want__recording_mbid"]


class TransferSourceInline(ReadOnlyInline):
    """Who gave what."""

    model = TransferSource
    fields = [
        "peer",
        "adapter",
        "state",
        "code",
        "verified_bytes",
        "wasted_bytes",
        "bad_leaves",
        "speed_bps",
        "updated_at",
    ]


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    """Payloads on their way."""

    list_display = [
        "id",
        "state",
        "code",
        "profile",
        "root",
        "verified_bytes",
        "payload_bytes",
        "refetched_bytes",
        "speed_bps",
        "updated_at",
    ]
    list_filter = ["state", "payload_format", "code"]
    search_fields = ["id", "want__recording_mbid"]
    inlines = [TransferSourceInline]

    @admin.display
    def root(self, transfer: Transfer) -> str:
        """Payload root, shortened."""
        return hex_of(transfer.payload_root)


@admin.register(TransferSource)
class TransferSourceAdmin(ReadOnlyAdmin):
    """Who gave what to which transfer."""

    list_display = [
        "transfer",
        "peer",
        "adapter",
        "state",
        "code",
        "verified_bytes",
        "wasted_bytes",
        "bad_leaves",
        "updated_at",
    ]
    list_filter = ["adapter", "state", "code"]
    list_select_related = ["transfer", "peer"]
    search_fields = ["transfer__id", "peer__key"]


@admin.register(TransferVerdict)
class TransferVerdictAdmin(ReadOnlyAdmin):
    """Judgements on assembled files."""

    list_display = ["transfer", "accepted", "code", "reason", "created_at", "applied_at"]
    list_filter = ["accepted", "code"]
    list_select_related = ["transfer"]
    search_fields = ["transfer__id"]

    @admin.display
    def reason(self, verdict: TransferVerdict) -> str:
        """In words."""
        return sentence(verdict.code, verdict.params).what


@admin.register(PayloadDenial)
class PayloadDenialAdmin(ReadOnlyAdmin):
    """Payloads that are not the recording they were claimed to be."""

    list_display = ["recording_mbid", "payload_format", "root", "code", "created_at"]
    list_filter = ["code", "payload_format"]
    search_fields = ["recording_mbid"]

    @admin.display
    def root(self, denial: PayloadDenial) -> str:
        """Payload root, shortened."""
        return hex_of(denial.payload_root)


@admin.register(RateLimit)
class RateLimitAdmin(ReadOnlyAdmin):
    """Limits that people set."""

    list_display = ["scope", "key", "direction", "kbps", "set_by", "updated_at"]
    list_filter = ["scope", "direction"]
    list_select_related = ["set_by"]
    search_fields = ["key"]
    actions = ["clear"]

    @admin.action(description="Clear: what is configured holds again", permissions=["operate"])
    def clear(self, request: HttpRequest, queryset: QuerySet[RateLimit]) -> None:
        """Those that are marked."""
        for row in queryset:
            rate_limit_clear(row.scope, row.key, row.direction)
