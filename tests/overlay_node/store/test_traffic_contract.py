"""What both ledgers of the node promise: the one in memory and the one over Django's rows."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.domain.contracts.soulseek_traffic import FairnessReport, JobHunt, TrafficBatch, TrafficLine, TrafficPlane
from apps.domain.soulseek.fairness import Traffic
from apps.domain.soulseek.traffic_windows import RETENTION
from overlay_node.ports import Store, TrafficRows
from overlay_node.store.memory_store import MemoryStore

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
JOB, BOOT = uuid.UUID(int=1), uuid.UUID(int=2)


class World:
    def __init__(self, store: Store) -> None:
        self.loop = asyncio.new_event_loop()
        self.store = store
        self.rows: TrafficRows = store.ledger

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        made = World(MemoryStore())
    else:
        from overlay_node.store.django_store import DjangoStore

        made = World(DjangoStore())
    yield made
    made.run(made.store.close())
    made.loop.close()


def line(
    count: int, *, hours: int = 0, plane: str = "overlay", direction: str = "down", job: uuid.UUID | None = None
) -> TrafficLine:
    hour = NOW.replace(minute=0) - timedelta(hours=hours)
    return TrafficLine(
        hour=hour, plane=TrafficPlane(plane), direction=direction, peer="p", count_bytes=count, job_id=job
    )


def batch(number: int, *lines: TrafficLine) -> TrafficBatch:
    return TrafficBatch(boot_id=BOOT, number=number, lines=lines)


def test_batches_add_up_and_none_counts_twice(world: World) -> None:
    first = batch(1, line(10, job=JOB), line(3, plane="soulseek", direction="up"))
    for one in (first, first, batch(2, line(1, job=JOB)), first):
        world.run(world.rows.traffic_add(one))
    glance = world.run(world.rows.traffic_glance(NOW))
    assert glance.week == Traffic(overlay_down=11, soulseek_up=3)
    assert world.run(world.rows.jobs_traffic([JOB, uuid.UUID(int=9)])) == {JOB: Traffic(overlay_down=11)}
    assert world.run(world.rows.jobs_traffic([])) == {}


def test_of_jobs_that_nobody_looks_for_on_soulseek_nothing_is_told(world: World) -> None:
    assert world.run(world.rows.jobs_hunts([JOB])) == {}
    assert world.run(world.rows.jobs_hunts([])) == {}


@pytest.mark.django_db
def test_how_jobs_are_looked_for_is_what_their_hunts_say() -> None:
    from apps.soulseek.models import Hunt
    from apps.soulseek.selectors_node_traffic import jobs_hunts

    jobs = [uuid.UUID(int=number) for number in range(1, 6)]
    for job, state, searched in zip(
        jobs, ("searching", "choosing", "fetching", "wishing"), (None, NOW, NOW, NOW), strict=False
    ):
        Hunt.objects.create(job_id=job, state=state, searched_at=searched)
    rehearsed = jobs[4]
    Hunt.objects.create(job_id=rehearsed, state="searching", searched_at=NOW, dry_run=True)
    assert jobs_hunts(jobs) == {
        jobs[0]: JobHunt(attempted=False, searching=True),
        jobs[1]: JobHunt(attempted=True, searching=True),
        jobs[2]: JobHunt(attempted=True, searching=False),
        jobs[3]: JobHunt(attempted=True, searching=False),
    }


def test_windows_end_now_and_their_oldest_hour_counts_in_part(world: World) -> None:
    world.run(
        world.rows.traffic_add(
            batch(1, line(100), line(100, hours=24), line(100, hours=25), line(100, hours=24 * 7 + 1))
        )
    )
    glance = world.run(world.rows.traffic_glance(NOW))
    assert glance.day.overlay_down == 150
    assert glance.week.overlay_down == 300


def test_what_the_governor_did_last_is_found_again(world: World) -> None:
    assert world.run(world.rows.fairness_last()) is None
    done = FairnessReport(at=NOW, rule="r", action="throttled", share=0.5, params={"usual_kib_s": 700})
    later = FairnessReport(at=NOW + timedelta(seconds=1), rule="j", action="job_slowed", share=0.25, job_id=JOB)
    world.run(world.rows.fairness_record([done]))
    world.run(world.rows.fairness_record([later]))
    world.run(world.rows.fairness_record([]))
    found = world.run(world.rows.fairness_last())
    assert (found.action, found.share, dict(found.params)) == ("throttled", 0.5, {"usual_kib_s": 700})


def test_what_is_past_its_retention_goes(world: World) -> None:
    world.run(world.rows.traffic_add(batch(1, line(5, job=JOB), line(7, hours=61 * 24, job=JOB))))
    old = FairnessReport(at=NOW - RETENTION - timedelta(hours=1), rule="r", action="throttled", share=0.5)
    world.run(world.rows.fairness_record([old]))
    assert world.run(world.rows.traffic_forget(NOW)) == 2
    assert world.run(world.rows.fairness_last()) is None
    assert world.run(world.rows.traffic_glance(NOW)).week == Traffic(overlay_down=5)
    assert world.run(world.rows.jobs_traffic([JOB])) == {JOB: Traffic(overlay_down=12)}
