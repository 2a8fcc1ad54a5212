"""What the node reads of its own ledger."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Final

from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficGlance
from apps.domain.soulseek.fairness import Traffic
from apps.domain.soulseek.states import HuntState
from apps.domain.soulseek.traffic_windows import WINDOWS, window_traffic
from apps.soulseek.models import FairnessAction, Hunt, JobTraffic
from apps.soulseek.selectors_hours import hours_since

_SEARCHING: Final = frozenset({HuntState.SEARCHING, HuntState.CHOOSING})


def traffic_glance(now: datetime) -> TrafficGlance:
    """Rolling windows; one query over at most 169 hours."""
    hours = hours_since(now, WINDOWS["7d"])
    return TrafficGlance(
        week=window_traffic(hours, now=now, window=WINDOWS["7d"]),
        day=window_traffic(hours, now=now, window=WINDOWS["24h"]),
    )


def jobs_traffic(job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Traffic]:
    """What these jobs took over each plane."""
    found: dict[uuid.UUID, dict[str, int]] = {}
    for row in JobTraffic.objects.filter(job_id__in=job_ids):
        found.setdefault(row.job_id, {})[row.plane] = row.total_bytes
    return {
        job_id: Traffic(overlay_down=planes.get("overlay", 0), soulseek_down=planes.get("soulseek", 0))
        for job_id, planes in found.items()
    }


def jobs_hunts(job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, JobHunt]:
    """How these are looked for on Soulseek; one query."""
    rows = Hunt.objects.filter(job_id__in=job_ids, dry_run=False).values_list("job_id", "searched_at", "state")
    return {
        job_id: JobHunt(attempted=searched_at is not None, searching=state in _SEARCHING)
        for job_id, searched_at, state in rows
        if job_id is not None
    }


def fairness_last() -> FairnessReport | None:
    """The newest action that held for the whole node."""
    row = FairnessAction.objects.filter(job_id=None).order_by("-at", "-pk").first()
    if row is None:
        return None
    return FairnessReport(at=row.at, rule=row.rule, action=row.action, share=row.share, params=row.params)
