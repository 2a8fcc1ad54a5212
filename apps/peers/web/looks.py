"""How metrics and reputations look on pages: chips, bars, lines of numbers with their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from apps.common.sentences import Sentence
from apps.common.web.looks import Look
from apps.domain.peers.reputation import Standing
from apps.domain.swarm.cost import Cost
from apps.peers.selectors_metrics import MetricsRow
from apps.peers.words import STANDING_TONES, STANDING_WORDS, TERM_WORDS, reason_sentences, reasons_in_words


class TermLine(TypedDict):
    """One term of a cost, with the colour it has in the bar (a segment of the `bar` tag)."""

    tone: str
    label: str | Promise
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsLook:
    """A peer's metrics as a page shows them."""

    row: MetricsRow
    look: Look
    score: str
    reasons: str
    """short: "high timeouts, low throughput" """
    sentences: Sequence[Sentence]
    rtt_ms: int | None
    speed_bps: float | None
    unsteady: int
    """percent: standard deviation of the speed"""
    error_percent: str
    timeout_percent: str
    cancellation_percent: str
    off: Sequence[tuple[str | Promise, str]]
    """what was taken off 1, at most everything"""
    cost: str
    terms: Sequence[TermLine]


def standing_look(standing: Standing) -> Look:
    """The chip of a band."""
    tone, icon = STANDING_TONES[standing]
    return Look(STANDING_WORDS[standing], icon, tone)


def term_lines(cost: Cost) -> list[TermLine]:
    """Terms in the order of their weight, each with a colour of its own."""
    tones = {"throughput": "s0", "rtt": "s1", "reputation": "s2", "timeout": "s3", "error": "s4"}
    return [TermLine(tone=tones[name], label=TERM_WORDS[name], value=value) for name, value in cost.terms().items()]


def metrics_look(row: MetricsRow) -> MetricsLook:
    """Of one peer."""
    metrics = row.metrics
    speed, taken = metrics.throughput_bps, row.reputation.terms
    return MetricsLook(
        row=row,
        look=standing_look(row.standing),
        score=f"{row.reputation.score:.2f}",
        reasons=reasons_in_words(row.reputation),
        sentences=reason_sentences(row.reputation),
        rtt_ms=None if metrics.rtt_s is None else round(1000 * metrics.rtt_s),
        speed_bps=speed,
        unsteady=round(100 * (metrics.speed_deviation or 0.0)),
        error_percent=percent(metrics.error_rate),
        timeout_percent=percent(metrics.timeout_rate),
        cancellation_percent=percent(metrics.cancellation_rate),
        off=[
            (lazy("Off for timeouts"), _off(taken.timeouts)),
            (lazy("Off for wrong bytes"), _off(taken.corruption)),
            (lazy("Off for other failures"), _off(taken.failures)),
        ],
        cost=f"{row.cost.total:.2f}",
        terms=term_lines(row.cost),
    )


def percent(rate: float) -> str:
    """A rate in percent: one digit below ten, so that a little is told from nothing."""
    value = 100 * rate
    if 0 < value < 0.1:
        return _("< 0.1 %")
    return f"{value:.1f}\u202f%" if 0 < value < 10 else f"{value:.0f}\u202f%"


def count(value: float) -> str:
    """A decayed counter: whole numbers from ten on, and no more digits than mean something."""
    if 0 < value < 0.1:
        return "< 0.1"
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}".replace(",", "\u202f")


def _off(value: float) -> str:
    return _("everything") if value >= 1 else f"{value:.2f}"
