"""`kill -9` for real: of a whole Celery worker while MusicBrainz keeps it waiting, and of a process in the middle of verifying."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis

from slskdn_site.broker import valkey_answers, valkey_command
from slskdn_site.demo.answer_folder import load_answers
from slskdn_site.demo.large_world import write_large_world
from slskdn_site.demo.metadata_service.faults import Fault
from slskdn_site.demo.metadata_service.server import MetadataServer
from slskdn_site.supervise_exec import leashed
from tests.patience import PATIENCE_S
from tests.prepared import prepared_copy
from tests.workers.conftest import Metadata
from tests.workers.test_resolution import RELEASE

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).resolve().parents[2]


class Platform:
    """A data folder of its own with Valkey, and the processes that a test starts on it."""

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SLSKDN")},
            "SLSKDN_DATA": str(folder),
            "SLSKDN__INTEGRATION__MUSICBRAINZ__HOST": metadata.url,
            "SLSKDN__INTEGRATION__MUSICBRAINZ__INTERVAL_MS": "0",
            "DJANGO_SETTINGS_MODULE": "slskdn_site.settings",
            "PYTHONPATH": str(PROJECT),
        }
        self.running: list[subprocess.Popen[bytes]] = []
        prepared_copy(folder)
        socket = folder / "run" / "valkey.sock"
        socket.parent.mkdir(parents=True, exist_ok=True)
        self.start(leashed(valkey_command(socket, folder / "valkey")), log="valkey")
        wait_for(lambda: valkey_answers(socket))

    def start(self, argv: list[str], *, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as output:
            process = subprocess.Popen(
                argv,
                env=self.environment,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def python(self, *argv: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def worker(self) -> subprocess.Popen[bytes]:
        celery = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "slskdn_site.celery:app",
            "worker",
            "-Q",
            "default,verify,analyse",
            "-c",
            "1",
        ]
        return self.start([*celery, "--without-gossip", "--without-mingle", "-l", "INFO"], log="worker")

    def beat(self) -> subprocess.Popen[bytes]:
        return self.start(
            [sys.executable, "-m", "celery", "-A", "slskdn_site.celery:app", "beat", "-l", "INFO", "--pidfile="],
            log="beat",
        )

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "db" / "slskdn.sqlite3", timeout=30)) as connection, connection:
            return connection.execute(sql).fetchall()

    def stop(self) -> None:
        for process in reversed(self.running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def platform(data_folder: Path, metadata: Metadata) -> Iterator[Platform]:
    made = Platform(data_folder, metadata)
    yield made
    made.stop()


def test_a_worker_killed_while_it_waits_for_musicbrainz_leaves_a_job_that_the_next_one_resolves(
    platform: Platform, metadata: Metadata
) -> None:
    metadata.fault("hang", prefix="/ws/2", seconds=300.0)
    job = platform.python("-m", "slskdn_site.cli", "jobs", "add-release", str(RELEASE)).strip()
    first = platform.worker()
    wait_for(lambda: metadata.requests)
    assert platform.rows("SELECT state, attempt FROM jobs_job") == [("resolving", 1)]
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert platform.rows("SELECT state, attempt FROM jobs_job") == [("resolving", 1)]
    # A minute passes: the lease of the dead runs out. Nobody tells anybody; the sweep finds the row.
    platform.rows("UPDATE jobs_job SET lease_until = '2020-01-01 00:00:00', next_step_at = '2020-01-01 00:00:00'")
    platform.worker()
    platform.beat()
    wait_for(lambda: platform.rows("SELECT state FROM jobs_job") == [("running",)])
    assert platform.rows("SELECT attempt, lease_until FROM jobs_job") == [(2, None)]
    assert platform.rows("SELECT count(*) FROM jobs_jobtrack") == [(8,)]
    shown = json.loads(platform.python("-m", "slskdn_site.cli", "jobs", "show", job, "--json"))
    assert (shown["state"], len(shown["tracks"])) == ("running", 8)


VERIFY = """
import django, os, signal, sys, uuid
from pathlib import Path
django.setup()
from tests.workers.assembled import Names, recording_id
from workers.verification import Verifier
stop, transfer, library = sys.argv[1:]
def checkpoint(step):
    if step == stop:
        os.kill(os.getpid(), signal.SIGKILL)
Verifier(acoustid=Names(recordings=(recording_id(1),)), fingerprinting=True, require_fingerprint=False, library_root=lambda: Path(library),
         template="{albumartist}/{album} ({year})/{disc_track} {title}.{ext}").verify(uuid.UUID(transfer), checkpoint=checkpoint)
"""
PREPARE = """
import django, sys
from pathlib import Path
django.setup()
from tests.workers.assembled import assemble, running_job
print(assemble(running_job(tracks=1), Path(sys.argv[1])).id)
"""


def test_a_process_killed_in_the_middle_of_verifying_leaves_work_that_the_next_one_finishes_once(
    platform: Platform, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    transfer = platform.python("-c", PREPARE, str(tmp_path)).strip()
    killed = subprocess.run(
        [sys.executable, "-c", VERIFY, "placed", transfer, str(library)],
        env=platform.environment,
        cwd=PROJECT,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL
    assert platform.rows("SELECT state FROM jobs_jobtrack") == [("verifying",)]
    platform.rows("UPDATE jobs_jobtrack SET lease_until = '2020-01-01 00:00:00'")
    platform.python("-c", VERIFY, "never", transfer, str(library))
    assert platform.rows("SELECT state, verification, attempt FROM jobs_jobtrack") == [("completed", "fingerprint", 2)]
    assert platform.rows("SELECT count(*) FROM library_audiofile") == [(1,)]
    assert platform.rows("SELECT state FROM jobs_job") == [("completed",)]
    assert [path.name for path in library.rglob("*") if path.is_file()] == ["01 Song 1.flac"]
    work = [path.name for path in (tmp_path / "partial" / transfer).iterdir()]
    assert work == ["audio.flac"]


KNOWN = """
import django, os, sys
from pathlib import Path
django.setup()
from tests.workers.gateways.sound import write
from tests.workers.test_analyse_variants import known
known(write(Path(sys.argv[1]) / "a.flac", 200.0))
"""


def test_a_worker_killed_while_it_analyses_costs_one_attempt_and_the_next_one_does_it_once(
    platform: Platform, tmp_path: Path
) -> None:
    platform.python("-c", KNOWN, str(tmp_path))
    first = platform.worker()
    platform.beat()  # nobody sends the task by hand: the schedule does, and the sound is found by its row
    wait_for(lambda: platform.rows("SELECT attempt FROM library_audiovariant WHERE lease_until IS NOT NULL") == [(1,)])
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert platform.rows("SELECT analyser_version, attempt FROM library_audiovariant") == [(0, 1)]
    assert platform.rows("SELECT count(*) FROM library_variantevidence WHERE verdicts <> '{}'") == [(0,)]
    # A minute passes: the lease of the dead runs out, and so does its place among the background work.
    platform.rows("UPDATE library_audiovariant SET lease_until = '2020-01-01 00:00:00'")
    socket = platform.folder / "run" / "valkey.sock"
    redis.Redis(unix_socket_path=str(socket)).delete("slskdn:background:0")
    platform.worker()
    wait_for(lambda: platform.rows("SELECT analyser_version FROM library_audiovariant") != [(0,)])
    found = platform.rows("SELECT attempt, lease_until, analysis_code, loudness_lufs < -5 FROM library_audiovariant")
    assert found == [(0, None, "", 1)]
    assert platform.rows("SELECT count(*) FROM library_variantevidence WHERE verdicts <> '{}'") == [(1,)]


def test_a_worker_killed_while_it_reads_a_list_leaves_a_place_from_which_the_next_one_reads_on(
    platform: Platform, metadata: Metadata, tmp_path: Path
) -> None:
    world = write_large_world(tmp_path, groups=230, label_releases=0)
    server = MetadataServer([load_answers(tmp_path)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        platform.environment["SLSKDN__INTEGRATION__MUSICBRAINZ__HOST"] = server.base_url
        shown = platform.python("-m", "slskdn_site.cli", "mb", "artist-graph", str(world.artist_mbid), "--json")
        assert json.loads(shown)["state"] == "walking"
        # The first page comes, the second one hangs.
        server.faults.add([Fault(kind="hang", prefix="/ws/2/release-group", seconds=one) for one in (0.0, 300.0)])
        first = platform.worker()
        wait_for(lambda: platform.rows("SELECT taken FROM catalog_walk WHERE kind = 'artist_groups'") == [(100,)])
        wait_for(lambda: not server.faults.listed())
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        platform.rows(
            "UPDATE catalog_walk SET lease_until = '2020-01-01 00:00:00', next_step_at = '2020-01-01 00:00:00' WHERE state <> 'done'"
        )
        platform.worker()
        platform.beat()
        wait_for(lambda: platform.rows("SELECT count(*) FROM catalog_walk WHERE state = 'done'") == [(2,)])
    finally:
        print((platform.folder / "worker.log").read_text()[-3000:])  # DEBUG
        server.shutdown()
        thread.join()
        server.server_close()
    assert platform.rows("SELECT kind, taken, total FROM catalog_walk ORDER BY kind") == [
        ("artist_groups", 230, 230),
        ("artist_releases", world.releases, world.releases),
    ]
    assert platform.rows("SELECT count(*) FROM catalog_releasegroup") == [(230,)]
    assert platform.rows("SELECT count(*) FROM catalog_groupartist") == [(230,)]
    assert platform.rows("SELECT count(*) FROM catalog_release") == [(world.releases,)]
    shown = json.loads(platform.python("-m", "slskdn_site.cli", "mb", "artist-graph", str(world.artist_mbid), "--json"))
    assert (shown["state"], shown["name"], shown["groups"]["taken"]) == ("ready", "Thousand Groups", 230)
    assert sum(one["groups"] for one in shown["by_type"].values()) == 230
