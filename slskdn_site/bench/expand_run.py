"""A Celery worker that reads and expands a large artist and a large label, is killed twice on the way, and what that took."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

BARS: Final = {"task_s": 300.0, "peak_mb": 400.0}
_LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
POLL_S: Final = 0.05


class TooLong(TimeoutError):
    """It did not end in the time given."""


def expand_bench(
    folder: Path, *, groups: int, crate: int, timeout_s: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """The report. Raises TooLong. The environment names the data folder and the database."""
    from slskdn_site.demo.answer_folder import load_answers
    from slskdn_site.demo.large_world import write_large_world
    from slskdn_site.demo.metadata_service.server import MetadataServer

    # One edition of each group is planned; every third group has two.
    world = write_large_world(folder / "world", groups=groups, label_releases=crate + -(-crate // 3))
    server = MetadataServer([load_answers(folder / "world")])
    noted = folder / "tasks.txt"
    noted.touch()
    os.environ["BENCH_TASKS"] = str(noted)
    os.environ["SLSKDN__INTEGRATION__MUSICBRAINZ__HOST"] = server.base_url
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with _Platform(folder) as platform:
            began = time.monotonic()
            trees = _asked(world.artist_mbid, world.label_mbid)
            deadline = began + timeout_s
            for name, reached in _turns(groups):
                tell(f"until {name} …")
                platform.until(reached, deadline=deadline)
                if name != "the end":
                    platform.kill()
                    _leases_end()
            seconds = time.monotonic() - began
            platform.look()
            tasks = [(float(line.split()[0]), line.split()[1]) for line in noted.read_text("utf-8").splitlines()]
            longest, name = max(tasks, default=(0.0, ""))
            return _report(trees) | {
                "groups": groups,
                "releases": world.releases,
                "crate": crate,
                "seconds": round(seconds, 1),
                "tasks": len(tasks),
                "longest_task_s": round(longest, 2),
                "longest_task": name,
                "peak_mb": round(platform.peak_kb * 1024 / 1e6, 1),
                "kills": platform.kills,
                "bars": BARS,
                **_holds(trees, longest=longest, peak_mb=platform.peak_kb * 1024 / 1e6, tasks=len(tasks)),
            }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Platform:
    """Valkey, the schedule, and a worker that may be killed. Its memory is looked at all the while."""

    def __init__(self, folder: Path) -> None:
        self.peak_kb = self.kills = 0
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        from slskdn_site.broker import valkey_answers, valkey_command
        from slskdn_site.cli.main import django_setup
        from slskdn_site.supervise_exec import leashed

        data = self._folder / "data"
        socket = data / "run" / "valkey.sock"
        socket.parent.mkdir(parents=True)
        self._start(leashed(valkey_command(socket, data / "valkey")), log="valkey")
        deadline = time.monotonic() + 30
        while not valkey_answers(socket):
            if time.monotonic() > deadline:
                raise TooLong("Valkey did not start.")
            time.sleep(POLL_S)
        django_setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        self._start(_celery("slskdn_site.celery:app", "beat", "-l", "WARNING", "--pidfile="), log="beat")
        self._work()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def until(self, reached: Callable[[], bool], *, deadline: float) -> None:
        """Look on until it is so. Raises TooLong."""
        while not reached():
            if time.monotonic() > deadline:
                raise TooLong((self._folder / "worker.log").read_text("utf-8")[-2000:])
            self.look()
            time.sleep(POLL_S)

    def look(self) -> None:
        """At the memory of every process of the worker."""
        if self._worker is not None:
            self.peak_kb = max([self.peak_kb, *(_peak_kb(pid) for pid in _family(self._worker.pid))])

    def kill(self) -> None:
        """`kill -9` of the worker with its children, and a new one."""
        if self._worker is not None:
            self.look()
            os.killpg(self._worker.pid, signal.SIGKILL)
            self._worker.wait()
            self._running.remove(self._worker)
            self.kills += 1
        self._work()

    def _work(self) -> None:
        options = ("worker", "-Q", "default,verify,analyse", "-c", "1", "--without-gossip", "--without-mingle")
        self._worker = self._start(_celery("slskdn_site.bench.expand_worker:app", *options, "-l", "INFO"), log="worker")

    def _start(self, argv: list[str], *, log: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{log}.log").open("ab") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._running.append(process)
        return process


def _celery(app: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", app, *arguments]


def _asked(artist: object, label: object) -> list[str]:
    from apps.domain.jobs.selection import Selection
    from apps.jobs.services import job_create

    everything = Selection(profile="all")
    return [
        str(job_create(kind="discography", target_mbid=str(artist), selection=everything).id),
        str(job_create(kind="label_crate", target_mbid=str(label), selection=Selection(limit_releases=500)).id),
    ]


def _turns(groups: int) -> Iterator[tuple[str, Callable[[], bool]]]:
    """When the worker is killed, and when all is done."""
    from apps.catalog.models import Walk
    from apps.jobs.models import Job

    yield "a list is read in part", lambda: Walk.objects.filter(taken__gt=0).exists()
    yield "some children are there", lambda: Job.objects.exclude(parent=None).count() >= groups // 4
    yield "the end", lambda: not Job.objects.filter(parent=None, expanded_at=None).exists()


def _leases_end() -> None:
    """As if the minutes had passed after which a dead worker's work is another's."""
    from apps.catalog.models import Walk
    from apps.jobs.models import Job

    Walk.objects.filter(lease_until__isnull=False).update(lease_until=_LONG_AGO, next_step_at=_LONG_AGO)
    Job.objects.filter(lease_until__isnull=False).update(lease_until=_LONG_AGO, next_step_at=_LONG_AGO)


def _report(trees: list[str]) -> dict[str, Any]:
    from django.db import connection

    return {"database": connection.vendor, "twice": _twice(), "trees": [_tree(one) for one in trees]}


def _tree(job_id: str) -> dict[str, Any]:
    from apps.jobs.models import Job, PlannedRelease

    job = Job.objects.get(id=job_id)
    planned = PlannedRelease.objects.filter(job=job)
    wanted = planned.filter(state="wanted").count()
    children = Job.objects.filter(parent=job).count()
    return {
        "kind": job.kind,
        "state": job.state,
        "planned": planned.count(),
        "wanted": wanted,
        "children": children,
        "of_other_trees": planned.exclude(other=None).count(),
        # What another tree is after has no child here: one job fetches it for both.
        "whole": planned.exists() and not planned.filter(state="wanted", child=None, other=None).exists(),
    }


def _twice() -> int:
    """Children, and planned releases, that are there more than once."""
    from apps.jobs.models import Job, PlannedRelease

    children = Job.objects.exclude(parent=None)
    planned = PlannedRelease.objects.all()
    return (
        children.count()
        - children.values("parent_id", "target_mbid").distinct().count()
        + planned.count()
        - planned.values("job_id", "release_mbid").distinct().count()
    )


def _holds(trees: list[str], *, longest: float, peak_mb: float, tasks: int) -> dict[str, bool]:
    whole = all(_tree(one)["whole"] for one in trees)
    within = longest <= BARS["task_s"] and 0 < peak_mb <= BARS["peak_mb"]
    return {"holds": whole and within and tasks > 0 and _twice() == 0}


def _family(pid: int) -> list[int]:
    """A process and its children's children."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return [pid]
    return [pid, *(one for child in below for one in _family(int(child)))]


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
