"""How issues, looks and trends look on pages: words, icons and tones of states and severities, and the chart of the trend as drawn figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.common.sentences import Sentence, sentence
from apps.common.web.looks import Look
from apps.domain.library.issue_words import SEVERITY_WORDS, STATE_WORDS, TYPE_ONE, TYPE_WORDS
from apps.domain.library.issues import MOVES, IssueState
from apps.library.selectors_issues import HealthSummary, ScanView, TrendDay, TypeCounts, per_thousand

if TYPE_CHECKING:
    from apps.library.models import LibraryIssue


_SEVERITY: Final[Mapping[str, tuple[str, str]]] = {
    "critical": ("cross", "bad"),
    "high": ("warning", "bad"),
    "medium": ("warning", "warn"),
    "low": ("info", "info"),
}
_STATE: Final[Mapping[str, tuple[str, str]]] = {
    "detected": ("dot", "warn"),
    "acknowledged": ("ear", "info"),
    "ignored": ("stop", "idle"),
    "fixing": ("retry", "overlay"),
    "resolved": ("check", "ok"),
    "failed": ("warning", "bad"),
}
_SCAN: Final[Mapping[str, tuple[str, str, str]]] = {
    "queued": ("Waits for a worker", "clock", "idle"),
    "running": ("Looking", "search", "overlay"),
    "paused": ("Paused", "pause", "idle"),
    "completed": ("Done", "check", "ok"),
    "failed": ("Failed", "warning", "bad"),
    "cancelled": ("Cancelled", "stop", "idle"),
}
STAGE_WORDS: Final[Mapping[str, str]] = {
    "files": "file by file",
    "recordings": "copies of recordings",
    "payloads": "copies of what nobody knows",
    "releases": "releases as a whole",
    "clearing": "what is gone",
}


def severity_look(severity: str) -> Look:
    """Chip of a severity."""
    icon, tone = _SEVERITY.get(severity, ("info", "idle"))
    return Look(label=_(SEVERITY_WORDS.get(severity, severity)), icon=icon, tone=tone)


def state_look(state: str) -> Look:
    """Chip of an issue's state."""
    icon, tone = _STATE.get(state, ("dot", "idle"))
    return Look(label=_(STATE_WORDS.get(state, state)), icon=icon, tone=tone)


def scan_look(state: str) -> Look:
    """Chip of a look's state."""
    label, icon, tone = _SCAN.get(state, (state, "dot", "idle"))
    return Look(label=_(label), icon=icon, tone=tone)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLine:
    """A row of the list, and what a person may do with it."""

    row: LibraryIssue
    type: str
    severity: Look
    state: Look
    says: Sentence
    outcome: Sentence
    moves: frozenset[str]
    """States a person may put it in."""

    @property
    def fixable(self) -> bool:
        """Remediation may begin."""
        return IssueState.FIXING in MOVES[IssueState(self.row.state)]


def issue_line(row: LibraryIssue) -> IssueLine:
    """For a list or a page."""
    state = IssueState(row.state)
    by_hand = set() if state is IssueState.FIXING else MOVES[state] - {IssueState.FIXING, IssueState.FAILED}
    return IssueLine(
        row=row,
        type=_(TYPE_ONE.get(row.type, row.type)),
        severity=severity_look(row.severity),
        state=state_look(row.state),
        says=Sentence(sentence(row.code, row.params).what),  # what would come next is said of downloads
        outcome=sentence(row.outcome_code, row.outcome_params),
        moves=frozenset(one.value for one in by_hand),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCard:
    """One type on the overview."""

    counts: TypeCounts
    name: str
    means: str
    per_1000: float | None
    worst: Look | None
    """Its worst severity among open ones."""
    segments: tuple[Mapping[str, object], ...]
    """Open ones by severity, as a bar."""
    label: str


def type_cards(summary: HealthSummary) -> list[TypeCard]:
    """Types with open issues first, the most first; then those that are in order."""
    cards = []
    for one in summary.types:
        name, means = TYPE_WORDS[one.type]
        severities = list(one.by_severity)
        cards.append(
            TypeCard(
                counts=one,
                name=_(name),
                means=_(means),
                per_1000=per_thousand(one.open, summary.tracks),
                worst=severity_look(severities[0]) if severities else None,
                segments=tuple(
                    {"value": count, "tone": _SEVERITY[severity][1] if severity != "critical" else "bad"}
                    for severity, count in one.by_severity.items()
                ),
                label=", ".join(f"{_(SEVERITY_WORDS[key])}: {count}" for key, count in one.by_severity.items()),
            )
        )
    return sorted(cards, key=lambda card: (-card.counts.open, card.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPanel:
    """The newest look, for the overview."""

    view: ScanView
    look: Look
    stage: str
    says: Sentence
    percent: int

    @property
    def actions(self) -> tuple[str, ...]:
        """What can be done with it."""
        state = self.view.row.state
        if state == "paused":
            return ("resume", "cancel")
        return ("pause", "cancel") if self.view.live else ()


def scan_panel(view: ScanView | None) -> ScanPanel | None:
    """None: nobody has looked yet."""
    if view is None:
        return None
    return ScanPanel(
        view=view,
        look=scan_look(view.row.state),
        stage=_(STAGE_WORDS.get(view.row.stage, view.row.stage)),
        says=sentence(view.row.code),
        percent=math.floor(100 * view.progress.share),
    )


WIDTH: Final = 720
HEIGHT: Final = 150
LEFT: Final = 44
BOTTOM: Final = 20
TOP: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendBar:
    """One day: what was found (up) and resolved, as two bars side by side."""

    x: float
    width: float
    found_y: float
    found_height: float
    resolved_x: float
    resolved_y: float
    resolved_height: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChart:
    """Figures ready to draw: a line of open issues over bars of what each day brought. Two scales, each with its own greatest value."""

    line: str
    area: str
    bars: tuple[TrendBar, ...]
    top: int
    """Open issues at the upper edge."""
    most: int
    """Found or resolved on the day with the highest bar."""
    days: Sequence[TrendDay]
    first: date
    last: date
    label: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM
    upper: int = TOP

    @property
    def quiet(self) -> bool:
        """Nothing happened in all these days."""
        return self.most == 0 and self.top == 0


def trend_chart(days: Sequence[TrendDay]) -> TrendChart:
    """At least one day."""
    top = max((one.open for one in days), default=0)
    most = max((max(one.detected, one.resolved) for one in days), default=0)
    step = (WIDTH - LEFT) / len(days)
    base, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP

    def y(value: int, greatest: int, share: float) -> float:
        return round(base - share * room * value / greatest, 2) if greatest else float(base)

    points, bars = [], []
    for index, one in enumerate(days):
        x = LEFT + index * step
        points.append(f"{x + step / 2:.1f},{y(one.open, top, 1.0)}")
        found_y, resolved_y = y(one.detected, most, 0.45), y(one.resolved, most, 0.45)
        width = round(step * 0.36, 2)
        bars.append(
            TrendBar(
                x=round(x + step * 0.12, 2),
                width=width,
                found_y=found_y,
                found_height=round(base - found_y, 2),
                resolved_x=round(x + step * 0.52, 2),
                resolved_y=resolved_y,
                resolved_height=round(base - resolved_y, 2),
                says=_("%(day)s: %(found)s found, %(resolved)s resolved, %(open)s open")
                % {
                    "day": date_format(one.day, "j M"),
                    "found": one.detected,
                    "resolved": one.resolved,
                    "open": one.open,
                },
            )
        )
    first_x, last_x = LEFT + step / 2, LEFT + (len(days) - 0.5) * step
    return TrendChart(
        line=" ".join(points),
        area=f"{first_x:.1f},{base} {' '.join(points)} {last_x:.1f},{base}",
        bars=tuple(bars),
        top=top,
        most=most,
        days=days,
        first=days[0].day,
        last=days[-1].day,
        label=_("Open issues over %(n)s days: %(first)s at first, %(last)s today")
        % {"n": len(days), "first": days[0].open, "last": days[-1].open},
    )
