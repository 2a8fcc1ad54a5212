"""The traffic ledger's node side: every payload byte of both planes is counted here, once, where it passed.

`TrafficCounter.add` is called for each chunk and must cost nothing: it adds to a dictionary. Every FLUSH_S what came together is written in one
transaction (`TrafficRows.traffic_add`): per hour, per job, per peer. A kill loses what was counted since the last one; a batch whose outcome is
not known (the database went away, the node is being stopped) is sent again under its number, which the rows take only once.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from apps.domain.contracts.soulseek_traffic import TrafficBatch, TrafficLine, TrafficPlane
from apps.domain.errors import DomainError
from overlay_node.ports import TrafficRows
from overlay_node.swarm.rate_limits import Direction

log = logging.getLogger(__name__)

FLUSH_S: Final = 3.0
"""With the write itself, less than 5 s are lost by a kill."""
FORGET_S: Final = 6 * 3600.0
"""Between two looks at what is past its retention."""
HOUR_S: Final = 3600

_Key = tuple[int, TrafficPlane, Direction, str, uuid.UUID | None]


class TrafficCounter:
    """One per node. All methods are for the loop's thread; `wall` is aware UTC."""

    def __init__(self, rows: TrafficRows, *, boot_id: uuid.UUID, wall: Callable[[], datetime]) -> None:
        self._rows: Final = rows
        self._boot_id: Final = boot_id
        self._wall: Final = wall
        self._peers: Final[dict[tuple[TrafficPlane, Direction], Counter[str]]] = {
            (plane, direction): Counter() for plane in TrafficPlane for direction in Direction
        }
        self._totals: Final[Counter[tuple[TrafficPlane, Direction]]] = Counter()
        self._jobs: Final[Counter[tuple[TrafficPlane, uuid.UUID]]] = Counter()
        self._pending: Counter[_Key] = Counter()
        self._unwritten: TrafficBatch | None = None
        self._number = 0
        self._lock: Final = asyncio.Lock()

    def add(
        self,
        plane: TrafficPlane,
        direction: Direction,
        peer: str,
        count_bytes: int,
        job_id: uuid.UUID | None = None,
    ) -> None:
        """`count_bytes` of payload passed. `peer`: peer id, or name on Soulseek; `job_id`: the want's group, of downloads."""
        if count_bytes <= 0:
            return
        hour = int(self._wall().timestamp()) // HOUR_S
        self._pending[hour, plane, direction, peer, job_id] += count_bytes
        if job_id is not None:
            self._jobs[plane, job_id] += count_bytes
        self._peers[plane, direction][peer] += count_bytes
        self._totals[plane, direction] += count_bytes

    def soulseek_down(self, user: str, count_bytes: int, job_id: uuid.UUID | None = None) -> None:
        """Bytes of a Soulseek download."""
        self.add(TrafficPlane.SOULSEEK, Direction.DOWN, user, count_bytes, job_id)

    def soulseek_up(self, user: str, count_bytes: int) -> None:
        """Bytes of a Soulseek upload."""
        self.add(TrafficPlane.SOULSEEK, Direction.UP, user, count_bytes)

    def by_peer(self, plane: TrafficPlane, direction: Direction) -> Counter[str]:
        """Bytes since the start, by peer: the live count, to be read."""
        return self._peers[plane, direction]

    def total(self, plane: TrafficPlane, direction: Direction) -> int:
        """Bytes since the start."""
        return self._totals[plane, direction]

    def of_job(self, plane: TrafficPlane, job_id: uuid.UUID) -> tuple[int, int]:
        """What a job took over a plane since the start: in all, and as far as it is written."""
        total = self._jobs[plane, job_id]
        waits = sum(count for (_, one, _, _, job), count in self._pending.items() if (one, job) == (plane, job_id))
        if self._unwritten is not None:
            lines = self._unwritten.lines
            waits += sum(line.count_bytes for line in lines if (line.plane, line.job_id) == (plane, job_id))
        return total, total - waits

    async def flush(self) -> None:
        """Write what was counted: every FLUSH_S, and at the end. What can't be written now is written with the next."""
        async with self._lock:
            try:
                if self._unwritten is not None:  # its outcome is not known: again, under its number
                    await self._write(self._unwritten)
                if self._pending:
                    await self._write(self._taken())
            except DomainError as error:
                log.warning("traffic_not_written code=%s", error.code)

    async def forget(self) -> None:
        """Let go of what is past its retention: every FORGET_S, and at the start."""
        try:
            if gone := await self._rows.traffic_forget(self._wall()):
                log.info("traffic_forgotten rows=%d", gone)
        except DomainError as error:
            log.warning("traffic_not_forgotten code=%s", error.code)

    async def _write(self, batch: TrafficBatch) -> None:
        self._unwritten = batch
        await self._rows.traffic_add(batch)
        self._unwritten = None

    def _taken(self) -> TrafficBatch:
        pending, self._pending = self._pending, Counter()
        self._number += 1
        lines = tuple(
            TrafficLine(
                hour=datetime.fromtimestamp(hour * HOUR_S, tz=UTC),
                plane=plane,
                direction=direction.value,
                peer=peer,
                count_bytes=count,
                job_id=job_id,
            )
            for (hour, plane, direction, peer, job_id), count in pending.items()
        )
        return TrafficBatch(boot_id=self._boot_id, number=self._number, lines=lines)
