"""What a transfer of the mesh is told of a stream beside it before it asks its first peer; and which wants wait for Soulseek."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from apps.domain.soulseek.performance import WELL
from apps.domain.soulseek.states import DownloadState
from overlay_node.soulseek.rescue_ports import RescueRunner
from overlay_node.store.soulseek.memory_rescues import MemoryRescues
from overlay_node.swarm.allowance import Allowance
from tests.overlay_node.soulseek.test_rescue_after_kill import TROUBLE, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, MemoryRescues(), lambda _name: uuid.uuid4(), lambda *_: None, list)
    yield made
    made.loop.close()


class Broken:
    """A transfer of a want that can't even tell what it is."""

    def __init__(self, want_id: uuid.UUID | None) -> None:
        self.work = SimpleNamespace(id=uuid.uuid4(), want_id=want_id)
        self.allowance = Allowance()

    @property
    def leaf_hashes(self) -> tuple[bytes, ...]:
        raise RuntimeError("broken")


def met(machine: Machine, want_id: uuid.UUID | None) -> Broken:
    runner = Broken(want_id)
    machine.mesh.there = (cast("RescueRunner", runner),)
    machine.run(machine.part.meet(cast("RescueRunner", runner)))
    return runner


def test_without_a_stream_or_without_trouble_or_switched_off_nothing_is_held_back(machine: Machine) -> None:
    one = machine.download()
    machine.boot()
    assert met(machine, uuid.uuid4()).allowance.left is None
    assert met(machine, machine.stream(one).work.want_id).allowance.left is None  # it does well
    machine.boot(enabled=False)
    machine.stream(one).performance = TROUBLE
    assert met(machine, machine.stream(one).work.want_id).allowance.left is None
    assert not machine.part.cases


def test_what_goes_wrong_with_a_stream_does_not_keep_the_mesh_from_going_on(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    one = machine.download()
    machine.boot()
    machine.stream(one).performance = TROUBLE
    with caplog.at_level(logging.ERROR):
        met(machine, machine.stream(one).work.want_id)
    assert "rescue_not_met" in caplog.text


def test_a_want_waits_for_whom_soulseek_asks_as_long_as_that_does_well(machine: Machine) -> None:
    one = machine.download()
    machine.boot()
    stream, downloads = machine.stream(one), machine.streams
    want_id = stream.work.want_id
    assert want_id is not None
    awaited = set()
    for state in DownloadState:
        stream.core.state = state
        if downloads.awaits(want_id):
            awaited.add(state)
    assert awaited == {
        DownloadState.WAITING,
        DownloadState.ASKED,
        DownloadState.QUEUED,
        DownloadState.CONNECTING,
        DownloadState.RECEIVING,
    }
    stream.core.state = DownloadState.QUEUED
    assert not downloads.awaits(uuid.uuid4())
    stream.performance = TROUBLE
    assert not downloads.awaits(want_id)
    stream.performance = WELL
    assert downloads.awaits(want_id)
