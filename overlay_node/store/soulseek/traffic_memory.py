"""The ledger of bytes in memory: for tests, the demo's helpers and the lab."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficBatch, TrafficGlance
from apps.domain.soulseek.fairness import Traffic
from apps.domain.soulseek.traffic_windows import RETENTION, WINDOWS, HourBytes, window_traffic


class MemoryTraffic:
    """See `overlay_node.ports.TrafficRows`."""

    def __init__(self) -> None:
        self.hours: Counter[tuple[datetime, str, str]] = Counter()
        self.peers: Counter[tuple[str, str, str]] = Counter()
        """bytes by plane, peer and direction"""
        self.jobs: Counter[tuple[uuid.UUID, str]] = Counter()
        self.hunts: dict[uuid.UUID, JobHunt] = {}
        """the control plane's side"""
        self.actions: list[FairnessReport] = []
        self._marks: dict[uuid.UUID, int] = {}

    async def traffic_add(self, batch: TrafficBatch) -> None:
        """Hours, jobs and peers, once."""
        if batch.number <= self._marks.get(batch.boot_id, 0):
            return
        self._marks[batch.boot_id] = batch.number
        for line in batch.lines:
            self.hours[line.hour, line.plane.value, line.direction] += line.count_bytes
            self.peers[line.plane.value, line.peer, line.direction] += line.count_bytes
            if line.job_id is not None and line.direction == "down":
                self.jobs[line.job_id, line.plane.value] += line.count_bytes

    async def traffic_forget(self, now: datetime) -> int:
        """Old hours and actions go."""
        before = now - RETENTION
        hours = [key for key in self.hours if key[0] < before]
        acted = [one for one in self.actions if one.at < before]
        for key in hours:
            del self.hours[key]
        self.actions = [one for one in self.actions if one.at >= before]
        return len(hours) + len(acted)

    async def traffic_glance(self, now: datetime) -> TrafficGlance:
        """Rolling windows."""
        hours = [HourBytes(*key, count) for key, count in self.hours.items()]
        return TrafficGlance(
            week=window_traffic(hours, now=now, window=WINDOWS["7d"]),
            day=window_traffic(hours, now=now, window=WINDOWS["24h"]),
        )

    async def jobs_traffic(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Traffic]:
        """What jobs took."""
        return {
            job_id: Traffic(overlay_down=self.jobs[job_id, "overlay"], soulseek_down=self.jobs[job_id, "soulseek"])
            for job_id in job_ids
            if any(key[0] == job_id for key in self.jobs)
        }

    async def jobs_hunts(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, JobHunt]:
        """How they are looked for."""
        return {job_id: self.hunts[job_id] for job_id in job_ids if job_id in self.hunts}

    async def fairness_record(self, reports: Sequence[FairnessReport]) -> None:
        """What the governor did."""
        self.actions.extend(reports)

    async def fairness_last(self) -> FairnessReport | None:
        """What it did last."""
        return next((one for one in reversed(self.actions) if one.job_id is None), None)
