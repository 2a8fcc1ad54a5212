"""`./slskdn up` as a whole: every process real, signals and `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slskdn_site.supervise_exec import leashed
from tests.patience import PATIENCE_S
from tests.services import PROJECT

pytestmark = pytest.mark.e2e


def processes_of(folder: Path) -> dict[int, str]:
    """Running processes whose environment names this data folder: process id → command line."""
    found: dict[int, str] = {}
    mark = f"SLSKDN_DATA={folder}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # Valkey writes its title over its environment; its socket's path gives it away.
            if mark in (entry / "environ").read_bytes() + b"\0" or f"{folder}/run/" in command:
                found[int(entry.name)] = command
        except OSError:
            continue  # gone meanwhile, a zombie, or not ours
    return found


class Up:
    """A running `up` on its own data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                leashed([sys.executable, "-m", "slskdn_site.cli", "up"]),
                env=self.environment(),
                stdout=output,
                stderr=output,
            )

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLSKDN")},
            "PYTHONPATH": str(PROJECT),
            "SLSKDN_DATA": str(self.folder),
            "SLSKDN__MODE": "mesh",
            "SLSKDN__WEB__PORT": "0",
            "SLSKDN__OVERLAY__HOST": "127.0.0.1",
            "SLSKDN__OVERLAY__PORT": "0",
            "SLSKDN__MESH__DHT__HOST": "127.0.0.1",
            "SLSKDN__MESH__DHT__PORT": "0",
            "SLSKDN__MESH__DHT__BOOTSTRAP": "[]",
            "SLSKDN__WORKER__CONCURRENCY": "2",
        }

    def facts(self) -> dict[str, object]:
        try:
            facts: dict[str, object] = json.loads((self.folder / "run" / "ready.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            assert self.process.poll() is None, self.output.read_text(errors="replace")[-4000:]
            return {}
        return facts

    def pid(self, name: str) -> int:
        pids = self.facts().get("pids")
        return int(pids.get(name, 0)) if isinstance(pids, dict) else 0

    def wait_until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not check():
            assert time.monotonic() < deadline, self.output.read_text(errors="replace")[-4000:]
            time.sleep(0.05)

    def wait_ready(self) -> None:
        self.wait_until(lambda: bool(self.facts()))


@pytest.fixture
def up(data_folder: Path) -> Iterator[Up]:
    platform = Up(data_folder)
    yield platform
    if platform.process.poll() is None:
        platform.process.kill()
    platform.process.wait()
    platform.wait_until(lambda: not processes_of(data_folder))


def test_what_falls_is_started_again_and_sigterm_leaves_nobody(up: Up) -> None:
    up.wait_ready()
    with urllib.request.urlopen(f"{up.facts()['url']}healthz/live", timeout=10) as answer:
        assert answer.status == 200
    password = Path(str(up.facts()["password_file"]))
    assert password.stat().st_mode & 0o777 == 0o600
    assert len(password.read_text()) > 20

    second = subprocess.run(
        [sys.executable, "-m", "slskdn_site.cli", "up"],
        env=up.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 1
    assert f"runs already on {up.folder} (process {up.process.pid})" in second.stderr

    for name in ("worker", "valkey", "web", "node"):
        fallen = up.pid(name)
        pool = {pid for pid, line in processes_of(up.folder).items() if name == "worker" and " worker " in line}
        os.kill(fallen, signal.SIGKILL)
        up.wait_until(lambda: up.pid(name) not in {0, fallen})  # noqa: B023  (run at once)
        assert not pool & set(processes_of(up.folder)), "pool children outlived their worker"
    up.wait_until(lambda: _answers(f"{up.facts()['url']}healthz/live"))

    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(PATIENCE_S) == 0
    assert processes_of(up.folder) == {}
    assert not (up.folder / "run" / "ready.json").exists()


def test_kill_9_of_the_supervisor_leaves_nobody_and_the_next_start_works(up: Up) -> None:
    up.wait_ready()
    assert len(processes_of(up.folder)) >= 7  # supervisor, valkey, web, node, beat, worker and its pool
    up.process.kill()
    up.process.wait()
    up.wait_until(lambda: not processes_of(up.folder))
    (up.folder / "run" / "ready.json").unlink()
    up.process = up.start()
    up.wait_ready()
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(PATIENCE_S) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
