"""Traffic and contribution as plain data: the same for the API and for `--json`."""

from __future__ import annotations

import uuid

from apps.common.sentences import sentence
from apps.domain.soulseek.contribution import RULE_DOES
from apps.domain.soulseek.fairness import Traffic, shown
from apps.soulseek.selectors_traffic import ContributionView, TrafficView, job_lines

Told = dict[str, object]


def bytes_told(traffic: Traffic) -> Told:
    """The four volumes by the names people know them by."""
    return {
        "overlay_upload_bytes": traffic.overlay_up,
        "overlay_download_bytes": traffic.overlay_down,
        "soulseek_upload_bytes": traffic.soulseek_up,
        "soulseek_download_bytes": traffic.soulseek_down,
    }


def traffic_told(view: TrafficView, *, window: str, job: str = "") -> Told:
    """`window`: a key of WINDOWS; `job`: an id, to tell of that one alone."""
    jobs = job_lines(job_id=uuid.UUID(job)) if job else view.jobs
    return {
        "window": window,
        "traffic": bytes_told(view.windows[window]),
        "windows": {name: bytes_told(traffic) for name, traffic in view.windows.items()},
        "all_time": bytes_told(view.all_time),
        "since_start": bytes_told(view.since_start) if view.since_start is not None else None,
        "started_at": view.started_at.isoformat() if view.started_at else None,
        "jobs": [
            {"job": str(one.job_id), "overlay_bytes": one.overlay_bytes, "soulseek_bytes": one.soulseek_bytes}
            for one in jobs
        ],
    }


def contribution_told(view: ContributionView) -> Told:
    """One window in full."""
    ratios, governor = view.ratios, view.governor
    return {
        "window": view.window,
        "mode": view.mode,
        "traffic": bytes_told(view.traffic),
        "ratios": {
            "upload_download": ratios.total,
            "soulseek_upload_download": ratios.soulseek,
            "overlay_upload_download": ratios.overlay,
            "overlay_to_soulseek_upload": ratios.overlay_to_soulseek_upload,
        },
        "words": [sentence(one.code, one.params).what for one in view.said],
        "status": view.status.value,
        "generous": view.rules.generous,
        "rules": [
            {
                "rule": one.rule,
                "ratio": shown(one.ratio),
                "limit": one.limit,
                "status": one.colour.value,
                "does": RULE_DOES[one.rule],
            }
            for one in view.states
        ],
        "governor": {
            "code": governor.code,
            "message": sentence(governor.code, governor.params).what,
            "params": dict(governor.params),
            "share": governor.share,
            "prefer_soulseek": governor.prefer_soulseek,
            "prefer_soulseek_uploads": governor.prefer_soulseek_uploads,
            "down_bytes_per_second": governor.down_bps,
            "jobs_slowed": governor.jobs,
        },
        "days": [{"day": one.day.isoformat(), **bytes_told(one.traffic)} for one in view.days],
        "actions": [
            {
                "at": row.at.isoformat(),
                "rule": row.rule,
                "action": row.action,
                "share": row.share,
                "job": str(row.job_id) if row.job_id else None,
                "params": row.params,
                "message": sentence(str(row.params.get("code", "")), row.params).what,
            }
            for row in view.actions
        ],
    }
