"""The supervisor with real processes: small Python children, real signals, `kill -9`."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slskdn_site.logs import SupervisorLog
from slskdn_site.supervise import BACKOFF_JITTER, BACKOFF_MOST_S, Supervisor, backoff_seconds
from slskdn_site.supervise_child import ChildSpec
from slskdn_site.supervise_exec import leashed
from tests.patience import PATIENCE_S
from tests.services import PROJECT

pytestmark = pytest.mark.e2e


# A platform of two children in two stages; each writes what happens to it into one file.
PLATFORM = """
import os, sys, pathlib
from slskdn_site.data_folder import data_folder_prepare
from slskdn_site.logs import SupervisorLog
from slskdn_site.supervise import Supervisor, StopAsked, StartFailed
from slskdn_site.supervise_child import ChildSpec
folder = pathlib.Path(sys.argv[1])
child = '''
import os, pathlib, signal, subprocess, sys, time
name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
def note(what):
    with open(folder / "story", "a") as story: story.write(f"{name} {what} {os.getpid()}\\\\n")
def stop(*_):
    note("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "stubborn" else stop)
helper = subprocess.Popen(["sleep", "600"])
note(f"helper={helper.pid} started")
if name != "never":
    (folder / f"{name}.ready").touch()
while True: time.sleep(600)
'''
def spec(name, stage):
    return ChildSpec(name=name, argv=[sys.executable, "-c", child, name, str(folder)], ready=(folder / f"{name}.ready").exists,
                     stop_stage=stage, stop_seconds=float(sys.argv[3]))
supervisor = Supervisor(log=SupervisorLog(folder / "log", to_stdout=False))
with supervisor.signals():
    try:
        for stage, names in enumerate(sys.argv[2].split("/")):
            supervisor.start([spec(name, -stage) for name in names.split(",")])
        (folder / "all.ready").touch()
        supervisor.run()
    except StopAsked: pass
    finally: supervisor.stop()
"""


class Platform:
    """A running supervisor and its children's story."""

    def __init__(self, folder: Path, names: str, *, stop_seconds: float = 20) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            leashed([sys.executable, "-c", PLATFORM, str(folder), names, str(stop_seconds)]),
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

    def wait_ready(self) -> None:
        until((self.folder / "all.ready").exists)

    def story(self) -> list[str]:
        path = self.folder / "story"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self, name: str, what: str = "started") -> list[int]:
        return [int(line.split()[-1]) for line in self.story() if line.startswith(f"{name} ") and what in line]

    def everyone(self) -> list[int]:
        helpers = [int(line.split("helper=")[1].split()[0]) for line in self.story() if "helper=" in line]
        return helpers + [int(line.split()[-1]) for line in self.story()]

    def signal_story(self) -> list[str]:
        return [" ".join(line.split()[:2]) for line in self.story() if "helper=" not in line]


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Running, and not just a zombie that nobody has fetched."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


@pytest.fixture
def start(data_folder: Path) -> Iterator[Callable[..., Platform]]:
    running: list[Platform] = []

    def begin(names: str, **options: float) -> Platform:
        running.append(Platform(data_folder, names, **options))
        return running[-1]

    yield begin
    for platform in running:
        if platform.process.poll() is None:
            platform.process.kill()
        platform.process.wait()


def test_a_killed_child_is_started_again_and_its_own_children_are_gone(start: Callable[..., Platform]) -> None:
    platform = start("one,two")
    platform.wait_ready()
    first = platform.pids("one")[0]
    before = platform.everyone()
    os.kill(first, signal.SIGKILL)
    until(lambda: len(platform.pids("one")) == 2)
    assert not alive(first)
    assert [pid for pid in before if alive(pid)] and platform.pids("two")[0] in [pid for pid in before if alive(pid)]
    helper_of_first = (
        int(platform.story()[0].split("helper=")[1].split()[0]) if platform.story()[0].startswith("one") else None
    )
    if helper_of_first is not None:
        until(lambda: not alive(helper_of_first))


def test_sigterm_stops_the_last_stage_first_and_leaves_nobody(start: Callable[..., Platform]) -> None:
    platform = start("broker/one,two/pages")
    platform.wait_ready()
    platform.process.send_signal(signal.SIGTERM)
    assert platform.process.wait(PATIENCE_S) == 0
    stopped = platform.signal_story()
    assert stopped[0] == "pages stopped"
    assert set(stopped[1:3]) == {"one stopped", "two stopped"}
    assert stopped[3] == "broker stopped"
    until(lambda: not any(alive(pid) for pid in platform.everyone()))


def test_kill_9_of_the_supervisor_leaves_none_of_its_children(start: Callable[..., Platform]) -> None:
    platform = start("one,two")
    platform.wait_ready()
    children = platform.pids("one") + platform.pids("two")
    assert all(alive(pid) for pid in children)
    platform.process.kill()
    platform.process.wait()
    until(lambda: not any(alive(pid) for pid in children))
    for helper in set(platform.everyone()) - set(children):
        os.kill(helper, signal.SIGKILL)  # these `sleep`s have no leash of their own, as a pool child or ffmpeg has


def test_a_child_that_ignores_sigterm_is_killed_after_its_time(start: Callable[..., Platform]) -> None:
    platform = start("stubborn", stop_seconds=0.3)
    platform.wait_ready()
    platform.process.send_signal(signal.SIGTERM)
    assert platform.process.wait(PATIENCE_S) == 0
    assert not any(alive(pid) for pid in platform.everyone())


def test_sigterm_in_the_middle_of_the_start_stops_what_was_started(start: Callable[..., Platform]) -> None:
    platform = start("broker/never")
    until(lambda: bool(platform.pids("never")))
    platform.process.send_signal(signal.SIGTERM)
    assert platform.process.wait(PATIENCE_S) == 0
    assert platform.signal_story() == ["never stopped", "broker stopped"]
    assert not any(alive(pid) for pid in platform.everyone())


def test_a_second_signal_hurries(start: Callable[..., Platform]) -> None:
    platform = start("stubborn", stop_seconds=3600)
    platform.wait_ready()
    platform.process.send_signal(signal.SIGTERM)
    platform.process.send_signal(signal.SIGINT)  # another number: two of one may be merged into one
    assert platform.process.wait(PATIENCE_S) == 0
    assert not any(alive(pid) for pid in platform.everyone())


def test_a_child_that_never_comes_up_stops_the_start_with_its_last_words(data_folder: Path) -> None:
    script = PLATFORM.replace('note(f"helper={helper.pid} started")', "sys.exit('no such reel')")
    done = subprocess.run(
        [sys.executable, "-c", script, str(data_folder), "one", "5"],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "one does not start (status 1). Its last lines:" in done.stderr
    assert "no such reel" in done.stderr


def test_a_full_disk_or_a_full_machine_during_a_restart_takes_nobody_else_down(data_folder: Path) -> None:
    log = SupervisorLog(data_folder / "log", to_stdout=False)
    supervisor = Supervisor(log=log)
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    supervisor.start(
        [ChildSpec(name=name, argv=argv, ready=lambda: True, stop_stage=0, stop_seconds=20) for name in ("one", "two")]
    )
    told: list[str] = []

    def nothing_fits() -> None:
        told.append("changed")
        raise OSError(errno.ENOSPC, "no room")

    supervisor.on_change = nothing_fits
    before = supervisor.pids()
    fallen = supervisor.children[0]
    try:
        os.kill(before["one"], signal.SIGKILL)
        until(lambda: not alive(before["one"]))
        assert fallen.exited() == -signal.SIGKILL
        with resource_limit(resource.RLIMIT_NOFILE, 0):
            supervisor._start_again(fallen, time.monotonic())  # no descriptor for its pipe
        supervisor._start_again(fallen, time.monotonic())
        assert told == ["changed"]
        assert supervisor.pids()["two"] == before["two"]
        assert alive(supervisor.pids()["one"])
    finally:
        supervisor.stop()
        log.close()


@contextmanager
def resource_limit(which: int, soft: int) -> Iterator[None]:
    before = resource.getrlimit(which)
    resource.setrlimit(which, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


def test_back_off_doubles_up_to_its_limit_and_is_spread() -> None:
    assert [backoff_seconds(n, spread=0) for n in (1, 2, 3, 4)] == [0.5, 1, 2, 4]
    assert backoff_seconds(1000, spread=0) == BACKOFF_MOST_S
    assert backoff_seconds(1, spread=1) == 0.5 * (1 + BACKOFF_JITTER)
    assert backoff_seconds(1, spread=-1) == 0.5 * (1 - BACKOFF_JITTER)
