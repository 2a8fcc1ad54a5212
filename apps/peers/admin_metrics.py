"""Metrics and reputations for operators."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as lazy

from apps.common.admin_base import ReadOnlyAdmin
from apps.domain.peers.reputation import Standing
from apps.peers.models import PeerMetrics
from apps.peers.selectors_metrics import band, metrics_row
from apps.peers.words import STANDING_WORDS, reasons_in_words


class StandingFilter(admin.SimpleListFilter):
    """Bands of reputation."""

    title = lazy("standing")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """The bands."""
        return [(one.value, str(STANDING_WORDS[one])) for one in Standing]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PeerMetrics]) -> QuerySet[PeerMetrics]:
        """Only one of them."""
        if self.value() not in set(Standing):
            return queryset
        return queryset.filter(band(Standing(str(self.value())), settings.SWARM_SCHEDULER.min_reputation))


@admin.register(PeerMetrics)
class PeerMetricsAdmin(ReadOnlyAdmin):
    """How peers performed lately, and how far they are trusted. Written by the node."""

    list_display = ("peer", "score", "why", "speed_kib_s", "rtt_ms", "errors", "timed_out", "good", "bad", "outcome_at")
    list_filter = (StandingFilter, "outcome_at")
    list_select_related = ("peer",)
    search_fields = ("peer__key", "peer__agent")
    ordering = ("-outcome_at",)

    @admin.display(description=lazy("reputation"), ordering="reputation")
    def score(self, row: PeerMetrics) -> str:
        """At the last scoring, at most an hour old while the node runs."""
        return f"{row.reputation:.2f}"

    @admin.display(description=lazy("reason"))
    def why(self, row: PeerMetrics) -> str:
        """In words."""
        chosen = settings.SWARM_SCHEDULER
        found = metrics_row(
            row, peer=row.peer, weights=chosen.weights, min_reputation=chosen.min_reputation, now=row.scored_at
        )
        return reasons_in_words(found.reputation)

    @admin.display(description=lazy("KiB/s"), ordering="throughput_bps")
    def speed_kib_s(self, row: PeerMetrics) -> str:
        """While asked."""
        return f"{row.throughput_bps / 1024:.0f}" if row.throughput_bps else "–"

    @admin.display(description=lazy("RTT ms"), ordering="rtt_s")
    def rtt_ms(self, row: PeerMetrics) -> str:
        """Of chunk responses."""
        return f"{1000 * row.rtt_s:.0f}" if row.rtt_s is not None else "–"

    @admin.display(description=lazy("errors"), ordering="error_rate")
    def errors(self, row: PeerMetrics) -> str:
        """Rate."""
        return f"{row.error_rate:.1%}"

    @admin.display(description=lazy("timeouts"), ordering="timeout_rate")
    def timed_out(self, row: PeerMetrics) -> str:
        """Rate."""
        return f"{row.timeout_rate:.1%}"

    @admin.display(description=lazy("good leaves"), ordering="successful")
    def good(self, row: PeerMetrics) -> str:
        """Lately."""
        return f"{row.successful:.1f}"

    @admin.display(description=lazy("corrupt leaves"), ordering="corrupt")
    def bad(self, row: PeerMetrics) -> str:
        """Lately."""
        return f"{row.corrupt:.1f}"
