"""The ledger of bytes behind the `TrafficRows` port: over Django's rows."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficBatch, TrafficGlance
from apps.domain.soulseek.fairness import Traffic
from apps.soulseek import selectors_node_traffic as selectors
from apps.soulseek import services_node_traffic as services
from overlay_node.store.database_thread import DatabaseThread


class DjangoTraffic:
    """See `overlay_node.ports.TrafficRows`."""

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread: Final = thread

    async def traffic_add(self, batch: TrafficBatch) -> None:
        """Hours, jobs and peers, once."""
        await self._thread.run(functools.partial(services.traffic_record, batch))

    async def traffic_forget(self, now: datetime) -> int:
        """Old hours and actions go."""
        return await self._thread.run(functools.partial(services.traffic_forget, now))

    async def traffic_glance(self, now: datetime) -> TrafficGlance:
        """Rolling windows."""
        return await self._thread.read(functools.partial(selectors.traffic_glance, now))

    async def jobs_traffic(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Traffic]:
        """What jobs took."""
        return await self._thread.read(functools.partial(selectors.jobs_traffic, job_ids)) if job_ids else {}

    async def jobs_hunts(self, job_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, JobHunt]:
        """How they are looked for."""
        return await self._thread.read(functools.partial(selectors.jobs_hunts, job_ids)) if job_ids else {}

    async def fairness_record(self, reports: Sequence[FairnessReport]) -> None:
        """What the governor did."""
        if reports:
            await self._thread.run(functools.partial(services.fairness_record, reports))

    async def fairness_last(self) -> FairnessReport | None:
        """What it did last."""
        return await self._thread.read(selectors.fairness_last)
