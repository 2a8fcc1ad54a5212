"""What rows of downloads promise the node: those in memory and those over Django's, tested alike, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import pytest

from apps.domain.audio.payload import PayloadFormat
from apps.domain.contracts.soulseek_downloads import Adoption, DownloadReport, DownloadWork, FileAsked, WholeStream
from apps.domain.jobs.lifecycle import TransferState, WantDesired
from apps.domain.soulseek.states import DownloadDesired, DownloadState
from overlay_node.soulseek.download_ports import DownloadRows
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECORDING = uuid.UUID(int=7)


class Control(Protocol):
    """The control plane's hand."""

    def put(self, name: str, *, priority: int = 5, want: bool = False, elsewhere: bool = False) -> uuid.UUID: ...
    def desire(self, download_id: uuid.UUID, desired: DownloadDesired) -> None: ...
    def want_is(self, download_id: uuid.UUID, desired: WantDesired) -> None: ...
    def deny(self, root: bytes) -> None: ...
    def judge(self, download_id: uuid.UUID, state: TransferState, code: str) -> None: ...


class MemoryControl:
    def __init__(self, rows: MemoryDownloads) -> None:
        self.rows, self.count = rows, 0

    def put(self, name: str, *, priority: int = 5, want: bool = False, elsewhere: bool = False) -> uuid.UUID:
        self.count += 1
        return self.rows.put(
            DownloadWork(
                id=uuid.uuid4(), batch_id=uuid.uuid4(), job_id=None, want_id=uuid.uuid4() if want else None,
                want_desired=None, recording_mbid=RECORDING if want else None, external=not want, user="bob",
                remote_path=name, size_bytes=10, duration_ms=None, profile="", desired=DownloadDesired.ACTIVE,
                priority=priority, order=self.count, rescue_allowed=True,
                elsewhere=elsewhere,
            )
        )  # fmt: skip

    def desire(self, download_id: uuid.UUID, desired: DownloadDesired) -> None:
        self.rows.put(dataclasses.replace(self.rows.downloads[download_id], desired=desired))

    def want_is(self, download_id: uuid.UUID, desired: WantDesired) -> None:
        want_id = self.rows.downloads[download_id].want_id
        assert want_id is not None
        self.rows.wants[want_id] = desired

    def deny(self, root: bytes) -> None:
        self.rows.denied.add((RECORDING, root))

    def judge(self, download_id: uuid.UUID, state: TransferState, code: str) -> None:
        self.rows.judge(download_id, state, code)


class DjangoControl:
    def put(self, name: str, *, priority: int = 5, want: bool = False, elsewhere: bool = False) -> uuid.UUID:
        from apps.domain.jobs.constraints import Constraints
        from apps.soulseek.models import Download
        from apps.soulseek.services_download import batch_create
        from apps.transfers.services import want_create

        want_id = None
        if want:
            want_id = want_create(
                RECORDING, release_mbids=[], duration_ms=None, constraints=Constraints(), requested_by_id=None
            ).id
        recording = RECORDING if want else None
        file = FileAsked(path=name, size_bytes=10, want_id=want_id, recording_mbid=recording, elsewhere=elsewhere)
        batch = batch_create(user="bob", folder="", files=[file], priority=priority)
        return Download.objects.get(batch=batch).id

    def desire(self, download_id: uuid.UUID, desired: DownloadDesired) -> None:
        from apps.soulseek.services_download import download_move

        assert download_move([download_id], desired) == 1

    def want_is(self, download_id: uuid.UUID, desired: WantDesired) -> None:
        from apps.transfers.models import Want

        Want.objects.filter(soulseek_downloads__id=download_id).update(desired=desired)

    def deny(self, root: bytes) -> None:
        from apps.transfers.models import PayloadDenial

        PayloadDenial.objects.create(
            recording_mbid=RECORDING, payload_format="flac", payload_root=root, code="wrong_recording"
        )

    def judge(self, download_id: uuid.UUID, state: TransferState, code: str) -> None:
        from apps.transfers.models import Transfer

        Transfer.objects.filter(soulseek_streams__download_id=download_id).update(state=state, code=code)


class Rows:
    def __init__(self, rows: DownloadRows, control: Control) -> None:
        self.rows, self.control = rows, control
        self.loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def names(self, *, limit: int = 100, among: tuple[uuid.UUID, ...] = ()) -> list[str]:
        return [work.remote_path for work in self.run(self.rows.work(among, limit=limit))]

    def one(self, download_id: uuid.UUID) -> DownloadWork:
        (found,) = [work for work in self.run(self.rows.work((), limit=100)) if work.id == download_id]
        return found

    def told(self, download_id: uuid.UUID, state: DownloadState, **more: Any) -> None:
        self.run(self.rows.record([DownloadReport(download_id=download_id, state=state, **more)]))


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "memory":
        memory = MemoryDownloads()
        made = Rows(memory, MemoryControl(memory))
        yield made
    else:
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.downloads import DjangoDownloads

        database = DatabaseThread()
        made = Rows(DjangoDownloads(database), DjangoControl())
        yield made
        made.run(database.close())
    made.loop.close()


def whole(download_id: uuid.UUID, *, root: bytes = b"r" * 32) -> WholeStream:
    return WholeStream(
        download_id=download_id, transfer_id=uuid.uuid4(), payload_format=PayloadFormat.FLAC, payload_root=root,
        payload_bytes=9, leaf_bytes=262144, preamble_bytes=1, profile="", path="/x/audio.flac", size_bytes=10,
    )  # fmt: skip


def test_work_is_the_head_of_the_queue_and_what_runs(rows: Rows) -> None:
    one = rows.control.put("1")
    rows.control.put("2", priority=9)
    last = rows.control.put("3", priority=1, elsewhere=True)
    assert [rows.one(each).elsewhere for each in (one, last)] == [False, True]
    assert rows.names() == ["2", "1", "3"]
    assert rows.names(limit=1, among=(last,)) == ["2", "3"]
    assert rows.one(one).state is DownloadState.WAITING
    rows.control.desire(one, DownloadDesired.PAUSED)
    assert rows.one(one).desired is DownloadDesired.PAUSED


def test_what_was_told_is_read_again_and_an_end_is_work_no_more(rows: Rows) -> None:
    one, two = rows.control.put("1"), rows.control.put("2")
    rows.told(one, DownloadState.INTERRUPTED, code="broke_off", bytes_have=4, attempts=2, asked_at=NOW, next_try_at=NOW)
    found = rows.one(one)
    assert (found.state, found.code, found.bytes_have, found.attempts) == (DownloadState.INTERRUPTED, "broke_off", 4, 2)
    assert (found.asked_at, found.next_try_at) == (NOW, NOW)
    rows.told(one, DownloadState.SUCCEEDED)
    rows.told(one, DownloadState.RECEIVING)
    assert rows.names() == ["2"]
    assert rows.run(rows.rows.keeping([one, two, uuid.uuid4()])) == frozenset({two})
    rows.told(uuid.uuid4(), DownloadState.RECEIVING)


def test_a_whole_stream_is_adopted_once_and_followed(rows: Rows) -> None:
    one = rows.control.put("1", want=True)
    first = whole(one)
    assert rows.run(rows.rows.adopt(first)) is Adoption.ADOPTED
    assert rows.run(rows.rows.adopt(whole(one))) is Adoption.ADOPTED
    found = rows.one(one).transfer
    assert found is not None
    assert (found.id, found.state) == (first.transfer_id, TransferState.ASSEMBLED)
    rows.control.judge(one, TransferState.REJECTED, "wrong_recording")
    found = rows.one(one).transfer
    assert found is not None
    assert (found.state, found.code) == (TransferState.REJECTED, "wrong_recording")


@pytest.mark.parametrize(
    ("desired", "said"),
    [
        (WantDesired.ACTIVE, Adoption.ADOPTED),
        (WantDesired.PAUSED, Adoption.WAIT),
        (WantDesired.SATISFIED, Adoption.ENOUGH),
        (WantDesired.CANCELLED, Adoption.CANCELLED),
    ],
)
def test_what_would_become_of_it_depends_on_its_want(rows: Rows, desired: WantDesired, said: Adoption) -> None:
    one = rows.control.put("1", want=True)
    rows.control.want_is(one, desired)
    assert rows.one(one).want_desired is desired
    told = rows.run(rows.rows.adoptable(one, payload_format="flac", payload_root=b"r" * 32))
    assert told is said
    assert rows.run(rows.rows.adopt(whole(one))) is said


def test_a_payload_that_was_denied_is_not_adopted(rows: Rows) -> None:
    one = rows.control.put("1", want=True)
    rows.control.deny(b"r" * 32)
    assert rows.run(rows.rows.adopt(whole(one))) is Adoption.DENIED
    assert rows.run(rows.rows.adopt(whole(one, root=b"s" * 32))) is Adoption.ADOPTED


def test_an_external_one_is_never_adopted_and_nobody_s_past_is_empty(rows: Rows) -> None:
    one = rows.control.put("1")
    assert rows.run(rows.rows.adopt(whole(one))) is Adoption.CANCELLED
    assert rows.run(rows.rows.pasts(["bob"])) == ((), ())
