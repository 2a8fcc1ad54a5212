"""The transport bench: contenders in turn, round by round, then what is measured once.

Figures of one round on a busy machine mean little: contenders are interleaved, the order rotates, medians and extremes are told. CPU seconds per
GiB are less disturbed by other work than speed is.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from slskdn_site.bench.aria2 import Aria2
from slskdn_site.bench.contender import Contender, Round, SeederLate, Workload
from slskdn_site.bench.libtorrent_swarm import LibtorrentSwarm
from slskdn_site.bench.memory import memory_use
from slskdn_site.bench.nginx_curl import NginxCurl
from slskdn_site.bench.ours import SEEDERS, Ours
from slskdn_site.bench.payload import MIB, check_same, room_needed, workload_make
from slskdn_site.bench.statistics import spread_of
from slskdn_site.bench.transport_report import GIB, OURS, STOCK, Machine, Measured, Slope, Slopes, report_of

MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108  (a folder in memory, so that the disk is not what is measured; mkdtemp inside it)
MANY: Final = "peers_32"
MEMORY: Final = "memory"
MANY_SEEDERS: Final = 32
SMALLER: Final = 8  # the small download of a slope is this many times smaller
SLOPE_ROUNDS: Final = 3
TRIES: Final = 4  # of a round that some seeder was late for: likely only with small payloads on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """What to measure, and where."""

    mib: int = 512
    rounds: int = 5
    folder: Path | None = None
    """a folder of its own is made in it; None: in memory where there is room, else the temporary folder"""
    only: frozenset[str] = frozenset()
    """names of `PARTS`; empty = all. `ours` always runs"""


def contenders() -> tuple[Contender, ...]:
    """All there are, ours first."""
    return (
        Ours(),
        NginxCurl(),
        Aria2(),
        LibtorrentSwarm(encrypted=False),
        LibtorrentSwarm(encrypted=True),
        Ours(STOCK, stock_tls=True),
    )


PARTS: Final = (*(one.name for one in contenders()), MANY, MEMORY)
"""what can be asked for by name"""


def transport_bench(options: TransportOptions, *, say: Callable[[str], None]) -> dict[str, object]:
    """Run it; the report. Raises BenchFailed. `say` is told what happens, a sentence at a time."""
    only = options.only or frozenset(PARTS)
    load_before = os.getloadavg()[0]
    rounds: dict[str, list[Round] | None] = {}
    runners = []
    for one in contenders():
        lacks = one.missing()
        takes_part = not lacks and (one.name == OURS or one.name in only)
        rounds[one.name] = [] if takes_part else None
        if takes_part:
            runners.append(one)
        elif lacks:
            say(f"{one.name} is left out: {lacks} is not installed.")
    with tempfile.TemporaryDirectory(prefix="slskdn-bench-", dir=_where(options)) as name:
        folder = Path(name)
        work = workload_make(folder, mib=options.mib)
        place = folder / "round"
        for number in range(options.rounds):
            turn = number % len(runners)
            for one in runners[turn:] + runners[:turn]:
                found = bring(one, work, place)
                taken = rounds[one.name]
                assert taken is not None
                taken.append(found)
                say(f"round {number + 1} of {options.rounds}, {one.name}: {_in_words(found, work.payload_bytes)}")
        slopes = _slopes(work, folder, say) if MANY in only and options.mib >= SMALLER else None
        memory = None
        if MEMORY in only:
            place.mkdir(mode=0o700)
            memory = memory_use(work, place)
            shutil.rmtree(place, ignore_errors=True)
            say(f"memory: {memory.rss_mb:.0f} MB with {memory.idle} idle and {memory.busy} busy peers")
    machine = Machine(
        cpus=os.cpu_count() or 1,
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        folder=name,
    )
    measured = Measured(mib=options.mib, rounds=rounds, slopes=slopes, memory=memory)
    return report_of(measured, machine=machine)


def _slopes(work: Workload, folder: Path, say: Callable[[str], None]) -> Slopes:
    """In turn, the medians of `SLOPE_ROUNDS` of each."""
    small_folder = folder / "small"
    small_folder.mkdir(mode=0o700)
    small = workload_make(small_folder, mib=max(1, work.payload_bytes // MIB // SMALLER))
    runners = {SEEDERS: Ours("peers_3"), MANY_SEEDERS: Ours(MANY, seeders=MANY_SEEDERS)}
    taken: dict[tuple[int, int], list[float]] = {}
    for number in range(SLOPE_ROUNDS):
        for one in (small, work):
            for seeders, ours in runners.items():
                found = bring(ours, one, folder / "round")
                key = (seeders, one.payload_bytes)
                taken.setdefault(key, []).append(found.download_cpu_s + found.seed_cpu_s)
                say(
                    f"{number + 1} of {SLOPE_ROUNDS}, {seeders} seeders, {one.payload_bytes // MIB} MiB: {_in_words(found, one.payload_bytes)}"
                )
    few, many = (
        Slope(
            small_bytes=small.payload_bytes,
            small_cpu_s=spread_of(taken[seeders, small.payload_bytes]).median,
            large_bytes=work.payload_bytes,
            large_cpu_s=spread_of(taken[seeders, work.payload_bytes]).median,
        )
        for seeders in (SEEDERS, MANY_SEEDERS)
    )
    each = {
        f"{seeders} seeders, {payload_bytes // MIB} MiB": tuple(round(one, 3) for one in some)
        for (seeders, payload_bytes), some in taken.items()
    }
    return Slopes(few=few, many=many, seeders=MANY_SEEDERS, each_cpu_s=each)


def bring(one: Contender, work: Workload, place: Path) -> Round:
    """One round in a folder of its own; what arrived is compared with what was sent."""
    for tries_left in reversed(range(TRIES)):
        place.mkdir(mode=0o700)
        load = round(os.getloadavg()[0], 2)
        try:
            figures, arrived = one.bring(work, place)
            check_same(work, arrived)
        except SeederLate:
            if not tries_left:
                raise
        else:
            return replace(figures, load=load)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    raise AssertionError("the last try returns or raises")


def _in_words(one: Round, payload_bytes: int) -> str:
    gib = payload_bytes / GIB
    return (
        f"{one.download_cpu_s / gib:.2f} + {one.seed_cpu_s / gib:.2f} CPU s/GiB, {payload_bytes / 1e6 / one.seconds:.0f} MB/s"
        + (f", loop delay p50 {one.delay.p50_ms:.1f} p99 {one.delay.p99_ms:.1f} ms" if one.delay else "")
    )


def _where(options: TransportOptions) -> Path:
    if options.folder is not None:
        return options.folder
    usable = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK)
    if usable and shutil.disk_usage(MEMORY_FOLDER).free >= room_needed(options.mib):
        return MEMORY_FOLDER
    return Path(tempfile.gettempdir())
