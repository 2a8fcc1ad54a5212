"""Our contender: three seeding nodes, one downloading node, mutual TLS 1.3 on loopback, every leaf verified, the file synced.

CPU is counted inside each process from the moment when all nodes listen (a node starts once and runs for weeks) until the file stands: dialling,
handshakes, queries, manifests and heartbeats are in it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Delay, Round, SeederLate, Workload
from slskdn_site.bench.ours_spec import NodeSpec, PeerSpec

SEEDERS: Final = 3
PROCESSES: Final = 3  # of the seeders
READY_S: Final = 60.0
ANSWER_S: Final = 10.0


class Ours:
    """See the module. `stock_tls`: with Twisted's own TLS class on both sides.

    `seeders`: how many nodes, each with an address and an identity of its own; always in three processes, so that what more peers cost is not mistaken
    for what more processes cost on one machine.
    """

    def __init__(self, name: str = "ours", *, seeders: int = SEEDERS, stock_tls: bool = False) -> None:
        self.name: Final = name
        self._seeders: Final = seeders
        self._stock_tls: Final = stock_tls

    def missing(self) -> str | None:
        """Nothing."""
        return None

    def bring(self, work: Workload, folder: Path) -> tuple[Round, Path]:
        """See Contender."""
        with ExitStack() as stack:
            hosts = [f"127.0.0.{number}" for number in range(2, 2 + self._seeders)]
            seeders = []
            for at in range(PROCESSES):
                spec = self._spec(work, folder / f"seed{at}", hosts[at::PROCESSES], serves=True)
                seeders.append(stack.enter_context(start_node(f"seed{at}", spec, folder)))
            met = tuple(peer for seeder in seeders for peer in peers_of(seeder.hear("ready", within_s=READY_S)))
            spec = self._spec(work, folder / "get", [f"127.0.0.{2 + self._seeders}"], serves=False, seeders=met)
            downloader = stack.enter_context(start_node("get", spec, folder))
            downloader.hear("ready", within_s=READY_S)
            before = [usage_of(seeder) for seeder in seeders]
            downloader.tell("go")
            done = downloader.hear("assembled", within_s=work.deadline_s)
            after = [usage_of(seeder) for seeder in seeders]
        given = done["given_bytes"]
        gave = sum(1 for count in given.values() if count) if isinstance(given, Mapping) else 0
        if gave < min(self._seeders, SEEDERS):  # of many, some may come too late
            raise SeederLate(f"Only {gave} of {self._seeders} seeders gave something.")
        figures = Round(
            download_cpu_s=number_of(done, "cpu_s"),
            seed_cpu_s=sum(after) - sum(before),
            seconds=number_of(done, "seconds"),
            delay=Delay(p50_ms=number_of(done, "delay_p50_ms"), p99_ms=number_of(done, "delay_p99_ms")),
            scheduling_cpu_s=number_of(done, "scheduling_cpu_s"),
        )
        return figures, Path(str(done["path"]))

    def _spec(
        self,
        work: Workload,
        data: Path,
        hosts: Sequence[str],
        *,
        serves: bool,
        seeders: tuple[PeerSpec, ...] = (),
    ) -> NodeSpec:
        return NodeSpec(
            data=str(data),
            host=hosts[0],
            more_hosts=tuple(hosts[1:]),
            payload_bytes=work.payload_bytes,
            root_hex=work.root.hex(),
            leaves_path=str(work.leaves),
            payload_path=str(work.path) if serves else "",
            seeders=seeders,
            stock_tls=self._stock_tls,
        )


def start_node(name: str, spec: NodeSpec, folder: Path, *, env: Mapping[str, str] | None = None) -> Child:
    """A process of `ours_node`."""
    Path(spec.data).mkdir(mode=0o700)
    path = spec.write(folder / f"{name}.json")
    return Child([sys.executable, "-m", "slskdn_site.bench.ours_node", str(path)], log=folder / f"{name}.log", env=env)


def peers_of(ready: Mapping[str, object]) -> tuple[PeerSpec, ...]:
    """Who listens in a process of `ours_node`. Raises BenchFailed."""
    peers = ready.get("peers")
    if not isinstance(peers, list):
        raise BenchFailed("A node told of no peers.")
    return tuple(PeerSpec(**one) for one in peers)


def usage_of(node: Child) -> float:
    """CPU seconds of a process that answers `usage`."""
    node.tell("usage")
    return number_of(node.hear("usage", within_s=ANSWER_S), "cpu_s")


def number_of(message: Mapping[str, object], key: str) -> float:
    """Raises BenchFailed."""
    value = message.get(key)
    if not isinstance(value, int | float):
        raise BenchFailed(f"A node told no number for {key}.")
    return float(value)
