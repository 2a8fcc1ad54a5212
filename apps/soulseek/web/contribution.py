"""What this node gives and takes: the Contribution page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_GET

from apps.common.permissions import page_role
from apps.common.roles import Role
from apps.common.sentences import Sentence, sentence
from apps.common.sse import stream_response
from apps.common.web.looks import Look
from apps.domain.soulseek.contribution import COLOUR_WORDS, RULE_DOES, RULE_WORDS
from apps.domain.soulseek.fairness import CAP_RULE, DAY_RULE, JOB_RULE, Colour, FairnessRules, RuleState, Traffic
from apps.domain.soulseek.traffic_windows import DEFAULT_WINDOW, WINDOWS
from apps.nodelink.web.frame import frame_parts
from apps.soulseek.selectors_traffic import ContributionView, contribution_view
from apps.soulseek.web.traffic_chart import traffic_chart

if TYPE_CHECKING:
    from apps.soulseek.models import FairnessAction

WINDOW_WORDS: Final[Mapping[str, Promise]] = {
    "1h": lazy("1 hour"),
    "24h": lazy("24 hours"),
    "7d": lazy("7 days"),
    "30d": lazy("30 days"),
}
_LOOKS: Final[Mapping[Colour, tuple[str, str]]] = {
    Colour.NONE: ("info", "idle"),
    Colour.GREEN: ("check", "ok"),
    Colour.YELLOW: ("warning", "warn"),
    Colour.RED: ("cross", "bad"),
}
_ACTIONS: Final[Mapping[str, tuple[Promise | str, str, str]]] = {
    "throttled": (lazy("Turned down"), "warning", "warn"),
    "eased": (lazy("Turned up a step"), "up", "info"),
    "released": (lazy("Released"), "check", "ok"),
    "trickle": (lazy("Left a trickle"), "warning", "bad"),
    "job_slowed": (lazy("Job slowed"), "warning", "warn"),
    "job_refused": (lazy("Job refused more"), "warning", "warn"),
    "job_released": (lazy("Job released"), "check", "ok"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One rule: what it asks for, how it stands, what it does."""

    name: str
    means: str
    does: str
    figure: str
    limit: str
    look: Look
    active: bool
    """it holds something back now"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLine:
    """One thing that the governor did."""

    at: datetime
    look: Look
    rule: str
    says: Sentence
    percent: int
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Uploaded or downloaded: both planes and their sum."""

    name: str
    soulseek: int
    overlay: int

    @property
    def total(self) -> int:
        """Of both planes."""
        return self.soulseek + self.overlay

    @property
    def segments(self) -> tuple[Mapping[str, object], ...]:
        """For a bar."""
        return ({"value": self.soulseek, "tone": "soulseek"}, {"value": self.overlay, "tone": "overlay"})


@require_GET
@page_role(Role.VIEWER)
def contribution(request: HttpRequest) -> HttpResponse:
    """The whole page, of the window in the address."""
    asked = request.GET.get("window", "")
    window = asked if asked in WINDOWS else DEFAULT_WINDOW
    return render(request, "soulseek/contribution.html", _context(window))


@require_GET
@page_role(Role.VIEWER)
def live_contribution(request: HttpRequest) -> HttpResponseBase:
    """Patches of what the governor does now."""
    return stream_response(_parts)


def _parts() -> Mapping[str, object]:
    return {
        **frame_parts(),
        "contribution-now": render_to_string("soulseek/_contribution_now.html", _context(DEFAULT_WINDOW)),
    }


def _context(window: str) -> dict[str, object]:
    view = contribution_view(window=window, rules=settings.FAIRNESS, mode=settings.CONFIG.mode)
    return {
        "view": view,
        "windows": [(key, WINDOW_WORDS[key], key == window) for key in WINDOWS],
        "window_words": WINDOW_WORDS[window],
        "volumes": _volumes(view.traffic),
        "said": [sentence(one.code, one.params) for one in view.said],
        "ratio": ratio_text(view.ratios.total),
        "ratio_lines": _ratio_lines(view),
        "status": _look(view.status, _STATUS_WORDS[view.status]),
        "governor": sentence(view.governor.code, view.governor.params),
        "rules": _rule_lines(view),
        "actions": [_action_line(one) for one in view.actions],
        "chart": traffic_chart(view.days),
    }


_STATUS_WORDS: Final[Mapping[Colour, Promise]] = {
    Colour.NONE: lazy("Too little traffic to say"),
    Colour.GREEN: lazy("Healthy contributor"),
    Colour.YELLOW: lazy("Borderline"),
    Colour.RED: lazy("Out of balance"),
}


def ratio_text(ratio: float | None) -> str:
    """`2.3×`; – when there is nothing to divide by."""
    if ratio is None:
        return "–"
    if ratio >= 1000:
        return "> 1000×"
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def _volumes(traffic: Traffic) -> tuple[Volume, ...]:
    return (
        Volume(name=_("Uploaded"), soulseek=traffic.soulseek_up, overlay=traffic.overlay_up),
        Volume(name=_("Downloaded"), soulseek=traffic.soulseek_down, overlay=traffic.overlay_down),
    )


def _ratio_lines(view: ContributionView) -> tuple[tuple[str, str], ...]:
    found = view.ratios
    return (
        (_("Upload / download, all"), ratio_text(found.total)),
        (_("Upload / download, Soulseek"), ratio_text(found.soulseek)),
        (_("Upload / download, mesh"), ratio_text(found.overlay)),
        (_("Mesh upload / Soulseek upload"), ratio_text(found.overlay_to_soulseek_upload)),
    )


def _look(colour: Colour, label: str | Promise) -> Look:
    icon, tone = _LOOKS[colour]
    return Look(label=str(label), icon=icon, tone=tone)


def _rule_lines(view: ContributionView) -> list[RuleLine]:
    at_work = str(view.governor.params.get("rule", "")) if view.governor.active else ""
    lines = [_rule_line(state, active=state.rule == at_work) for state in view.states]
    lines.extend(_settings_lines(view.rules, active_jobs=view.governor.jobs, mode=view.mode))
    return lines


def _rule_line(state: RuleState, *, active: bool) -> RuleLine:
    name, means = RULE_WORDS[state.rule]
    day = state.rule == DAY_RULE
    least = state.rule in {"min_overlay_upload_download_ratio", "min_soulseek_contribution"}
    if day:
        figure, limit = f"{state.ratio or 0:.2f} GiB", _("at most %(gib)s GiB") % {"gib": f"{state.limit:g}"}
    else:
        figure = ratio_text(state.ratio)
        limit = (_("at least %(ratio)s") if least else _("at most %(ratio)s")) % {"ratio": f"{state.limit:g}×"}
    return RuleLine(
        name=_(name),
        means=_(means),
        does=_(RULE_DOES[state.rule]),
        figure=figure,
        limit=limit,
        look=_look(state.colour, _(COLOUR_WORDS[state.colour])),
        active=active,
    )


def _settings_lines(rules: FairnessRules, *, active_jobs: int, mode: str) -> list[RuleLine]:
    """Rules that have no figure of their own."""
    found = []
    holds = Look(label=_("Holds"), icon="check", tone="info")
    if rules.overlay_bandwidth_cap and mode != "legacy":
        name, means = RULE_WORDS[CAP_RULE]
        limit = _("at most %(kib)s KiB/s") % {"kib": rules.overlay_bandwidth_cap}
        found.append(
            RuleLine(
                name=_(name),
                means=_(means),
                does=_(RULE_DOES[CAP_RULE]),
                figure="",
                limit=limit,
                look=holds,
                active=True,
            )
        )
    if rules.enforce_per_job and mode == "hybrid":
        name, means = RULE_WORDS[JOB_RULE]
        limit = _("%(count)s slowed now") % {"count": active_jobs}
        found.append(
            RuleLine(
                name=_(name),
                means=_(means),
                does=_(RULE_DOES[JOB_RULE]),
                figure="",
                limit=limit,
                look=holds,
                active=bool(active_jobs),
            )
        )
    return found


def _action_line(row: FairnessAction) -> ActionLine:
    label, icon, tone = _ACTIONS.get(row.action, (row.action, "dot", "idle"))
    name, _means = RULE_WORDS.get(row.rule, (row.rule, ""))
    return ActionLine(
        at=row.at,
        look=Look(label=str(label), icon=icon, tone=tone),
        rule=_(name) if name else "",
        says=sentence(str(row.params.get("code", "")), row.params),
        percent=round(100 * row.share),
        job=str(row.job_id or ""),
    )


urlpatterns = [
    path("contribution", contribution, name="contribution"),
    path("live/contribution", live_contribution, name="live-contribution"),
]
