"""How much memory a node needs that serves: links that hold still, and peers that fetch as fast as they can.

The node is a process of its own, with all code that the daemon's node loads. Its resident memory is looked at while the busy peers fetch, and the
most that was seen counts. 96 of the links come from outside, the rest the node dials itself, as its gate demands.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overlay_node.protocol.limits import MAX_INBOUND_CONNECTIONS
from slskdn_site.bench.children import Child
from slskdn_site.bench.contender import BenchFailed, Workload
from slskdn_site.bench.crowd import CrowdSpec
from slskdn_site.bench.ours import ANSWER_S, READY_S, number_of, peers_of, start_node
from slskdn_site.bench.ours_spec import NodeSpec, payload_facts

IDLE: Final = 100
BUSY: Final = 8
WATCHED_S: Final = 5.0
HOST: Final = "127.0.0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Resident memory of the serving node, in 10**6 bytes."""

    idle: int
    busy: int
    rss_mb: float
    """the most that was seen while all peers were linked and the busy ones were served"""
    served_mb_per_s: float


def memory_use(
    work: Workload, folder: Path, *, idle: int = IDLE, busy: int = BUSY, watched_s: float = WATCHED_S
) -> MemoryUse:
    """Measure. Raises BenchFailed."""
    dialled = max(0, idle + busy - MAX_INBOUND_CONNECTIONS)
    spec = NodeSpec(
        data=str(folder / "node"),
        host=HOST,
        payload_bytes=work.payload_bytes,
        root_hex=work.root.hex(),
        leaves_path=str(work.leaves),
        payload_path=str(work.path),
        django=True,
    )
    with start_node("node", spec, folder, env={"SLSKDN_DATA": str(folder / "data")}) as node:
        (listening,) = peers_of(node.hear("ready", within_s=READY_S))
        crowd_spec = CrowdSpec(
            host=HOST,
            port=listening.port,
            payload_bytes=work.payload_bytes,
            root_hex=work.root.hex(),
            payload_format=payload_facts(work.payload_bytes).format.value,
            idle=idle - dialled,
            dialled=dialled,
            busy=busy,
        )
        path = crowd_spec.write(folder / "crowd.json")
        with Child([sys.executable, "-m", "slskdn_site.bench.crowd", str(path)], log=folder / "crowd.log") as crowd:
            ports = crowd.hear("ready", within_s=READY_S)["ports"]
            assert isinstance(ports, list)
            for port in ports:
                node.tell(f"dial {HOST} {port}")
            crowd.tell("go")
            crowd.hear("busy", within_s=READY_S)
            before, began, most = _bytes(crowd), time.monotonic(), 0
            while time.monotonic() < began + watched_s:
                most = max(most, resident_bytes(node.pid))
                time.sleep(0.05)
            seconds, served = time.monotonic() - began, _bytes(crowd) - before
            node.tell("links")
            links = number_of(node.hear("links", within_s=ANSWER_S), "count")
    if links < idle + busy:
        raise BenchFailed(f"Only {links:.0f} of {idle + busy} peers stayed linked.")
    return MemoryUse(idle=idle, busy=busy, rss_mb=most / 1e6, served_mb_per_s=served / 1e6 / seconds)


def resident_bytes(pid: int) -> int:
    """VmRSS of a process; 0 where the system doesn't tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


def _bytes(crowd: Child) -> float:
    crowd.tell("bytes")
    return number_of(crowd.hear("bytes", within_s=ANSWER_S), "count")
