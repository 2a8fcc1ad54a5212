"""Downloads of one node on loopback: the part with rows in memory, a library's own uploader or Nicotine+ as sharers."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from apps.domain.contracts.soulseek_downloads import DownloadReport, DownloadWork
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.soulseek.performance import RescueRules
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from apps.domain.soulseek.streaming import StreamRules
from overlay_node.soulseek.downloading import Downloads
from overlay_node.soulseek.plane import SoulseekPlane
from overlay_node.soulseek.ports import PlaneContext
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads
from tests.overlay_node.soulseek.test_stream_files import flac
from tests.overlay_node.soulseek.world import World

RULES = StreamRules(attempts=4, answer_timeout_s=20.0, stall_s=2.0, pause_s=0.3, away_s=0.5)
SIZE = 3_000_000
SOUND = flac(random.Random(5).randbytes(SIZE))


def download(
    path: str,
    *,
    user: str = "bob",
    want: bool = True,
    size: int = len(SOUND),
    order: int = 0,
    priority: int = 5,
    elsewhere: bool = False,
    batch: uuid.UUID | None = None,
) -> DownloadWork:
    return DownloadWork(
        id=uuid.uuid4(),
        batch_id=batch or uuid.uuid4(),
        job_id=None,
        want_id=uuid.uuid4() if want else None,
        want_desired=WantDesired.ACTIVE if want else None,
        recording_mbid=uuid.uuid4() if want else None,
        external=not want,
        user=user,
        remote_path=path,
        size_bytes=size,
        duration_ms=None,
        profile="flac-16-44100-2",
        desired=DownloadDesired.ACTIVE,
        priority=priority,
        order=order,
        rescue_allowed=True,
        elsewhere=elsewhere,
    )


class Node:
    """A plane with the downloads part; `again` is the same node after a restart."""

    def __init__(
        self,
        world: World,
        folder: Path,
        *,
        rules: StreamRules = RULES,
        rescue: RescueRules | None = None,
        name: str = "alice",
    ) -> None:
        self.world, self.folder, self.rules, self.name = world, folder, rules, name
        self.rescue = rescue or RescueRules()
        self.rows = MemoryDownloads()
        self.told: list[Sequence[DownloadReport]] = []
        self.counted: Counter[str] = Counter()
        self.part: Downloads
        self.plane: SoulseekPlane

    async def start(self) -> Node:
        record = self.rows.record

        async def noted(reports: Sequence[DownloadReport]) -> None:
            self.told.append(reports)
            await record(reports)

        self.rows.record = noted  # type: ignore[method-assign]

        def parts(context: PlaneContext) -> list[Downloads]:
            self.part = Downloads(
                context,
                self.rows,
                rules=self.rules,
                rescue=self.rescue,
                counted=lambda user, count, _job: self.counted.update({user: count}),
                partial_dir=self.folder / "partial",
                downloads_dir=self.folder / "downloads",
            )
            return [self.part]

        self.plane = await self.world.plane(self.name, parts=parts)
        await self.world.until(lambda: self.plane.online)
        return self

    async def crash(self) -> None:
        """The node is gone as after kill -9: nothing is written any more, nothing is said to anybody."""
        self.part._stopping = True
        for stream in self.part.streams.values():
            stream.core.end(DownloadState.CANCELLED, "crashed")  # of the dead node's memory only
            stream.let_go()
        assert self.plane.client is not None
        await self.plane.client.stop()

    async def until_state(self, download_id: uuid.UUID, *states: DownloadState) -> None:
        await self.world.until(lambda: self.rows.state(download_id) in states)

    async def until_bytes(self, download_id: uuid.UUID, count: int) -> None:
        def have() -> bool:
            stream = self.part.streams.get(download_id)
            return stream is not None and stream.have >= count

        await self.world.until(have)


async def soon() -> None:
    """The loop goes round a few times."""
    for _ in range(5):
        await asyncio.sleep(0.01)
