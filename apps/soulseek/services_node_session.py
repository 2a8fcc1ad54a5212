"""What the node writes of the session: the only writer of `SoulseekSession` and `SessionEvent`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from apps.common.doorbell import WEB_CHANNEL, ring
from apps.domain.contracts.soulseek_session import SessionHappening, SessionReport
from apps.soulseek.models import SessionEvent, SoulseekSession
from apps.soulseek.models.session import ONLY


def session_record(report: SessionReport | None, happenings: Sequence[SessionHappening]) -> None:
    """Write how the session stands (None: as before) and what happened to it. Inside a transaction."""
    if report is not None:
        values = {one.name: getattr(report, one.name) for one in dataclasses.fields(report)}
        values |= {"phase": report.phase.value, "health": report.health.value, "params": dict(report.params)}
        values |= {"excluded": list(report.excluded), "search_starts": list(report.search_starts)}
        SoulseekSession.objects.update_or_create(id=ONLY, defaults=values)
    SessionEvent.objects.bulk_create(
        [SessionEvent(kind=one.kind, code=one.code, params=dict(one.params), at=one.at) for one in happenings]
    )
    ring(WEB_CHANNEL, "soulseek_session")


def session_events_sweep(*, before: datetime) -> int:
    """Delete events older than a time; returns how many."""
    deleted, _ = SessionEvent.objects.filter(at__lt=before).delete()
    return deleted
