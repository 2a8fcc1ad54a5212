"""The demonstration's loopback network: a metadata service, a DHT bootstrap node, the neighbours and the platform, each a process of its own.

Every process has a folder below `root` with its own key, configuration and library, and hangs on a leash: when this process ends, however it
ends, they end. Nothing outside loopback is reached. The tests for faults use the same network and kill its processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self, cast

import yaml

from apps.domain.errors import DomainError
from slskdn_site.demo.audio_files import write_retagged_twin
from slskdn_site.demo.plan import NeighbourPlan, Offer
from slskdn_site.processes import PROJECT
from slskdn_site.supervise_exec import leashed

START_S = 240.0  # a cold start of Django and its migrations on a machine that is busy with much else
STOP_S = 30.0
PLATFORM_HOST = "127.0.0.1"
SOULSEEK_NAME = "tidewrack"
CLIENT_ID = "demonstration"  # any key: the metadata service asks for none


class NetworkFailed(DomainError):
    """A process of the network did not come up or did not do what was asked."""

    default_code = "demo_network_failed"


@dataclass(slots=True)
class Process:
    """A running process and where its lines go."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Process id."""
        return self.popen.pid

    def running(self) -> bool:
        """False once it has ended."""
        return self.popen.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL when it does not listen."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def check_ended(self) -> bool:
        """True once it has done its work; False while it is at it. Raises NetworkFailed when it failed."""
        status = self.popen.poll()
        if status:
            raise NetworkFailed(f"{self.name} failed:\n{self.tail()}", process=self.name)
        return status is not None

    def tail(self) -> str:
        """Its last lines."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@dataclass(slots=True)
class Neighbour:
    """A neighbour of the platform: its plan, its folder, its process and the id it proved."""

    plan: NeighbourPlan
    folder: Path
    port: int
    process: Process
    peer_id: str


@dataclass(slots=True)
class Platform:
    """The platform under demonstration, as its ready file describes it."""

    folder: Path
    process: Process

    @property
    def ready_path(self) -> Path:
        """Where it says that it is ready."""
        return self.folder / "run" / "ready.json"

    @property
    def url(self) -> str:
        """Address of the pages, with a slash at its end."""
        return str(self._ready()["url"])

    @property
    def password(self) -> str:
        """The first user's password."""
        return Path(str(self._ready()["password_file"])).read_text(encoding="ascii").strip()

    def pids(self) -> dict[str, int]:
        """Process ids of its children by name, as of now."""
        return cast("dict[str, int]", self._ready()["pids"])

    def _ready(self) -> Mapping[str, object]:
        return cast("Mapping[str, object]", json.loads(self.ready_path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SoulseekPeer:
    """A Soulseek user of the demonstration: what it shares, and how it is. See `slskdn_site.demo.soulseek_peer`."""

    name: str
    shares: Path
    upload_kbps: int = 0
    break_after: int | None = None
    no_offsets: bool = False


@dataclass(slots=True)
class SoulseekServer:
    """The Soulseek server of the network."""

    process: Process
    port: int
    control: Path

    def order(self, order: str, **more: object) -> dict[str, object]:
        """One order at its control socket, and its answer. See `slskdn_site.demo.soulseek_server`."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(START_S)
            client.connect(str(self.control))
            client.sendall(json.dumps({"order": order, **more}).encode() + b"\n")
            return cast("dict[str, object]", json.loads(client.makefile("rb").readline()))


@dataclass(slots=True)
class Network:
    """Starts and stops the processes. `root` is made; use as a context manager."""

    root: Path
    processes: list[Process] = field(default_factory=list)
    neighbours: dict[str, Neighbour] = field(default_factory=dict)
    platform: Platform | None = None
    soulseek: SoulseekServer | None = None
    platform_config: dict[str, dict[str, object]] = field(default_factory=dict)
    """sections of the platform's configuration in place of what it has otherwise, or beside it"""
    metadata_port: int = 0
    dht_port: int = 0
    _template: Path | None = None

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything, the platform first."""
        if self.platform is not None:
            self.platform.process.stop()
        for process in self.processes:
            if process.running():
                process.popen.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.stop()

    # ---- services

    def start_metadata(self, *answers: Path, fixtures: Path | None = None, music: Path | None = None) -> None:
        """MusicBrainz and AcoustID from folders of recorded answers; what an earlier folder says counts, `fixtures` come last."""
        argv = ["-m", "slskdn_site.demo.metadata_service", "--port", "0"]
        for folder in answers:
            argv += ["--answers", str(folder)]
        if fixtures is not None:
            argv += ["--fixtures", str(fixtures)]
        if music is not None:
            argv += ["--music", str(music)]
        self.metadata_port = self._start_announcing("metadata", argv)

    def start_bootstrap(self) -> None:
        """The DHT node that the others ask first."""
        folder = self.root / "bootstrap"
        folder.mkdir(exist_ok=True)
        argv = ["-m", "overlay_node.net.dht_bootstrap", "--host", PLATFORM_HOST, "--port", "0", "--data", str(folder)]
        self.dht_port = self._start_announcing("bootstrap", argv)

    def start_soulseek(self, *options: str) -> SoulseekServer:
        """A Soulseek server, where every new name is an account; a platform started afterwards is hybrid, with an account of its own."""
        control = self.root / "soulseek.sock"
        argv = ["-m", "slskdn_site.demo.soulseek_server", "--control", str(control), *options]
        process = self._spawn("soulseek", argv, env=self._environment(self.root / "soulseek"), stdout=subprocess.PIPE)
        port = int(_announced(process).rpartition(b":")[2])
        self.soulseek = SoulseekServer(process=process, port=port, control=control)
        return self.soulseek

    def start_soulseek_peers(self, peers: Sequence[SoulseekPeer]) -> list[Process]:
        """Users of the Soulseek server, each online with its folder read when this returns."""
        assert self.soulseek is not None
        starting = []
        for peer in peers:
            argv = ["-m", "slskdn_site.demo.soulseek_peer", "--name", peer.name, "--shares", str(peer.shares)]
            argv += ["--server", f"{PLATFORM_HOST}:{self.soulseek.port}", "--upload-kbps", str(peer.upload_kbps)]
            argv += ["--break-after", str(peer.break_after)] if peer.break_after is not None else []
            argv += ["--no-offsets"] if peer.no_offsets else []
            env = self._environment(self.root / peer.name)
            starting.append(self._spawn(peer.name, argv, env=env, stdout=subprocess.PIPE))
        for process in starting:
            _ready_line(process)
        return starting

    def await_soulseek(self) -> None:
        """Wait until the platform is logged in at the Soulseek server. Raises NetworkFailed."""
        assert self.soulseek is not None
        deadline = time.monotonic() + START_S
        while SOULSEEK_NAME not in cast("list[str]", self.soulseek.order("report")["users"]):
            if time.monotonic() > deadline:
                raise NetworkFailed("The platform did not log in at the Soulseek server.", process="platform")
            time.sleep(0.05)

    # ---- nodes

    def prepare_database(self, prepared: Path | None = None) -> None:
        """One migrated database, copied to every node: five migrations of the same tables would be five times the wait.

        `prepared`: a data folder in which that was done already.
        """
        folder = prepared or self.root / "template"
        if prepared is None:
            self._run_to_end("template", ["-m", "slskdn_site.cli", "prepare"], env=self._environment(folder))
        self._template = folder / "db" / "slskdn.sqlite3"

    def start_neighbours(self, plans: Sequence[NeighbourPlan]) -> None:
        """The neighbours, each with its library imported and its node running; they start side by side."""
        starting = [(plan, *self._spawn_neighbour(plan)) for plan in plans]
        for plan, port, process in starting:
            folder = self.root / plan.who
            ready = _ready_file(process, folder / "ready.json")
            self.neighbours[plan.who] = Neighbour(plan, folder, port, process, peer_id=str(ready["peer_id"]))

    def _spawn_neighbour(self, plan: NeighbourPlan) -> tuple[int, Process]:
        folder = self.root / plan.who
        port = free_port(plan.host)
        if not (folder / "slskdn.yml").exists():
            seeded = dict.fromkeys([plan.release_mbid, *(offer.release_mbid for offer in plan.offers)])
            self._node_folder(folder, host=plan.host, port=port, upload_kbps=plan.upload_kbps, releases=list(seeded))
        rows = folder / "offers.json"
        rows.write_text(json.dumps([self._offer_row(folder, offer) for offer in plan.offers]), encoding="utf-8")
        (folder / "ready.json").unlink(missing_ok=True)
        argv = ["-m", "slskdn_site.demo.neighbour", "--offers", str(rows), "--ready", str(folder / "ready.json")]
        if plan.corrupt_every:
            argv += ["--corrupt-every", str(plan.corrupt_every)]
        return port, self._spawn(plan.who, argv, env=self._environment(folder))

    def give(self, who: str, offers: Sequence[Offer]) -> Process:
        """Begin to put further files into a running neighbour's library; `check_ended` tells how it went."""
        folder = self.neighbours[who].folder
        rows = folder / f"offers-{time.monotonic_ns()}.json"
        rows.write_text(json.dumps([self._offer_row(folder, offer) for offer in offers]), encoding="utf-8")
        argv = ["-m", "slskdn_site.demo.neighbour", "--offers", str(rows), "--import-only"]
        return self._spawn(f"{who}-import", argv, env=self._environment(folder))

    def start_platform(self, *, web_port: int = 0) -> Platform:
        """The platform itself, exactly as `./slskdn up` starts it. Starting it again goes on where it stopped."""
        self.spawn_platform(web_port=web_port)
        return self.await_platform()

    def spawn_platform(self, *, web_port: int = 0) -> None:
        """Begin to start the platform."""
        home = self.root / "platform"
        if not (home / "slskdn.yml").exists():
            self._node_folder(home, host=PLATFORM_HOST, port=free_port(PLATFORM_HOST), web_port=web_port)
        (home / "run" / "ready.json").unlink(missing_ok=True)
        process = self._spawn("platform", ["-m", "slskdn_site.cli", "up", "--quiet"], env=self._environment(home))
        self.platform = Platform(folder=home, process=process)

    def await_platform(self) -> Platform:
        """Wait until it is ready. Raises NetworkFailed."""
        assert self.platform is not None
        _ready_file(self.platform.process, self.platform.ready_path)
        return self.platform

    # ---- private

    def _node_folder(
        self,
        folder: Path,
        *,
        host: str,
        port: int,
        upload_kbps: int = 0,
        releases: Sequence[str] = (),
        web_port: int | None = None,
    ) -> None:
        """Configuration and database of a node."""
        folder.mkdir(parents=True, exist_ok=True)
        service = f"http://{PLATFORM_HOST}:{self.metadata_port}"
        config: dict[str, object] = {
            "mode": "mesh",
            "overlay": {"host": host, "port": port, "allow_private": True, "upload_kbps": upload_kbps},
            "mesh": {
                "seed": {"releases": list(releases)},
                "dht": {"host": host, "port": free_port(host), "bootstrap": [f"{PLATFORM_HOST}:{self.dht_port}"]},
            },
            "integration": {
                "musicbrainz": {"host": service},
                "acoustid": {"host": service, "client_id": CLIENT_ID},
                "coverart": {"host": service, "save": True},
                "discogs": {"base_url": service},
                # What a neighbour claims of its files is not proven there; the platform proves it here.
                "chromaprint": {"enabled": web_port is not None},
            },
        }
        if web_port is not None:
            config["web"] = {"port": web_port}
            config["swarm"] = {"tracing": {"enabled": True}}  # so that a person can look at how it went
            if self.soulseek is not None:
                config["mode"] = "hybrid"
                config["soulseek"] = {
                    "username": SOULSEEK_NAME,
                    "password": "demonstration",
                    "server": {"host": PLATFORM_HOST, "port": self.soulseek.port},
                    "listen_host": PLATFORM_HOST,
                    "listen_port": free_port(PLATFORM_HOST),
                }
            for name, section in self.platform_config.items():
                before = config.get(name)
                config[name] = {**before, **section} if isinstance(before, dict) else section
        descriptor = os.open(folder / "slskdn.yml", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        if self._template is not None:
            (folder / "db").mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(self._template, folder / "db" / "slskdn.sqlite3")
            if web_port is not None:  # the first user came with the database; here is the password
                shutil.copytree(self._template.parent.parent / "secrets", folder / "secrets", dirs_exist_ok=True)

    def _offer_row(self, folder: Path, offer: Offer) -> dict[str, object]:
        """The row of a neighbour's list; the file is linked (or, for a twin, copied and retagged) into its music folder."""
        music = folder / "music"
        music.mkdir(exist_ok=True)
        if offer.twin:
            path = music / f"{offer.medium}{offer.position:02d}-{offer.recording_mbid[:4]}{offer.source.suffix}"
            write_retagged_twin(offer.source, path)
        else:
            path = music / f"{offer.medium}{offer.position:02d} {offer.source.name}"
            if not path.exists():
                link_or_copy(offer.source, path)
        return {
            "path": str(path),
            "recording": offer.recording_mbid,
            "release": offer.release_mbid,
            "medium": offer.medium,
            "position": offer.position,
        }

    def _environment(self, folder: Path) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLSKDN_")}
        return {
            **inherited,
            "SLSKDN_DATA": str(folder),
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }

    def _spawn(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], stdout: int | IO[bytes] | None = None
    ) -> Process:
        log = self.root / f"{name}.log"
        with log.open("ab") as lines:
            popen = subprocess.Popen(
                leashed([sys.executable, *argv]),
                env=env,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=stdout if stdout is not None else lines,
                stderr=lines,
                start_new_session=True,
            )
        process = Process(name=name, popen=popen, log=log)
        self.processes.append(process)
        return process

    def _start_announcing(self, name: str, argv: Sequence[str]) -> int:
        """Start a service that says in one line of JSON when it is ready; the port it says."""
        process = self._spawn(name, argv, env=self._environment(self.root / name), stdout=subprocess.PIPE)
        return cast("int", _ready_line(process)["port"])

    def _run_to_end(self, name: str, argv: Sequence[str], *, env: Mapping[str, str]) -> None:
        process = self._spawn(name, argv, env=env)
        process.popen.wait(START_S * 4)
        process.check_ended()


def _ready_line(process: Process) -> Mapping[str, object]:
    """The line of JSON by which a program says that it is ready. Raises NetworkFailed when it ends instead."""
    return cast("Mapping[str, object]", json.loads(_announced(process)))


def _announced(process: Process) -> bytes:
    """The line by which a program says that it is ready. Raises NetworkFailed when it ends instead."""
    assert process.popen.stdout is not None
    line = process.popen.stdout.readline()
    if not line:
        raise NetworkFailed(f"{process.name} did not start:\n{process.tail()}", process=process.name)
    return line


def _ready_file(process: Process, path: Path) -> Mapping[str, object]:
    """The file by which a program says that it is ready; it appears complete. Raises NetworkFailed when it ends or hangs instead."""
    deadline = time.monotonic() + START_S
    while not path.exists():
        if not process.running() or time.monotonic() > deadline:
            raise NetworkFailed(f"{process.name} did not start:\n{process.tail()}", process=process.name)
        time.sleep(0.05)
    return cast("Mapping[str, object]", json.loads(path.read_text(encoding="utf-8")))


def free_port(host: str) -> int:
    """A port that is free on `host` for TCP and UDP now."""
    while True:
        with contextlib.ExitStack() as stack:
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            tcp.bind((host, 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind((host, port))
            except OSError:
                continue
            return port


def link_or_copy(source: Path, target: Path) -> None:
    """The same bytes at `target`, by a hard link where the filesystem allows it. The source is never changed."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
