"""The report of the transport bench: medians, ratios, bars. Pure.

`ratios` = the other's CPU seconds / ours, both sides summed: above 1, ours is cheaper. What is not installed or was left out is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from slskdn_site.bench.contender import Round
from slskdn_site.bench.memory import MemoryUse
from slskdn_site.bench.payload import MIB
from slskdn_site.bench.statistics import Spread, spread_of

GIB: Final = 1 << 30
OURS: Final = "ours"
STOCK: Final = "stock"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What must hold. `at_least` tells which way."""

    name: str
    bar: float
    at_least: bool
    goal: float | None = None


BARS: Final = (
    Bar(name="nginx_curl", bar=0.70, at_least=True, goal=0.85),
    Bar(name="libtorrent_plain", bar=1.25, at_least=True, goal=1.6),
    Bar(name="seed_vs_stock", bar=0.5, at_least=False),
    Bar(name="reactor_delay_p99_ms", bar=25.0, at_least=False),
    Bar(name="peers_32_ratio_to_3", bar=1.25, at_least=False),
    Bar(name="memory_rss_mb", bar=250.0, at_least=False),
    Bar(name="scheduling_share", bar=0.10, at_least=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """The same download of two sizes: what is the same in both was spent on getting to know each other, the rest on bytes."""

    small_bytes: int
    small_cpu_s: float
    large_bytes: int
    large_cpu_s: float

    @property
    def cpu_s_per_gib(self) -> float:
        """Of both sides, for each further byte."""
        return (self.large_cpu_s - self.small_cpu_s) * GIB / (self.large_bytes - self.small_bytes)

    @property
    def setup_cpu_s(self) -> float:
        """Of both sides, whatever the size."""
        return max(0.0, self.small_cpu_s - self.cpu_s_per_gib * self.small_bytes / GIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Three seeders and thirty-two."""

    few: Slope
    many: Slope
    seeders: int
    each_cpu_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """every single reading of which the slopes' figures are medians"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that was measured. `rounds` has `ours` and every other contender's, None for what is not installed or was left out."""

    mib: int
    rounds: Mapping[str, Sequence[Round] | None]
    slopes: Slopes | None = None
    memory: MemoryUse | None = None


def report_of(measured: Measured, *, machine: Machine) -> dict[str, object]:
    """The report as JSON will tell it. Raises ValueError without a round of ours."""
    payload_bytes = measured.mib * MIB
    taken = measured.rounds[OURS]
    if not taken:
        raise ValueError("there is no round of ours")
    ours = figures_of(taken, payload_bytes=payload_bytes)
    others = {
        name: figures_of(some, payload_bytes=payload_bytes) if some else None
        for name, some in measured.rounds.items()
        if name != OURS
    }
    stock = others.pop(STOCK, None)
    delays = [one.delay for one in taken if one.delay is not None]
    p50, p99 = spread_of([one.p50_ms for one in delays]), spread_of([one.p99_ms for one in delays])
    report: dict[str, object] = {
        "bench": "transport",
        "mib": measured.mib,
        "rounds": len(taken),
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
        "each_round": {
            name: _each(some, payload_bytes=payload_bytes) for name, some in measured.rounds.items() if some
        },
        "stock": _as_json(stock) if stock else None,
        "seed_vs_stock": round(ours.seed.median / stock.seed.median, 3) if stock else None,
        "peers_32": _many(measured.slopes),
        "memory": _memory(measured.memory),
        "scheduling": _scheduling(taken, payload_bytes=payload_bytes),
    }
    report["bars"] = bars_of(report)
    return report


def bars_of(report: Mapping[str, object]) -> list[dict[str, object]]:
    """Each bar with what was measured; `holds` null when it was not."""
    values = {
        "nginx_curl": _inside(report, "ratios", "nginx_curl"),
        "libtorrent_plain": _inside(report, "ratios", "libtorrent_plain"),
        "seed_vs_stock": _inside(report, "seed_vs_stock"),
        "reactor_delay_p99_ms": _inside(report, "reactor_delay_ms", "p99"),
        "peers_32_ratio_to_3": _inside(report, "peers_32", "ratio_to_3"),
        "memory_rss_mb": _inside(report, "memory", "rss_mb"),
        "scheduling_share": _inside(report, "scheduling", "share"),
    }
    return [
        {
            "name": bar.name,
            "value": (value := values[bar.name]),
            "bar": f"{'>=' if bar.at_least else '<='} {bar.bar:g}",
            "goal": bar.goal,
            "holds": None if value is None else (value >= bar.bar if bar.at_least else value <= bar.bar),
        }
        for bar in BARS
    ]


def figures_of(rounds: Sequence[Round], *, payload_bytes: int) -> Figures:
    """CPU seconds per GiB and 10**6 bytes per second."""
    gib = payload_bytes / GIB
    return Figures(
        download=spread_of([one.download_cpu_s / gib for one in rounds]),
        seed=spread_of([one.seed_cpu_s / gib for one in rounds]),
        sum=spread_of([(one.download_cpu_s + one.seed_cpu_s) / gib for one in rounds]),
        mb_per_s=spread_of([payload_bytes / 1e6 / one.seconds for one in rounds]),
    )


def _each(rounds: Sequence[Round], *, payload_bytes: int) -> list[dict[str, float | None]]:
    """Every round, none left out, with the load of the machine when it began: a reader can tell which were disturbed."""
    gib = payload_bytes / GIB
    return [
        {
            "download": round(one.download_cpu_s / gib, 3),
            "seed": round(one.seed_cpu_s / gib, 3),
            "mb_per_s": round(payload_bytes / 1e6 / one.seconds, 1),
            "load": one.load,
        }
        for one in rounds
    ]


def _many(slopes: Slopes | None) -> dict[str, object] | None:
    if slopes is None:
        return None
    return {
        "cpu_s_per_gib": round(slopes.many.cpu_s_per_gib, 3),
        "ratio_to_3": round(slopes.many.cpu_s_per_gib / slopes.few.cpu_s_per_gib, 3),
        "setup_cpu_s_per_peer": round(slopes.many.setup_cpu_s / slopes.seeders, 4),
        "each_cpu_s": {name: list(some) for name, some in slopes.each_cpu_s.items()},
    }


def _memory(use: MemoryUse | None) -> dict[str, object] | None:
    if use is None:
        return None
    return {
        "idle": use.idle,
        "busy": use.busy,
        "rss_mb": round(use.rss_mb, 1),
        "served_mb_per_s": round(use.served_mb_per_s, 1),
    }


def _scheduling(rounds: Sequence[Round], *, payload_bytes: int) -> dict[str, object] | None:
    """Share of the transport's CPU: of both sides, as everywhere here; of the downloader's alone beside it."""
    some = [(one.scheduling_cpu_s, one) for one in rounds if one.scheduling_cpu_s is not None]
    if not some:
        return None
    return {
        "cpu_s_per_gib": round(spread_of([cpu_s * GIB / payload_bytes for cpu_s, _ in some]).median, 4),
        "share": round(spread_of([cpu_s / (one.download_cpu_s + one.seed_cpu_s) for cpu_s, one in some]).median, 4),
        "share_of_download": round(spread_of([cpu_s / one.download_cpu_s for cpu_s, one in some]).median, 4),
    }


def _inside(report: Mapping[str, object], *names: str) -> float | None:
    value: object = report
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


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
