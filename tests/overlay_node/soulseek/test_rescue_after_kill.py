"""A node that was killed in the middle of a rescue: at the next start it goes on, or is told as over with the reason. Rows in memory and Django's alike."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.domain.contracts.soulseek_rescues import RescueReport
from apps.domain.soulseek.performance import Performance, RescueRules, Trouble
from apps.domain.soulseek.states import DownloadState, RescueState
from overlay_node.config import SoulseekConfig
from overlay_node.services.background import Background
from overlay_node.soulseek.downloading import Downloads
from overlay_node.soulseek.errands import Errands
from overlay_node.soulseek.ports import PlaneContext, SessionBoard
from overlay_node.soulseek.rescue import Rescues, RescueSettings
from overlay_node.soulseek.rescue_ports import RescueRows, RescueRunner
from overlay_node.soulseek.stream import Stream
from overlay_node.store.soulseek.memory_downloads import MemoryDownloads
from overlay_node.store.soulseek.memory_rescues import MemoryRescues
from tests.overlay_node.soulseek.downloads_world import RULES, download
from tests.overlay_node.soulseek.world import memory_rows
from tests.overlay_node.store.test_soulseek_rescues_contract import django_end, django_put

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TROUBLE = Performance(trouble=Trouble.SLOW, since=0.0)


class NobodyThere:
    """A mesh of which nobody has anything; but for `there`, which is fetched of every want."""

    def __init__(self) -> None:
        self.looked: list[uuid.UUID] = []
        self.there: Sequence[RescueRunner] = ()

    def mode(self) -> str:
        return "hybrid"

    def runners(self, _want_id: uuid.UUID) -> Sequence[RescueRunner]:
        return self.there

    def may(self, _want_id: uuid.UUID) -> bool:
        return True

    def look_for(self, want_id: uuid.UUID) -> None:
        self.looked.append(want_id)

    def begin_with(self, _prefers: object) -> None: ...

    def from_far_end(self, _beside: object) -> None: ...

    def before_asking(self, _meet: object) -> None: ...


class Machine:
    """Rows that outlive nodes. `boot` is the node's start; what it made is forgotten when the next one boots, as after kill -9."""

    def __init__(
        self,
        folder: Path,
        rows: RescueRows,
        put: Callable[[str], uuid.UUID],
        end: Callable[[uuid.UUID, DownloadState, str], None],
        told: Callable[[], list[RescueReport]],
    ) -> None:
        self.folder, self.rows, self.put, self.told = folder, rows, put, told
        self._end = end
        self.loop = asyncio.new_event_loop()
        self.downloads = MemoryDownloads()
        self.now = 100.0
        self.mesh = NobodyThere()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def download(self, name: str = "1") -> uuid.UUID:
        made = dataclasses.replace(download(name), id=self.put(name))
        self.downloads.put(made)
        return made.id

    def end(self, download_id: uuid.UUID, state: DownloadState, code: str = "") -> None:
        self._end(download_id, state, code)
        del self.downloads.downloads[download_id]

    def boot(self, *, enabled: bool = True) -> Rescues:
        background = Background()
        rows = dataclasses.replace(memory_rows(), downloads=self.downloads, rescues=self.rows)
        context = PlaneContext(
            config=SoulseekConfig(username="alice"),
            data_dir=self.folder,
            rows=rows,
            errands=Errands(rows.errands, boot_id="b", spawn=background.spawn),
            board=SessionBoard(),
            spawn=lambda work, _name: self.spawned.append(work),
            clock=lambda: self.now,
            wall=lambda: NOON + timedelta(seconds=self.now),
            rng=random.Random(1),
        )
        self.spawned: list[Coroutine[object, object, None]] = []
        self.streams = Downloads(context, self.downloads, rules=RULES, rescue=RescueRules(), counted=lambda *_: None)
        self.part = Rescues(
            context, self.rows, self.streams, settings=RescueSettings(enabled=enabled, lookup=True), mesh=self.mesh
        )
        self.run(self.streams.start())
        self.run(self.part.start())
        return self.part

    def stream(self, download_id: uuid.UUID) -> Stream:
        return self.streams.streams[download_id]

    def passes(self, seconds: float = 2.0) -> None:
        """Time passes, and all that was begun meanwhile is done."""
        for _ in range(int(4 * seconds)):
            self.now += 0.25
            self.part.tick(self.now)
            while self.spawned:
                self.run(self.spawned.pop(0))


def django_told() -> list[RescueReport]:
    from apps.soulseek.models import Rescue
    from apps.soulseek.selectors_node_rescues import _report

    return [_report(row) for row in Rescue.objects.order_by("started_at", "id")]


@pytest.fixture(params=["memory", pytest.param("django", marks=pytest.mark.django_db(transaction=True))])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    if request.param == "memory":
        memory = MemoryRescues()
        made = Machine(
            tmp_path,
            memory,
            lambda _name: uuid.uuid4(),
            lambda one, state, code: memory.ended.update({one: (state, code)}),
            lambda: sorted(memory.reports.values(), key=lambda one: one.started_at),
        )
        yield made
    else:
        from apps.soulseek.models import Download, DownloadProgress, OfferSighting
        from overlay_node.store.database_thread import DatabaseThread
        from overlay_node.store.soulseek.rescues import DjangoRescues

        def put(name: str) -> uuid.UUID:
            made, recording = django_put(name), uuid.uuid4()
            Download.objects.filter(id=made).update(recording_mbid=recording)
            DownloadProgress.objects.create(download_id=made, asked_at=NOON)
            OfferSighting.objects.create(
                sharer="x", folder_digest=recording.bytes * 2, recording_mbid=recording, first_seen=NOON, last_seen=NOON
            )
            return made

        database = DatabaseThread()
        made = Machine(tmp_path, DjangoRescues(database), put, django_end, django_told)
        yield made
        made.run(database.close())
    made.loop.close()


def begun(machine: Machine) -> tuple[uuid.UUID, RescueReport]:
    """A download in trouble, and its rescue as the killed node wrote it."""
    one = machine.download()
    machine.boot()
    machine.stream(one).performance = TROUBLE
    machine.passes()
    (told,) = machine.told()
    return one, told


def test_a_rescue_goes_on_under_its_id_and_looks_again(machine: Machine) -> None:
    one, before = begun(machine)
    looked = len(machine.mesh.looked)
    machine.boot()
    machine.passes()
    assert machine.told() == [before]
    assert machine.part.cases[one].core.state is before.state is RescueState.LOOKING
    assert len(machine.mesh.looked) > looked


def test_one_that_was_refused_is_judged_anew_and_keeps_what_was_known(machine: Machine) -> None:
    one, before = begun(machine)
    refused = dataclasses.replace(
        before, state=RescueState.REFUSED, code="rescue_ratio_reached", overlay_bytes=7, ended_at=NOON
    )
    machine.run(machine.rows.record([refused]))
    machine.boot()
    machine.stream(one).work = dataclasses.replace(machine.stream(one).work, rescue_allowed=False)
    machine.passes()
    (told,) = machine.told()
    assert (told.id, told.state, told.code, told.overlay_bytes) == (
        before.id,
        RescueState.REFUSED,
        "rescue_not_wished",
        7,
    )
    assert told.ended_at == NOON


ENDS = (
    (DownloadState.SUCCEEDED, "", 0, RescueState.RECOVERED, "rescue_stream_whole"),
    (DownloadState.ENOUGH, "", 5, RescueState.FINISHED, "rescue_finished"),
    (DownloadState.ENOUGH, "", 0, RescueState.ENDED, "rescue_stream_ended"),
    (DownloadState.REFUSED, "banned", 5, RescueState.ENDED, "rescue_stream_ended"),
    (DownloadState.CANCELLED, "", 0, RescueState.ENDED, "rescue_stream_ended"),
)
"""How a download ended, with what; how its rescue stands then, and why."""


def test_those_whose_downloads_ended_while_nobody_looked_are_told_as_over_with_the_reason(machine: Machine) -> None:
    _, before = begun(machine)
    machine.end(before.download_id, DownloadState.CANCELLED)
    made = {}
    for number, (end, code, overlay, _, _) in enumerate(ENDS):
        one = machine.download(f"of {number}")
        made[one] = dataclasses.replace(
            before, id=uuid.uuid4(), download_id=one, state=RescueState.ACTIVE, overlay_bytes=overlay
        )
        machine.run(machine.rows.record([made[one]]))
        machine.end(one, end, code)
    machine.boot()
    machine.passes()
    told = {one.download_id: one for one in machine.told()}
    assert told.keys() == {before.download_id, *made}
    for (end, code, overlay, state, says), (one, was) in zip(ENDS, made.items(), strict=True):
        found = told[one]
        assert (found.id, found.state, found.code, found.overlay_bytes) == (was.id, state, says, overlay)
        assert found.ended_at is not None
        assert state is not RescueState.ENDED or found.params == {"end": code or end.value}
    machine.boot()
    machine.passes()
    assert {one.download_id: one for one in machine.told()} == told  # once


def test_with_rescues_switched_off_meanwhile_it_is_told_as_over(machine: Machine) -> None:
    one, before = begun(machine)
    machine.boot(enabled=False)
    machine.stream(one).performance = TROUBLE
    machine.passes()
    (told,) = machine.told()
    assert (told.id, told.state, told.code) == (before.id, RescueState.ENDED, "rescue_off")
    assert not machine.part.cases


def test_an_older_one_of_the_same_download_makes_way(machine: Machine) -> None:
    one, before = begun(machine)
    older = dataclasses.replace(
        before, id=uuid.uuid4(), state=RescueState.REFUSED, started_at=before.started_at - timedelta(hours=1)
    )
    machine.run(machine.rows.record([older]))
    machine.boot()
    machine.passes()
    first, second = machine.told()
    assert (first.id, first.state, first.code) == (older.id, RescueState.ENDED, "rescue_superseded")
    assert second.id == before.id
    assert machine.part.cases[one].id == before.id
