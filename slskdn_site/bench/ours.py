"""Our contender: three seeding nodes, one downloading node, mutual TLS 1.3 on loopback, every leaf verified, the file synced.

CPU is counted inside each process from the moment when all nodes listen (a node starts once and runs for weeks) until the file stands: dialling,
handshakes, queries, manifests and heartbeats are in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Delay, Round, Workload
from slskdn_site.bench.ours_spec import NodeSpec, PeerSpec

SEEDERS: Final = 3
READY_S: Final = 60.0
ANSWER_S: Final = 10.0


class Ours:
    """See the module."""

    name: Final = "ours"

    def missing(self) -> str | None:
        """Nothing."""
        return None

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        with ExitStack() as stack:
            hosts = [f"127.0.0.{number}" for number in range(2, 2 + SEEDERS)]
            seeders = [
                stack.enter_context(_start(f"seed{at}", _spec(work, folder / f"seed{at}", host, serves=True), folder))
                for at, host in enumerate(hosts)
            ]
            met = []
            for host, seeder in zip(hosts, seeders, strict=True):
                ready = seeder.hear("ready", within_s=READY_S)
                met.append(PeerSpec(peer_id=str(ready["peer_id"]), host=host, port=int(_number(ready, "port"))))
            spec = _spec(work, folder / "get", f"127.0.0.{2 + SEEDERS}", serves=False, seeders=tuple(met))
            downloader = stack.enter_context(_start("get", spec, folder))
            downloader.hear("ready", within_s=READY_S)
            before = [_usage(seeder) for seeder in seeders]
            downloader.tell("go")
            done = downloader.hear("assembled", within_s=work.deadline_s)
            after = [_usage(seeder) for seeder in seeders]
        given = done["given_bytes"]
        if not isinstance(given, Mapping) or sum(1 for count in given.values() if count) != SEEDERS:
            raise BenchFailed(f"Not all {SEEDERS} seeders gave something: {given}.")
        figures = Round(
            download_cpu_s=_number(done, "cpu_s"),
            seed_cpu_s=sum(after) - sum(before),
            seconds=_number(done, "seconds"),
            delay=Delay(p50_ms=_number(done, "delay_p50_ms"), p99_ms=_number(done, "delay_p99_ms")),
        )
        return figures, Path(str(done["path"]))


def _spec(work: Workload, data: Path, host: str, *, serves: bool, seeders: tuple[PeerSpec, ...] = ()) -> NodeSpec:
    return NodeSpec(
        data=str(data),
        host=host,
        payload_bytes=work.payload_bytes,
        root_hex=work.root.hex(),
        leaves_path=str(work.leaves),
        payload_path=str(work.path) if serves else "",
        seeders=seeders,
    )


def _start(name: str, spec: NodeSpec, folder: Path) -> Child:
    Path(spec.data).mkdir(mode=0o700)
    path = spec.write(folder / f"{name}.json")
    return Child([sys.executable, "-m", "slskdn_site.bench.ours_node", str(path)], log=folder / f"{name}.log")


def _usage(node: Child) -> float:
    node.tell("usage")
    return _number(node.hear("usage", within_s=ANSWER_S), "cpu_s")


def _number(message: Mapping[str, object], key: str) -> float:
    value = message.get(key)
    if not isinstance(value, int | float):
        raise BenchFailed(f"A node told no number for {key}.")
    return float(value)
