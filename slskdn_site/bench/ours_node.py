"""One process of our side of the transport bench: a whole node, as the daemon runs it, but for its rows, which are kept in memory.

    python -m slskdn_site.bench.ours_node SPEC

SPEC is a JSON file (`ours_spec.NodeSpec`). The process writes {"event": "ready", "peers": [{"peer_id", "host", "port"}]} once it listens. A line `usage` on its standard
input is answered by {"event": "usage", "cpu_s"}, `links` by {"event": "links", "count"}; `dial HOST PORT` makes it dial; `go` makes a downloader want the payload, and {"event": "assembled", …} follows once it stands
on disk, synced. It ends on SIGTERM, or when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import signal
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.contracts.node_work import HeldFile, HeldPayload, HeldVariant, PeerReport, ProgressReport, WantWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import WantDesired
from apps.domain.mesh.policy import Mode
from overlay_node.__main__ import run_node
from overlay_node.config import NodeConfig
from overlay_node.services.root import Node, build_node
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore
from slskdn_site.bench.ours_spec import NodeSpec, PeerSpec, payload_facts
from slskdn_site.bench.session_cpu import measured_sessions
from slskdn_site.bench.statistics import percentile
from slskdn_site.cli.main import django_setup

RELEASE: Final = uuid.UUID("b0000000-0000-4000-8000-000000000001")
RECORDING: Final = uuid.UUID("b0000000-0000-4000-8000-000000000002")
PROFILE: Final = "flac-16-44100-2"
_ANSWERS: Final = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
TIMER_S: Final = 0.005  # of the timer whose lateness is the loop's delay


class BenchStore(MemoryStore):
    """Tells when a transfer stands on disk."""

    def __init__(self, library: tuple[LibraryEntry, ...]) -> None:
        super().__init__(library)
        self.assembled: Final[asyncio.Queue[tuple[str, ProgressReport]]] = asyncio.Queue()

    async def transfer_assembled(self, report: ProgressReport, *, path: str) -> bool:
        """As the rows; then told."""
        moved = await super().transfer_assembled(report, path=path)
        self.assembled.put_nowait((path, report))
        return moved


class LoopDelay:
    """Measures how late a timer fires while it is on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Final = loop
        self._late: Final[list[float]] = []
        self._handle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Set the timer for the first time."""
        due = self._loop.time() + TIMER_S
        self._handle = self._loop.call_at(due, self._fired, due)

    def end(self) -> tuple[float, float]:
        """Stop; p50 and p99 in milliseconds (0 when it never fired)."""
        if self._handle is not None:
            self._handle.cancel()
        late_ms = [late * 1000 for late in self._late] or [0.0]
        return percentile(late_ms, 50), percentile(late_ms, 99)

    def _fired(self, due: float) -> None:
        self._late.append(self._loop.time() - due)
        self.begin()


class Clerk:
    """Answers the bench's lines. Lives in the node's loop."""

    def __init__(self, spec: NodeSpec, store: BenchStore, node: Node) -> None:
        self._spec: Final = spec
        self._store: Final = store
        self._node: Final = node
        self._loop: Final = asyncio.get_running_loop()
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._line = b""
        self._begin(self._open())

    async def _open(self) -> None:
        nodes = [(self._spec.host, self._node)]
        for number, host in enumerate(self._spec.more_hosts):
            config = _config(self._spec, data=f"{self._spec.data}-{number}", host=host)
            config.data_dir.mkdir(mode=0o700)
            node = build_node(config, store=_store(self._spec), reactor=_reactor())
            await node.start()
            nodes.append((host, node))
        os.set_blocking(sys.stdin.fileno(), False)
        self._loop.add_reader(sys.stdin.fileno(), self._readable)
        peers = [PeerSpec(peer_id=node.peer_id, host=host, port=node.overlay_port) for host, node in nodes]
        _say("ready", peers=[asdict(peer) for peer in peers])

    def _readable(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:  # the bench is gone
            self._loop.remove_reader(sys.stdin.fileno())
            os.kill(os.getpid(), signal.SIGTERM)
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if line == b"usage":
                _say("usage", cpu_s=_cpu_s())
            elif line == b"links":
                _say("links", count=len(self._node.overlay.links))
            elif line == b"go":
                self._begin(self._download())
            elif line.startswith(b"dial "):
                _word, host, port = line.decode("ascii").split()
                self._begin(self._dial(host, int(port)))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, host: str, port: int) -> None:
        await self._node.overlay.dial(host, port).asFuture(self._loop)

    async def _download(self) -> None:
        stopwatch = measured_sessions()
        cpu_s, began = _cpu_s(), self._loop.time()
        delay = LoopDelay(self._loop)
        delay.begin()
        self._store.want_put(
            WantWork(
                id=uuid.uuid4(),
                recording_mbid=RECORDING,
                release_mbids=(RELEASE,),
                duration_ms=None,
                constraints=Constraints(),
                desired=WantDesired.ACTIVE,
                priority=5,
            )
        )
        self._node.reconciler.wake()
        path, report = await self._store.assembled.get()
        seconds, used = self._loop.time() - began, _cpu_s() - cpu_s
        p50_ms, p99_ms = delay.end()
        _say(
            "assembled",
            path=path,
            seconds=seconds,
            cpu_s=used,
            delay_p50_ms=p50_ms,
            delay_p99_ms=p99_ms,
            scheduling_cpu_s=stopwatch.seconds,
            refetched_bytes=report.refetched_bytes,
            given_bytes={source.peer: source.verified_bytes for source in report.sources},
        )


def main() -> int:
    """Run the node until SIGTERM."""
    spec = NodeSpec.read(Path(sys.argv[1]))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is logged must not mix with the answers
    if spec.django:
        django_setup()
        importlib.import_module("overlay_node.store.django_store")
    store = _store(spec)
    clerks: list[Clerk] = []

    async def know() -> None:
        # In place of the DHT: these seeders were met before.
        for one in spec.seeders:
            await store.peer_met(PeerReport(key=one.peer_id, host=one.host, port=one.port))

    asyncio.run(know())
    return run_node(
        _config(spec, data=spec.data, host=spec.host),
        store=store,
        ready=lambda node: clerks.append(Clerk(spec, store, node)),
    )


def _store(spec: NodeSpec) -> BenchStore:
    return BenchStore((_library_entry(spec),) if spec.payload_path else ())


def _config(spec: NodeSpec, *, data: str, host: str) -> NodeConfig:
    return NodeConfig(
        data_dir=Path(data),
        mode=Mode.MESH,
        overlay_host=host,
        overlay_port=0,
        allow_private=True,
        dht_host=host,
        dht_port=0,
        seed_releases=(RELEASE,) if spec.payload_path else (),
        stock_tls=spec.stock_tls,
        network="bench",
    )


def _reactor() -> Any:
    from twisted.internet import reactor  # noqa: TID251  (`run_node` has installed it)

    return reactor


def _library_entry(spec: NodeSpec) -> LibraryEntry:
    """The payload as the library's importer would describe it."""
    path, root, facts = Path(spec.payload_path), bytes.fromhex(spec.root_hex), payload_facts(spec.payload_bytes)
    status = path.stat()
    return LibraryEntry(
        release_mbid=RELEASE,
        variant=HeldVariant(
            recording_mbid=RECORDING,
            profile=PROFILE,
            payload_format=facts.format.value,
            payload_root=root,
            payload_bytes=facts.payload_bytes,
            duration_ms=0,
            verified=True,
        ),
        payload=HeldPayload(
            payload_format=facts.format.value,
            payload_root=root,
            payload_bytes=facts.payload_bytes,
            leaf_bytes=LEAF_BYTES,
            rate_hz=facts.rate,
            channels=facts.channels,
            bits=facts.bits,
            preamble=b"",
            leaf_hashes=Path(spec.leaves_path).read_bytes(),
            files=(
                HeldFile(
                    path=os.fsencode(path),
                    size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    payload_offset=0,
                ),
            ),
        ),
    )


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(event: str, **values: object) -> None:
    _ANSWERS.write(json.dumps({"event": event, **values}) + "\n")
    _ANSWERS.flush()


if __name__ == "__main__":
    sys.exit(main())
