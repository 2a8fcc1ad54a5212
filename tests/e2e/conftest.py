"""One run of the demonstration for all end-to-end tests: starting the whole network costs more than any of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hostile_release import HostileRelease, write_hostile_release
from tests.e2e.world import Demonstration, Person, processes_below, until

DEMO_S = 240.0  # on a busy machine with one core; it takes half a minute on two


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    """A folder with a short path: unix sockets live below it."""
    made = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="package")
def hostile(folder: Path) -> HostileRelease:
    """A release with titles that would like to do harm, known to the metadata service, and its sound files."""
    return write_hostile_release(folder / "hostile")


@pytest.fixture(scope="package")
def demo(folder: Path, hostile: HostileRelease) -> Iterator[Demonstration]:
    """The demonstration, its album arrived, still running. At the end it is told to end, and nobody may be left."""
    running = Demonstration(folder / "d", answers=hostile.answers)
    try:
        running.await_report(within_s=DEMO_S)
        yield running
    finally:
        status = running.end()
    assert status == 0
    until(lambda: not processes_below(running.root), "every process of the demonstration is gone")


@pytest.fixture
def person(demo: Demonstration) -> Person:
    """Somebody signed in."""
    return demo.person()
