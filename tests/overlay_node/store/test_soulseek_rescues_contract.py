"""What rows of rescues promise the node: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from apps.domain.contracts.soulseek_rescues import RescueReport
from apps.domain.soulseek.states import DownloadState, RescueState
from overlay_node.soulseek.rescue_ports import RescueRows
from overlay_node.store.soulseek.memory_rescues import MemoryRescues

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Rows:
    """`put` makes a download, `end` ends it."""

    def __init__(
        self,
        rows: RescueRows,
        put: Callable[[str], uuid.UUID],
        end: Callable[[uuid.UUID, DownloadState, str], None],
    ) -> None:
        self.rows, self.put, self.end = rows, put, end
        self.loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def told(self, download: uuid.UUID, state: RescueState, *, minute: int = 0, **more: Any) -> uuid.UUID:
        made = {"id": uuid.uuid4(), **more}
        at = NOW + timedelta(minutes=minute)
        report = RescueReport(
            download_id=download, trouble="stalled", trouble_at=at, started_at=at, state=state, **made
        )
        self.run(self.rows.record([report]))
        return report.id

    def kept(self) -> dict[uuid.UUID, RescueReport]:
        return {one.report.id: one.report for one in self.run(self.rows.kept())}


def django_put(name: str) -> uuid.UUID:
    from apps.soulseek.models import Batch, Download

    batch, _ = Batch.objects.get_or_create(user="bob", folder="")
    return Download.objects.create(batch=batch, user="bob", remote_path=name, size_bytes=10).id


def django_end(download: uuid.UUID, state: DownloadState, code: str) -> None:
    from apps.soulseek.models import DownloadProgress

    DownloadProgress.objects.update_or_create(download_id=download, defaults={"state": state, "code": code})


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "memory":
        memory = MemoryRescues()
        made = Rows(
            memory,
            lambda _name: uuid.uuid4(),
            lambda download, state, code: memory.ended.update({download: (state, code)}),
        )
        yield made
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.rescues import DjangoRescues

        database = DatabaseThread()
        made = Rows(DjangoRescues(database), django_put, django_end)
        yield made
        made.run(database.close())
    made.loop.close()


def test_what_was_told_is_kept_whole_until_it_is_over(rows: Rows) -> None:
    one = rows.put("1")
    first = rows.told(
        one, RescueState.REFUSED, code="rescue_ratio_reached", params={"ratio": 3.0}, overlay_bytes=5, soulseek_bytes=2
    )
    found = rows.kept()[first]
    assert (found.state, found.code, found.params, found.overlay_bytes, found.soulseek_bytes, found.trouble_at) == (
        RescueState.REFUSED, "rescue_ratio_reached", {"ratio": 3.0}, 5, 2, NOW,
    )  # fmt: skip
    rows.told(one, RescueState.ACTIVE, id=first, code="rescue_same_payload", peers=2, first_byte_at=NOW)
    assert (rows.kept()[first].state, rows.kept()[first].peers) == (RescueState.ACTIVE, 2)
    rows.told(one, RescueState.FINISHED, id=first, ended_at=NOW)
    assert rows.kept() == {}


def test_of_one_download_one_rescue_is_live(rows: Rows) -> None:
    one = rows.put("1")
    rows.told(one, RescueState.LOOKING)
    second = rows.told(one, RescueState.ACTIVE, minute=1)
    assert list(rows.kept()) == [second]


def test_the_end_of_a_download_that_its_rescue_never_heard_of_is_told(rows: Rows) -> None:
    one, other = rows.put("1"), rows.put("2")
    first = rows.told(one, RescueState.LOOKING, transfer_id=uuid.uuid4())
    second = rows.told(other, RescueState.REFUSED, minute=1)
    rows.end(one, DownloadState.REFUSED, "banned")
    assert [(kept.report.id, kept.end, kept.end_code) for kept in rows.run(rows.rows.kept())] == [
        (first, DownloadState.REFUSED, "banned"),
        (second, None, ""),
    ]


def test_one_of_a_download_that_is_gone_is_no_error(rows: Rows) -> None:
    rows.told(uuid.uuid4(), RescueState.LOOKING)


@pytest.mark.django_db(transaction=True)
def test_a_download_that_is_history_without_an_end_was_cancelled() -> None:
    from apps.soulseek.models import Download, Rescue
    from apps.soulseek.selectors_node_rescues import rescues_kept

    download = django_put("1")
    django_end(download, DownloadState.RECEIVING, "")
    Rescue.objects.create(download_id=download, trouble="stalled", trouble_at=NOW, started_at=NOW)
    assert rescues_kept()[0].end is None
    Download.objects.filter(id=download).update(live=False)
    assert (rescues_kept()[0].end, rescues_kept()[0].end_code) == (DownloadState.CANCELLED, "")


def test_origins_are_told_of_every_download(rows: Rows) -> None:
    one = rows.put("1")
    (found,) = rows.run(rows.rows.origins([one]))
    assert found.download_id == one
    assert rows.run(rows.rows.origins([])) == ()


@pytest.mark.django_db(transaction=True)
def test_what_is_known_of_the_soulseek_side_comes_from_searches_bytes_and_the_library() -> None:
    from apps.soulseek.models import Batch, Download, DownloadProgress, JobTraffic, OfferSighting
    from apps.soulseek.selectors_node_rescues import rescue_origins

    job, recording = uuid.uuid4(), uuid.uuid4()
    batch = Batch.objects.create(user="bob", folder="", job_id=job)
    row = Download.objects.create(batch=batch, user="bob", remote_path="1", size_bytes=9, recording_mbid=recording)
    (found,) = rescue_origins([row.id])
    assert (found.attempted, found.seen, found.provable, found.overlay_bytes) == (False, False, False, 0)
    JobTraffic.objects.create(job_id=job, plane="overlay", total_bytes=7)
    JobTraffic.objects.create(job_id=job, plane="soulseek", total_bytes=3)
    OfferSighting.objects.create(
        sharer="x", folder_digest=b"d" * 32, recording_mbid=recording, first_seen=NOW, last_seen=NOW
    )
    DownloadProgress.objects.create(download=row, asked_at=NOW)
    (found,) = rescue_origins([row.id])
    assert (found.attempted, found.seen, found.overlay_bytes, found.soulseek_bytes) == (True, True, 7, 3)
