"""The node as a process of its own, with real rows and a real Soulseek server: modes and their sockets, commands, kill and restart, the whole way of a password."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.overlay_node.node_process import PROJECT, NodeProcess
from tests.overlay_node.soulseek.world import free_port
from tests.patience import PATIENCE_S
from tests.prepared import prepared_database

pytestmark = pytest.mark.e2e

ASK = """
import json
import django
django.setup()
from apps.nodelink.services_command import command_ask
answer = command_ask("soulseek_session", deadline_s=5)
print(json.dumps({"code": answer.code, "body": answer.body}))
"""


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives, once it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Server:
    """The Soulseek server as a process, with its control socket."""

    def __init__(self, folder: Path, *accounts: str) -> None:
        self.control = folder / "soulseek.sock"
        argv = [sys.executable, "-m", "slskdn_site.demo.soulseek_server", "--control", str(self.control)]
        for account in accounts:
            argv += ["--account", account]
        self.process = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(":")[2])

    def order(self, **order: object) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.control))
            client.sendall(json.dumps(order).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
            return answer

    def logins(self) -> list[str]:
        return [outcome for _, outcome in self.order(order="report")["logins"]]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Daemon(NodeProcess):
    """One with a Soulseek account."""

    def __init__(
        self,
        folder: Path,
        server_port: int,
        database: Path | None,
        *,
        mode: str = "legacy",
        username: str = "alice",
    ) -> None:
        self.listen_port = free_port()
        config = {
            "mode": mode,
            "overlay": {"host": "127.0.0.1", "port": 0, "allow_private": True},
            "mesh": {"dht": {"host": "127.0.0.1", "port": 0, "bootstrap": ["127.0.0.1:9"]}},
            "soulseek": {
                "username": username,
                "server": {"host": "127.0.0.1", "port": server_port},
                "listen_host": "127.0.0.1",
                "listen_port": self.listen_port,
            },
        }
        # A password in any line of its log would be found.
        super().__init__(folder, config, database=database, log_level="DEBUG")

    def cli(self, *argv: str, given: str = "", status: int = 0) -> str:
        return self.python("-m", "slskdn_site.cli", "soulseek", *argv, given=given, status=status)

    def session(self) -> tuple[str, str, str]:
        with contextlib.closing(sqlite3.connect(self.database)) as rows:
            found = rows.execute("select phase, health, code from soulseek_soulseeksession").fetchone()
            return found or ("", "", "")

    def report(self) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self.database)) as rows:
            found = rows.execute("select report from nodelink_nodeheartbeat").fetchone()
            return json.loads(found[0]) if found else {}

    def sockets(self) -> tuple[set[int], int]:
        """Ports on which the process listens (TCP), and how many UDP sockets it has: as the kernel tells."""
        assert self.process is not None
        inodes = set()
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(link.readlink()).removeprefix("socket:[").rstrip("]"))
        listening, datagrams = set(), 0
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                parts = line.split()
                if parts[9] not in inodes:
                    continue
                if table.startswith("udp"):
                    datagrams += 1
                elif parts[3] == "0A":
                    listening.add(int(parts[1].rpartition(":")[2], 16))
        return listening, datagrams


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, "alice:hunter2", "bob:pw")
    yield made
    made.end()


@pytest.fixture(scope="session")
def migrated() -> Path:
    """An empty database."""
    return prepared_database()


@pytest.fixture
def daemons(tmp_path: Path, server: Server, migrated: Path) -> Iterator[Callable[..., Daemon]]:
    made: list[Daemon] = []

    def make(**more: str) -> Daemon:
        made.append(Daemon(tmp_path / f"daemon{len(made)}", server.port, migrated, **more))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None:
            one.process.kill()
            one.process.wait()


def test_a_legacy_node_from_its_password_to_its_kick_with_no_socket_of_the_mesh(
    server: Server, daemons: Callable[..., Daemon]
) -> None:
    daemon = daemons(mode="legacy")
    daemon.start()
    until(lambda: daemon.session()[2] == "soulseek_no_password")
    assert daemon.session() == ("idle", "off", "soulseek_no_password")
    assert server.logins() == []
    daemon.cli("password", given="hunter2\n")
    until(lambda: daemon.session() == ("online", "healthy", ""))
    assert daemon.sockets() == ({daemon.listen_port}, 0)

    answer = json.loads(daemon.python("-c", ASK))
    assert (answer["code"], answer["body"]["phase"]) == ("", "online")
    status = json.loads(daemon.cli("status", "--json"))
    assert (status["health"], status["username"], status["listening_port"]) == ("healthy", "alice", daemon.listen_port)

    daemon.end(signal.SIGKILL)
    until(lambda: server.order(order="report")["users"] == [])
    daemon.start()
    until(lambda: server.order(order="report")["users"] == ["alice"])
    until(lambda: daemon.session() == ("online", "healthy", ""))

    server.order(order="kick", user="alice")
    until(lambda: daemon.session() == ("stopped", "unavailable", "soulseek_kicked"))
    told = json.loads(daemon.cli("connect", "--json", "--wait", "20"))
    assert told["health"] == "healthy"
    assert server.logins() == ["ok", "ok", "ok"]
    daemon.cli("disconnect", "--wait", "20")
    assert server.order(order="report")["users"] == []
    assert daemon.end() == 0
    assert daemon.session() == ("idle", "off", "soulseek_node_stopped")
    assert "hunter2" not in (daemon.folder / "node.log").read_text()
    daemon.start()
    until(lambda: daemon.session()[2] == "soulseek_disconnected")  # what people want outlives the node
    assert server.order(order="report")["users"] == []


def test_a_mesh_node_never_connects_and_a_hybrid_one_without_an_account_says_what_it_acts_as(
    server: Server, daemons: Callable[..., Daemon]
) -> None:
    mesh, hybrid = daemons(mode="mesh"), daemons(mode="hybrid", username="")
    mesh.cli("password", given="hunter2\n")
    for one in (mesh, hybrid):
        one.start()
    until(lambda: mesh.session()[2] == "soulseek_mode_mesh")
    until(lambda: hybrid.session()[2] == "soulseek_acts_as_mesh")
    for one in (mesh, hybrid):
        report = until(one.report)
        assert (report["acting"], report["soulseek"]["health"]) == ("mesh", "off")
        listening, datagrams = one.sockets()
        assert one.listen_port not in listening
        assert (len(listening), datagrams > 0) == (1, True)
    assert "acts as in mesh mode" in hybrid.cli("status")
    for one, code in ((mesh, "soulseek_mode_mesh"), (hybrid, "soulseek_acts_as_mesh")):
        assert one.end() == 0
        assert one.session() == ("idle", "off", code)
    assert server.logins() == []


def test_a_hybrid_node_with_an_account_has_both_planes_and_the_loop_stays_on_time(
    server: Server, daemons: Callable[..., Daemon]
) -> None:
    daemon = daemons(mode="hybrid")
    daemon.cli("password", given="hunter2\n")
    daemon.start()
    until(lambda: daemon.session() == ("online", "healthy", ""))
    until(lambda: daemon.report().get("soulseek", {}).get("health") == "healthy")
    assert daemon.report()["acting"] == "hybrid"
    listening, datagrams = daemon.sockets()
    assert daemon.listen_port in listening
    assert (len(listening), datagrams > 0) == (2, True)
    until(lambda: daemon.report()["loop"]["samples"] > 50)
