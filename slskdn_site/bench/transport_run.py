"""The transport bench: contenders in turn, round by round, and the report of it.

Figures of one round on a busy machine mean little: contenders are interleaved, the order rotates, medians and extremes are told. CPU seconds per
GiB are less disturbed by other work than speed is.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from slskdn_site.bench.contender import Contender, Round, Workload
from slskdn_site.bench.nginx_curl import NginxCurl
from slskdn_site.bench.ours import Ours
from slskdn_site.bench.payload import MIB, check_same, room_needed, workload_make
from slskdn_site.bench.statistics import Spread, spread_of

GIB: Final = 1 << 30
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108  (a folder in memory, so that the disk is not what is measured; mkdtemp inside it)
OURS: Final = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """What to measure, and where."""

    mib: int = 512
    rounds: int = 3
    folder: Path | None = None
    """a folder of its own is made in it; None: in memory where there is room, else the temporary folder"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What else bears on the figures."""

    cpus: int
    load_before: float
    load_after: float
    """load averages of one minute; the bench's own work is in the second"""
    python: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One contender's rounds, summed up. `sum` is the spread of the rounds' sums, not the sum of medians."""

    download: Spread
    seed: Spread
    sum: Spread
    mb_per_s: Spread


def contenders() -> tuple[Contender, ...]:
    """All there are, ours first."""
    return (Ours(), NginxCurl())


def transport_bench(options: TransportOptions, *, say: Callable[[str], None]) -> dict[str, object]:
    """Run it; the report. Raises BenchFailed. `say` is told what happens, a sentence at a time."""
    everyone = contenders()
    load_before = os.getloadavg()[0]
    rounds: dict[str, list[Round] | None] = {}
    for one in everyone:
        lacks = one.missing()
        rounds[one.name] = None if lacks else []
        if lacks:
            say(f"{one.name} is left out: {lacks} is not installed.")
    runners = [one for one in everyone if rounds[one.name] is not None]
    with tempfile.TemporaryDirectory(prefix="slskdn-bench-", dir=_where(options)) as name:
        folder = Path(name)
        work = workload_make(folder, mib=options.mib)
        for number in range(options.rounds):
            turn = number % len(runners)
            for one in runners[turn:] + runners[:turn]:
                found = _bring(one, work, folder / "round")
                taken = rounds[one.name]
                assert taken is not None
                taken.append(found)
                say(f"round {number + 1} of {options.rounds}, {one.name}: {_in_words(found, work.payload_bytes)}")
    machine = Machine(
        cpus=os.cpu_count() or 1,
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        folder=name,
    )
    return report_of(options, machine=machine, rounds=rounds)


def report_of(
    options: TransportOptions, *, machine: Machine, rounds: Mapping[str, Sequence[Round] | None]
) -> dict[str, object]:
    """The report as JSON will tell it. `rounds` has `ours` and every other contender's, None for what is not installed. Pure.

    `ratios` = the other's CPU seconds / ours, both sides summed: above 1, ours is cheaper. Raises ValueError without a round of ours.
    """
    payload_bytes = options.mib * MIB
    taken = rounds[OURS]
    if not taken:
        raise ValueError("there is no round of ours")
    ours = figures_of(taken, payload_bytes=payload_bytes)
    others = {
        name: figures_of(some, payload_bytes=payload_bytes) if some else None
        for name, some in rounds.items()
        if name != OURS
    }
    delays = [one.delay for one in taken if one.delay is not None]
    p50, p99 = spread_of([one.p50_ms for one in delays]), spread_of([one.p99_ms for one in delays])
    return {
        "bench": "transport",
        "mib": options.mib,
        "rounds": options.rounds,
        "machine": asdict(machine),
        "ours": _as_json(ours),
        "peers": {name: _as_json(figures) if figures else None for name, figures in others.items()},
        "ratios": {
            name: round(figures.sum.median / ours.sum.median, 3) if figures else None
            for name, figures in others.items()
        },
        "reactor_delay_ms": {
            "p50": round(p50.median, 2),
            "p99": round(p99.median, 2),
            "p99_least": round(p99.least, 2),
            "p99_most": round(p99.most, 2),
        },
    }


def figures_of(rounds: Sequence[Round], *, payload_bytes: int) -> Figures:
    """CPU seconds per GiB and 10**6 bytes per second."""
    gib = payload_bytes / GIB
    return Figures(
        download=spread_of([one.download_cpu_s / gib for one in rounds]),
        seed=spread_of([one.seed_cpu_s / gib for one in rounds]),
        sum=spread_of([(one.download_cpu_s + one.seed_cpu_s) / gib for one in rounds]),
        mb_per_s=spread_of([payload_bytes / 1e6 / one.seconds for one in rounds]),
    )


def _as_json(figures: Figures) -> dict[str, object]:
    """Medians where the report's readers look for a number; the extremes beside them."""
    cpu = {"download": figures.download, "seed": figures.seed, "sum": figures.sum}
    return {
        "cpu_s_per_gib": {side: round(spread.median, 3) for side, spread in cpu.items()},
        "mb_per_s": round(figures.mb_per_s.median, 1),
        "least": {
            "cpu_s_per_gib": {side: round(spread.least, 3) for side, spread in cpu.items()},
            "mb_per_s": round(figures.mb_per_s.least, 1),
        },
        "most": {
            "cpu_s_per_gib": {side: round(spread.most, 3) for side, spread in cpu.items()},
            "mb_per_s": round(figures.mb_per_s.most, 1),
        },
    }


def _bring(one: Contender, work: Workload, place: Path) -> Round:
    """One round in a folder of its own; what arrived is compared with what was sent."""
    place.mkdir(mode=0o700)
    try:
        figures, arrived = one.bring(work, place)
        check_same(work, arrived)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return figures


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
