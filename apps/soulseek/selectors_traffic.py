"""What was given and taken: windows, jobs, days, and what the fairness governor does about it. For pages, API, CLI and metrics."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from apps.domain.soulseek.contribution import Ratios, Said, overall, ratios, said
from apps.domain.soulseek.fairness import CAP_CODE, CAP_RULE, Colour, FairnessRules, RuleState, Traffic, rule_states
from apps.domain.soulseek.traffic_windows import (
    WINDOWS,
    DayTraffic,
    HourBytes,
    days_traffic,
    traffic_of,
    window_traffic,
)
from apps.nodelink.selectors_status import NodeGlance, node_glance
from apps.peers.selectors_list import traffic_totals
from apps.soulseek.models import FairnessAction, JobTraffic
from apps.soulseek.selectors_hours import hours_since

ACTIONS_SHOWN = 20
MOST_DAYS = 30
LEAST_DAYS = 7
"""A chart of one bar says nothing: shorter windows show the week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """What one job took."""

    job_id: uuid.UUID
    overlay_bytes: int
    soulseek_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """Bytes of every rolling window, of all time, and of the running node since its start (None: no node runs)."""

    windows: Mapping[str, Traffic]
    all_time: Traffic
    since_start: Traffic | None
    started_at: datetime | None
    jobs: tuple[JobLine, ...]
    """those that took most lately, the newest first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorView:
    """What the node's governor does now, as its last heartbeat told. `code` "": no node runs, or it says nothing of it."""

    code: str = ""
    params: Mapping[str, object]
    share: float = 1.0
    prefer_soulseek: bool = False
    prefer_soulseek_uploads: bool = False
    down_bps: int | None = None
    jobs: int = 0
    """slowed by themselves"""

    @property
    def active(self) -> bool:
        """Something is held back now."""
        return self.share < 1.0 or self.jobs > 0 or self.prefer_soulseek_uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributionView:
    """One window, told in full. Rules are judged by seven days (a day's volume by 24 hours), whatever window is shown."""

    window: str
    traffic: Traffic
    ratios: Ratios
    said: tuple[Said, ...]
    mode: str
    rules: FairnessRules
    states: tuple[RuleState, ...]
    status: Colour
    governor: GovernorView
    days: tuple[DayTraffic, ...]
    actions: tuple[FairnessAction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFigures:
    """What a monitor watches: every rolling window, how the rules stand, and what is left of the mesh's usual downloads (0..1)."""

    windows: Mapping[str, Traffic]
    states: tuple[RuleState, ...]
    share: float


def traffic_figures(
    node: NodeGlance, *, rules: FairnessRules, mode: str, now: datetime | None = None
) -> TrafficFigures:
    """One query. `mode` as `contribution_view` has it."""
    now = now or timezone.now()
    hours = hours_since(now, max(WINDOWS.values()))
    return TrafficFigures(
        windows={name: window_traffic(hours, now=now, window=window) for name, window in WINDOWS.items()},
        states=_states(hours, rules=rules, mode=_acting(node, mode), now=now),
        share=governor_view(node).share,
    )


def traffic_view(*, now: datetime | None = None) -> TrafficView:
    """Four queries, however long the ledger is."""
    now = now or timezone.now()
    hours = hours_since(now, max(WINDOWS.values()))
    node = node_glance()
    return TrafficView(
        windows={name: window_traffic(hours, now=now, window=window) for name, window in WINDOWS.items()},
        all_time=traffic_of({(plane, direction): total for plane, direction, total in traffic_totals()}),
        since_start=_since_start(node),
        started_at=node.started_at if node.report else None,
        jobs=job_lines(),
    )


def job_lines(*, job_id: uuid.UUID | None = None, limit: int = 20) -> tuple[JobLine, ...]:
    """Jobs with the bytes they took over each plane, the last active first; `job_id`: that one alone."""
    rows = JobTraffic.objects.filter(Q(job_id=job_id) if job_id else Q()).order_by("-updated_at")[: 2 * limit]
    found: dict[uuid.UUID, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.job_id, Counter())
    planes = JobTraffic.objects.filter(job_id__in=list(found)[:limit]).values_list("job_id", "plane", "total_bytes")
    for job, plane, total in planes:
        found[job][plane] = total
    return tuple(
        JobLine(job_id=job, overlay_bytes=sums["overlay"], soulseek_bytes=sums["soulseek"])
        for job, sums in list(found.items())[:limit]
    )


def governor_view(node: NodeGlance) -> GovernorView:
    """Of the newest heartbeat. No query."""
    told = node.report.get("fairness")
    if not isinstance(told, dict):
        return GovernorView(params={})
    share, params, jobs, down = told.get("share"), told.get("params"), told.get("jobs"), told.get("down_bps")
    return GovernorView(
        code=str(told.get("code", "")),
        params=params if isinstance(params, dict) else {},
        share=float(share) if isinstance(share, int | float) else 1.0,
        prefer_soulseek=bool(told.get("prefer_soulseek")),
        prefer_soulseek_uploads=bool(told.get("prefer_soulseek_uploads")),
        down_bps=int(down) if isinstance(down, int | float) else None,
        jobs=len(jobs) if isinstance(jobs, dict) else 0,
    )


def contribution_view(*, window: str, rules: FairnessRules, mode: str, now: datetime | None = None) -> ContributionView:
    """`window`: a key of WINDOWS; `mode` as configured: what it comes to, a living node tells (hybrid without an account is mesh)."""
    now = now or timezone.now()
    node = node_glance()
    mode = _acting(node, mode)
    span = WINDOWS[window]
    days = min(MOST_DAYS, max(LEAST_DAYS, span.days))
    hours = hours_since(now, max(span, timedelta(days=days + 1)))
    traffic = window_traffic(hours, now=now, window=span)
    states = _states(hours, rules=rules, mode=mode, now=now)
    return ContributionView(
        window=window,
        traffic=traffic,
        ratios=ratios(traffic),
        said=said(traffic),
        mode=mode,
        rules=rules,
        states=states,
        status=overall(states),
        governor=governor_view(node),
        days=days_traffic(hours, now=now, days=days, zone=timezone.get_current_timezone()),
        actions=tuple(FairnessAction.objects.order_by("-at", "-pk")[:ACTIONS_SHOWN]),
    )


def cap_said(rules: FairnessRules) -> Said | None:
    """The configured speed of the mesh, which holds always; None: there is none."""
    if not rules.overlay_bandwidth_cap:
        return None
    return Said(code=CAP_CODE, params={"rule": CAP_RULE, "kib_s": rules.overlay_bandwidth_cap})


def actions_counted() -> Sequence[tuple[str, str, int]]:
    """(rule, action, how often) as far as they are kept."""
    counts: Counter[tuple[str, str]] = Counter(FairnessAction.objects.values_list("rule", "action"))
    return [(rule, action, count) for (rule, action), count in sorted(counts.items())]


def job_totals() -> Mapping[str, int]:
    """Bytes that jobs took, by plane."""
    rows = JobTraffic.objects.order_by().values("plane").annotate(total=Sum("total_bytes"))
    return {row["plane"]: row["total"] or 0 for row in rows}


def _acting(node: NodeGlance, mode: str) -> str:
    """What the configured mode comes to."""
    return str(node.report.get("acting") or mode)


def _states(hours: Sequence[HourBytes], *, rules: FairnessRules, mode: str, now: datetime) -> tuple[RuleState, ...]:
    """`hours`: seven days at least."""
    return rule_states(
        window_traffic(hours, now=now, window=WINDOWS["7d"]),
        rules,
        mode=mode,
        day=window_traffic(hours, now=now, window=WINDOWS["24h"]),
    )


def _since_start(node: NodeGlance) -> Traffic | None:
    told = node.report.get("traffic")
    if not isinstance(told, dict):
        return None
    figures = {key: value for key, value in told.items() if isinstance(value, int)}
    return Traffic(
        overlay_up=figures.get("overlay_up", 0),
        overlay_down=figures.get("overlay_down", 0),
        soulseek_up=figures.get("soulseek_up", 0),
        soulseek_down=figures.get("soulseek_down", 0),
    )
