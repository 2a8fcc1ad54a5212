"""One upload as the node has it while it waits or runs: what its row will say, and how fast it is."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from apps.domain.contracts.soulseek_sharing import UploadReport
from apps.domain.errors import Param
from apps.domain.soulseek.states import UploadState
from overlay_node.soulseek.upload_stream import Pace

MEASURE_S: Final = 5.0
STEP_S: Final = 0.5


@dataclass(slots=True, kw_only=True)
class LiveUpload:
    """An upload that waits or runs. Mutable: the hot path. `measured`: (monotonic seconds, bytes sent until then) of the last MEASURE_S."""

    id: uuid.UUID
    user: str
    path: str
    file_id: int
    size: int
    group: str
    asked_at: datetime
    state: UploadState = UploadState.QUEUED
    code: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    offset: int = 0
    sent: int = 0
    speed_bps: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    tries: int = 0
    pace: Pace = field(default_factory=Pace)
    task: asyncio.Task[None] | None = None
    measured: list[tuple[float, int]] = field(default_factory=list)

    def report(self) -> UploadReport:
        return UploadReport(
            id=self.id,
            user=self.user,
            remote_path=self.path,
            file_id=self.file_id,
            size=self.size,
            state=self.state,
            group=self.group,
            asked_at=self.asked_at,
            code=self.code,
            params=self.params,
            offset=self.offset,
            sent_bytes=self.sent,
            speed_bps=self.speed_bps,
            started_at=self.started_at,
            ended_at=self.ended_at,
        )

    @property
    def left(self) -> int:
        """Bytes that the user has not been sent."""
        return max(0, self.size - self.offset - self.sent)

    def measure(self, now: float) -> bool:
        """Look at its speed, at most every STEP_S; whether there is something new to be told."""
        if self.state is not UploadState.SENDING or not self.measured or now - self.measured[-1][0] < STEP_S:
            return False
        self.measured.append((now, self.sent))
        while len(self.measured) > 2 and now - self.measured[1][0] > MEASURE_S:
            self.measured.pop(0)
        since, had = self.measured[0]
        self.speed_bps = int((self.sent - had) / max(now - since, 0.001))
        return True
