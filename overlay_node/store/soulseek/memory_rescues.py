"""Rescues in memory, with the control plane's side (`origin`). Passes the same contract tests as `rescues`."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection, Sequence

from apps.domain.contracts.soulseek_rescues import RescueKept, RescueOrigin, RescueReport
from apps.domain.soulseek.rescue import RESCUE_LIVE, RESCUE_OVER
from apps.domain.soulseek.states import DownloadState, RescueState


class MemoryRescues:
    """See `overlay_node.soulseek.rescue_ports.RescueRows`."""

    def __init__(self) -> None:
        self.reports: dict[uuid.UUID, RescueReport] = {}
        self.history: list[RescueReport] = []
        """everything that was ever written"""
        self.known: dict[uuid.UUID, RescueOrigin] = {}
        self.otherwise = RescueOrigin(download_id=uuid.UUID(int=0), attempted=True, seen=True, provable=True)
        """what holds for downloads of which nothing was said"""
        self.ended: dict[uuid.UUID, tuple[DownloadState, str]] = {}
        """downloads that ended, how and with which code"""

    def of(self, download_id: uuid.UUID) -> list[RescueReport]:
        """The rescues of a download, oldest first."""
        return [one for one in self.reports.values() if one.download_id == download_id]

    async def kept(self) -> tuple[RescueKept, ...]:
        """What an earlier run left."""
        rows = sorted(self.reports.values(), key=lambda one: one.started_at)
        left = [one for one in rows if one.state not in RESCUE_OVER]
        ends = [self.ended.get(one.download_id, (None, "")) for one in left]
        return tuple(
            RescueKept(report=one, end=end, end_code=code) for one, (end, code) in zip(left, ends, strict=True)
        )

    async def origins(self, downloads: Collection[uuid.UUID]) -> tuple[RescueOrigin, ...]:
        """The Soulseek side."""
        return tuple(self.known.get(one) or dataclasses.replace(self.otherwise, download_id=one) for one in downloads)

    async def record(self, reports: Sequence[RescueReport]) -> None:
        """How rescues stand."""
        for report in reports:
            if report.state in RESCUE_LIVE:
                for other in self.of(report.download_id):
                    if other.id != report.id and other.state in RESCUE_LIVE:
                        self.reports[other.id] = dataclasses.replace(
                            other, state=RescueState.ENDED, code="rescue_superseded", ended_at=report.started_at
                        )
            self.reports[report.id] = report
            self.history.append(report)
