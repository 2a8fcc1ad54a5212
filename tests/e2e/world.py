"""What the end-to-end tests share: the demonstration as a person starts it, somebody at its API, and ways to harm its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import requests
import yaml

from slskdn_site.demo.network import Network
from slskdn_site.supervise_exec import leashed
from tests.patience import PATIENCE_S
from tests.services import PROJECT

HTTP_S = 60.0
T = TypeVar("T")


def until(
    ask: Callable[[], T | None],
    what: str,
    *,
    within_s: float = PATIENCE_S,
    every_s: float = 0.05,
    told: Callable[[], object] | None = None,
) -> T:
    """Ask again and again until the answer is true, and give it back. `told`: what to say besides the last answer when it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        if time.monotonic() >= deadline:
            besides = f"\n{told()}" if told is not None else ""
            raise AssertionError(
                f"did not happen within {within_s:.0f} s: {what}; the last answer: {answer!r}{besides}"
            )
        time.sleep(every_s)
    return answer


def processes_below(folder: Path) -> dict[int, str]:
    """Running processes (no zombies) whose data folder is `folder` or below it: process id → command line."""
    found: dict[int, str] = {}
    mark = f"\0SLSKDN_DATA={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = b"\0" + (entry / "environ").read_bytes()
        except OSError:
            continue  # gone meanwhile, or not ours
        # Valkey writes its title over its environment; its socket's path gives it away.
        if command and (mark in environment or f"unixsocket:{folder}" in command):
            found[int(entry.name)] = command
    return found


def children_of(pid: int) -> set[int]:
    """Process ids of a process's children."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(entry.parent.name))
    return found


def kill_9(pid: int) -> None:
    """SIGKILL, and wait until it is gone (its parent may be somebody else)."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_running(pid), f"{pid} ends")


def is_running(pid: int) -> bool:
    """Running, and not just a zombie that nobody has fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """The process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Person:
    """Somebody signed in, talking to the API and looking at pages. Goes on after a restart, which may have another address."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url.rstrip("/")
        self.http = requests.Session()
        self.http.trust_env = False  # loopback never goes through a proxy
        self.http.headers["Referer"] = self.url
        self.http.get(f"{self.url}/login", timeout=HTTP_S).raise_for_status()
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": self._token()}
        self.http.post(f"{self.url}/login", data=form, timeout=HTTP_S).raise_for_status()

    def ask(self, release: str, *, key: str = "", **more: Any) -> requests.Response:
        """POST a release."""
        return self.post("/api/jobs/mb-release", {"mb_release_id": release, **more}, key=key)

    def post(self, path: str, body: Mapping[str, Any], *, key: str = "") -> requests.Response:
        """POST JSON."""
        headers = {"X-CSRFToken": self._token(), **({"Idempotency-Key": key} if key else {})}
        return self.http.post(f"{self.url}{path}", json=body, headers=headers, timeout=HTTP_S)

    def get(self, path: str) -> dict[str, Any]:
        """What the API answers there."""
        answer = self.http.get(f"{self.url}{path}", timeout=HTTP_S)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    def job(self, job_id: str) -> dict[str, Any]:
        """The job's tree."""
        return self.get(f"/api/jobs/{job_id}")

    def act(self, job_id: str, action: str) -> None:
        """Pause, resume, cancel or retry."""
        headers = {"X-CSRFToken": self._token()}
        self.http.post(f"{self.url}/api/jobs/{job_id}/{action}", headers=headers, timeout=HTTP_S).raise_for_status()

    def page(self, path: str) -> str:
        """A page's HTML."""
        answer = self.http.get(f"{self.url}{path}", timeout=HTTP_S)
        answer.raise_for_status()
        return answer.text

    def _token(self) -> str:
        return next((cookie.value or "" for cookie in self.http.cookies if "csrf" in cookie.name), "")


def node_asked(folder: Path, question: str) -> dict[str, Any]:
    """What the node of a data folder answers at its control socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(HTTP_S)
        client.connect(str(folder / "run" / "node.sock"))
        client.sendall(json.dumps({"ask": question}).encode() + b"\n")
        line = client.makefile("rb").readline()
    answer: dict[str, Any] = json.loads(line)
    return answer


class Demonstration:
    """A running `slskdn demo --size small --keep --json`, whose album has arrived, and further processes beside it."""

    def __init__(self, root: Path, *, answers: Path) -> None:
        self.root = root
        self.home = root / "platform"
        self.output = root.with_name(f"{root.name}.json")
        self.said = root.with_name(f"{root.name}.log")
        command = [sys.executable, "-m", "slskdn_site.cli", "demo", "--size", "small", "--json", "--keep"]
        with self.output.open("wb") as output, self.said.open("wb") as said:
            self.process = subprocess.Popen(
                leashed([*command, "--data", str(root), "--fixtures", str(answers)]),
                env={
                    **{name: value for name, value in os.environ.items() if not name.startswith("SLSKDN")},
                    "PYTHONPATH": str(PROJECT),
                },
                stdout=output,
                stderr=said,
            )
        self.network = Network(root)
        self.report: dict[str, Any] = {}

    def await_report(self, *, within_s: float) -> None:
        """Until the album is there and the report is printed."""

        def printed() -> str:
            assert self.process.poll() is None, self.words()
            text = self.output.read_text(encoding="utf-8")
            return text if text.endswith("}\n") else ""

        try:
            self.report = json.loads(until(printed, "the report", within_s=within_s))
        except AssertionError:
            sys.stderr.write(self.words())
            raise
        config = yaml.safe_load((self.home / "slskdn.yml").read_text(encoding="utf-8"))
        self.network.metadata_port = int(config["integration"]["musicbrainz"]["host"].rpartition(":")[2])
        self.network.dht_port = int(config["mesh"]["dht"]["bootstrap"][0].rpartition(":")[2])
        self.network._template = self.root / "template" / "db" / "slskdn.sqlite3"

    def words(self) -> str:
        """What the demonstration and its platform said last."""
        logs = [self.said, self.home / "run" / "slskdn.log"]
        return "\n".join(f"== {log}\n{log.read_text(errors='replace')[-6000:]}" for log in logs if log.exists())

    # ---- the platform

    def facts(self) -> dict[str, Any]:
        """What the platform says of itself while it runs; empty when it does not."""
        try:
            facts: dict[str, Any] = json.loads((self.home / "run" / "ready.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return facts

    def person(self) -> Person:
        """Somebody who signs in at the platform as it runs now."""
        facts = until(self.facts, "the platform runs")
        return Person(str(facts["url"]), Path(facts["password_file"]).read_text(encoding="ascii").strip())

    def pid(self, name: str) -> int:
        """Process id of one of the platform's processes; 0 while it is away."""
        return int(self.facts().get("pids", {}).get(name, 0))

    def kill(self, name: str) -> None:
        """`kill -9` of one of the platform's processes; comes back when the supervisor has started another."""
        fallen = self.pid(name)
        kill_9(fallen)
        until(lambda: self.pid(name) not in {0, fallen}, f"{name} is started again")

    def start_again(self) -> None:
        """The platform once more, on the same data folder, as `./slskdn up` starts it."""
        self.network.start_platform()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read or write the platform's database by hand, where a test must not wait for a clock."""
        path = self.home / "db" / "slskdn.sqlite3"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            return connection.execute(sql).fetchall()

    def time_passes(self) -> None:
        """Leases of the dead have run out and every wait for a next attempt is over."""
        past = "'2020-01-01 00:00:00'"
        for table in ("jobs_job", "jobs_jobtrack"):
            self.rows(f"UPDATE {table} SET lease_until = {past} WHERE lease_until IS NOT NULL")
            self.rows(f"UPDATE {table} SET next_step_at = {past} WHERE next_step_at IS NOT NULL")

    def forget_acoustid(self) -> None:
        """What AcoustID answered is no longer known; whoever needs it asks again."""
        self.rows("DELETE FROM library_acoustidanswer")

    def forget_release(self, mbid: str) -> None:
        """The catalog no longer holds this release; whoever needs it asks MusicBrainz again."""
        release = f"'{mbid.replace('-', '')}'"
        media = f"SELECT id FROM catalog_medium WHERE release_id = {release}"
        for table, condition in (
            ("track", f"medium_id IN ({media})"),
            ("medium", f"release_id = {release}"),
            ("release", f"mbid = {release}"),
        ):
            self.rows(f"DELETE FROM catalog_{table} WHERE {condition}")

    # ---- the metadata service

    def metadata(self, method: str, path: str, body: object = None) -> Any:
        """Its control paths."""
        url = f"http://127.0.0.1:{self.network.metadata_port}{path}"
        answer = requests.request(method, url, json=body, timeout=HTTP_S, proxies={"http": ""})
        answer.raise_for_status()
        return answer.json()

    def faults(self, *orders: Mapping[str, object]) -> None:
        """Order faults of the next answers."""
        self.metadata("POST", "/__fault__", list(orders))

    def end_faults(self) -> None:
        """Every answer is the true one again."""
        self.metadata("DELETE", "/__fault__")

    def requests_of(self, prefix: str) -> list[dict[str, Any]]:
        """What it was asked below a path."""
        return [one for one in self.metadata("GET", "/__stats__")["requests"] if one["path"].startswith(prefix)]

    # ---- the end

    def end(self) -> int:
        """SIGTERM to the demonstration, as Ctrl-C would end it; its exit status. What the tests started beside it ends first."""
        self.network.stop()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def tracks_by(tree: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Tracks of a job tree by position."""
    return {int(track["position"]): track for track in tree["tracks"]}


def files_below(folder: Path) -> Sequence[Path]:
    """Every file."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
