"""The counter of bytes: each byte once, whatever the rows do; tests with rows in memory and a clock of their own."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

from apps.domain.contracts.soulseek_traffic import TrafficBatch, TrafficPlane
from apps.domain.errors import DomainError
from overlay_node.soulseek.traffic import TrafficCounter
from overlay_node.store.soulseek.traffic_memory import MemoryTraffic
from overlay_node.swarm.rate_limits import Direction

OVERLAY, SOULSEEK = TrafficPlane.OVERLAY, TrafficPlane.SOULSEEK
UP, DOWN = Direction.UP, Direction.DOWN
JOB = uuid.UUID(int=3)
NOON = datetime(2026, 3, 1, 12, 59, 59, tzinfo=UTC)


class Wall:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def counter(rows: MemoryTraffic, wall: Wall | None = None, boot: int = 1) -> TrafficCounter:
    return TrafficCounter(rows, boot_id=uuid.UUID(int=boot), wall=wall or Wall())


class Busy(MemoryTraffic):
    """Says that it failed: before it wrote, or after (`wrote`)."""

    def __init__(self, failures: int, *, wrote: bool) -> None:
        super().__init__()
        self.failures, self.wrote, self.batches = failures, wrote, list[TrafficBatch]()

    async def traffic_add(self, batch: TrafficBatch) -> None:
        self.batches.append(batch)
        if self.failures:
            self.failures -= 1
            if self.wrote:
                await super().traffic_add(batch)
            raise DomainError("gone", code="store_unavailable")
        await super().traffic_add(batch)


def test_many_chunks_become_one_line_of_each_kind() -> None:
    rows = Busy(0, wrote=False)
    counted = counter(rows)
    for _ in range(1000):
        counted.add(OVERLAY, DOWN, "p", 10, JOB)
        counted.soulseek_down("bob", 1, JOB)
        counted.soulseek_up("bob", 2)
    counted.add(OVERLAY, UP, "p", 0)
    asyncio.run(counted.flush())
    (batch,) = rows.batches
    assert sorted((one.plane, one.direction, one.count_bytes) for one in batch.lines) == [
        ("overlay", "down", 10_000),
        ("soulseek", "down", 1000),
        ("soulseek", "up", 2000),
    ]
    assert rows.jobs == {(JOB, "overlay"): 10_000, (JOB, "soulseek"): 1000}
    assert counted.by_peer(SOULSEEK, UP)["bob"] == counted.total(SOULSEEK, UP) == 2000


def test_nothing_new_is_nothing_written() -> None:
    rows = Busy(0, wrote=False)
    counted = counter(rows)
    asyncio.run(counted.flush())
    assert not rows.batches


def test_a_byte_belongs_to_the_hour_in_which_it_passed_whenever_it_is_written() -> None:
    rows, wall = MemoryTraffic(), Wall()
    counted = counter(rows, wall)
    counted.add(OVERLAY, DOWN, "p", 1)
    wall.now += timedelta(seconds=1)
    counted.add(OVERLAY, DOWN, "p", 2)
    wall.now += timedelta(hours=5)
    asyncio.run(counted.flush())
    noon = NOON.replace(minute=0, second=0)
    assert rows.hours == {(noon, "overlay", "down"): 1, (noon + timedelta(hours=1), "overlay", "down"): 2}


def test_what_could_not_be_written_is_written_later_and_once() -> None:
    for wrote in (False, True):
        rows = Busy(3, wrote=wrote)
        counted = counter(rows)
        for _ in range(6):
            counted.add(OVERLAY, DOWN, "p", 10, JOB)
            asyncio.run(counted.flush())
        assert rows.hours.total() == rows.peers.total() == rows.jobs.total() == 60
        assert len({one.number for one in rows.batches}) < len(rows.batches)


def test_a_write_that_is_cut_short_by_the_nodes_end_counts_once() -> None:
    class Slow(MemoryTraffic):
        """The database's thread goes on when whoever waited for it is gone."""

        async def traffic_add(self, batch: TrafficBatch) -> None:
            await asyncio.shield(self.really(batch))

        async def really(self, batch: TrafficBatch) -> None:
            await asyncio.sleep(0)
            await super().traffic_add(batch)

    async def scenario() -> None:
        rows = Slow()
        counted = counter(rows)
        counted.add(OVERLAY, DOWN, "p", 10)
        task = asyncio.ensure_future(counted.flush())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        counted.add(OVERLAY, DOWN, "p", 5)
        await counted.flush()
        assert rows.hours.total() == 15

    asyncio.run(scenario())


def test_a_new_run_starts_its_own_count_on_the_same_rows() -> None:
    rows = MemoryTraffic()
    for boot in (1, 2):
        counted = counter(rows, boot=boot)
        counted.add(SOULSEEK, UP, "bob", 10)
        asyncio.run(counted.flush())
        assert counted.total(SOULSEEK, UP) == 10
    assert rows.hours.total() == 20
