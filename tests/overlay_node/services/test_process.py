"""The node as a process of its own, with real rows: killed in the middle of a transfer, told to stop, started twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.store.piece_store import PieceStore
from tests.overlay_node.node_process import PROJECT, NodeProcess
from tests.overlay_node.services.mesh_world import RECORDING, RELEASE, MeshWorld, library_entry

pytestmark = pytest.mark.e2e

PREPARE = f"""
import django
django.setup()
import uuid
from apps.transfers.services import want_create
from apps.domain.jobs.constraints import Constraints
want_create(uuid.UUID("{RECORDING}"), release_mbids=[uuid.UUID("{RELEASE}")], duration_ms=None, constraints=Constraints(), requested_by_id=None)
"""


class Daemon(NodeProcess):
    """One of the mesh."""

    def __init__(self, folder: Path, dht_port: int, database: Path | None = None) -> None:
        config = {
            "mode": "mesh",
            "overlay": {"host": "127.0.0.1", "port": 0, "allow_private": True},
            "mesh": {"dht": {"host": "127.0.0.1", "port": 0, "bootstrap": [f"127.0.0.1:{dht_port}"]}},
        }
        super().__init__(folder, config, database=database, prepare="" if database else PREPARE)

    def transfers(self) -> list[tuple[str, int, str]]:
        with contextlib.closing(sqlite3.connect(self.database)) as rows:
            return rows.execute("select state, verified_bytes, path from transfers_transfer").fetchall()

    def counted(self) -> tuple[int, int, int]:
        """Bytes that came: by hour, by job, by peer."""
        with contextlib.closing(sqlite3.connect(self.database)) as rows:
            found = (
                "select sum(total_bytes) from soulseek_traffichour where direction = 'down' and plane = 'overlay'",
                "select sum(total_bytes) from soulseek_jobtraffic where plane = 'overlay'",
                "select sum(total_bytes) from peers_trafficledger where direction = 'down'",
            )
            hours, jobs, peers = (rows.execute(text).fetchone()[0] or 0 for text in found)
            return hours, jobs, peers

    def log(self) -> str:
        return (self.folder / "node.log").read_text()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one want in it, made once."""
    return Daemon(tmp_path_factory.mktemp("migrated") / "daemon", 1).database


@pytest.fixture
def daemon(mesh: MeshWorld, migrated: Path) -> Iterator[Daemon]:
    made = Daemon(mesh.root / "daemon", mesh.bootstrap.port, migrated)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_killed_in_the_middle_it_goes_on_and_fetches_no_verified_leaf_again(
    mesh: MeshWorld, music: Path, daemon: Daemon
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry, upload_kbps=500)
        daemon.start()
        await mesh.until(lambda: seeder.swarms.up_bytes.total() >= 3 * LEAF_BYTES)
        daemon.end(signal.SIGKILL)
        (folder,) = (daemon.folder / "partial").iterdir()
        uuid.UUID(folder.name)  # nothing a peer said shapes a path
        assert {path.name for path in folder.iterdir()} <= {"leaves.bin", "audio.flac", "bitmap"}
        opened = PieceStore.open(folder, root=entry.variant.payload_root)
        assert opened is not None
        opened.store.close()
        assert opened.held
        held = sum(min(LEAF_BYTES, entry.payload.payload_bytes - leaf * LEAF_BYTES) for leaf in opened.held)
        await mesh.until(lambda: not seeder.hub.since)
        before = seeder.swarms.up_bytes.total()
        daemon.start()
        await mesh.until(lambda: "transfer_assembled" in daemon.log())
        assert seeder.swarms.up_bytes.total() - before == entry.payload.payload_bytes - held
        assert daemon.transfers() == [("assembled", entry.payload.payload_bytes, str(folder / "audio.flac"))]

    mesh.run(scenario())


def test_killed_again_and_again_no_byte_is_counted_twice_and_those_of_the_last_seconds_alone_are_lost(
    mesh: MeshWorld, music: Path, daemon: Daemon
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry, upload_kbps=150)
        written = 0
        for _ in range(2):
            before, at_start = seeder.swarms.up_bytes.total(), written
            daemon.start()
            await mesh.until(lambda: daemon.counted()[0] > at_start)  # noqa: B023  (awaited here)
            daemon.end(signal.SIGKILL)
            hours, jobs, peers = daemon.counted()
            assert hours == jobs == peers
            assert hours - written <= seeder.swarms.up_bytes.total() - before
            written = hours
            await mesh.until(lambda: not seeder.hub.since)
        before = seeder.swarms.up_bytes.total()
        daemon.start()
        await mesh.until(lambda: daemon.log().count("node_started") == 3 and "transfer_assembled" in daemon.log())
        assert daemon.end(signal.SIGTERM) == 0
        hours, jobs, peers = daemon.counted()
        assert (
            hours == jobs == peers == written + seeder.swarms.up_bytes.total() - before
        )  # told to stop, it loses nothing

    mesh.run(scenario())


def test_told_to_stop_it_leaves_in_order_within_five_seconds_and_a_second_one_is_refused(
    mesh: MeshWorld, daemon: Daemon
) -> None:
    async def scenario() -> None:
        daemon.start()
        await mesh.until(lambda: "node_started" in daemon.log())
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "overlay_node"],
            env=daemon.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert "running already" in second.stderr
        began = time.monotonic()
        assert daemon.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 5
        assert not (daemon.folder / "run" / "node.sock").exists()

    mesh.run(scenario())
