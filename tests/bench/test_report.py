"""The report of the transport bench: medians where readers look for a number, ratios, null for what is not installed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from slskdn_site.bench.contender import Delay, Round
from slskdn_site.bench.memory import MemoryUse
from slskdn_site.bench.transport import transport_table
from slskdn_site.bench.transport_report import Machine, Measured, Slope, Slopes, report_of
from slskdn_site.bench.transport_run import PARTS, contenders

MACHINE = Machine(cpus=2, load_before=0.5, load_after=2.5, python="3.11.7", folder="/somewhere")


def ours(*sums: float) -> list[Round]:
    """Rounds of half a GiB: download CPU, seed CPU = half of it, 2 s each."""
    return [
        Round(
            download_cpu_s=one,
            seed_cpu_s=one / 2,
            seconds=2.0,
            delay=Delay(p50_ms=1.0, p99_ms=10 * one),
            scheduling_cpu_s=one / 10,
        )
        for one in sums
    ]


def theirs(*sums: float) -> list[Round]:
    return [Round(download_cpu_s=one, seed_cpu_s=one / 2, seconds=1.0, load=1.5) for one in sums]


def told(**rounds: list[Round] | None) -> dict[str, Any]:
    return report_of(Measured(mib=512, rounds=rounds), machine=MACHINE)


def test_the_report_tells_medians_extremes_and_ratios() -> None:
    report = told(ours=ours(1.0, 3.0, 2.0), nginx_curl=theirs(1, 1, 1))
    assert json.loads(json.dumps(report)) == report
    assert report["ours"] == {
        "cpu_s_per_gib": {"download": 4.0, "seed": 2.0, "sum": 6.0},
        "mb_per_s": 268.4,
        "least": {"cpu_s_per_gib": {"download": 2.0, "seed": 1.0, "sum": 3.0}, "mb_per_s": 268.4},
        "most": {"cpu_s_per_gib": {"download": 6.0, "seed": 3.0, "sum": 9.0}, "mb_per_s": 268.4},
    }
    assert report["peers"]["nginx_curl"]["cpu_s_per_gib"] == {"download": 2.0, "seed": 1.0, "sum": 3.0}
    assert report["ratios"] == {"nginx_curl": 0.5}
    assert [one["download"] for one in report["each_round"]["ours"]] == [2.0, 6.0, 4.0]
    assert report["each_round"]["nginx_curl"][0] == {"download": 2.0, "seed": 1.0, "mb_per_s": 536.9, "load": 1.5}
    assert report["reactor_delay_ms"] == {"p50": 1.0, "p99": 20.0, "p99_least": 10.0, "p99_most": 30.0}
    assert (report["mib"], report["rounds"], report["machine"]["cpus"]) == (512, 3, 2)


def test_what_is_not_installed_is_null() -> None:
    report = told(ours=ours(1.0), nginx_curl=None, stock=None)
    assert report["peers"] == {"nginx_curl": None}
    assert report["ratios"] == {"nginx_curl": None}
    assert report["stock"] is report["seed_vs_stock"] is report["peers_32"] is report["memory"] is None
    assert "not measured" in transport_table(report)
    assert {bar["name"]: bar["holds"] for bar in report["bars"]} == {
        "nginx_curl": None,
        "libtorrent_plain": None,
        "seed_vs_stock": None,
        "reactor_delay_p99_ms": True,
        "peers_32_ratio_to_3": None,
        "memory_rss_mb": None,
        "scheduling_share": True,
    }


def test_the_table_says_which_way_a_ratio_counts() -> None:
    table = transport_table(told(ours=ours(1.0, 1.0, 1.0), nginx_curl=theirs(1, 1, 1)))
    assert re.search(r"^nginx_curl .* 1\.00$", table, re.MULTILINE)
    assert "above 1: ours is cheaper" in table
    assert "p99 10.0 ms" in table


def test_without_a_round_of_ours_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="no round of ours"):
        told(ours=[], nginx_curl=theirs(1))


def test_contenders_have_different_names_and_ours_comes_first() -> None:
    names = [one.name for one in contenders()]
    assert names[0] == "ours"
    assert len(set(names)) == len(names)
    assert set(names) < set(PARTS)


def test_every_bar_is_held_against_what_was_measured() -> None:
    measured = Measured(
        mib=512,
        rounds={
            "ours": ours(1.0),
            "nginx_curl": theirs(0.5),
            "libtorrent_plain": theirs(1.25),
            "stock": theirs(2.0),
        },
        slopes=Slopes(
            few=Slope(small_bytes=1 << 26, small_cpu_s=0.3, large_bytes=1 << 29, large_cpu_s=1.7),
            many=Slope(small_bytes=1 << 26, small_cpu_s=1.01, large_bytes=1 << 29, large_cpu_s=2.865),
            seeders=32,
            each_cpu_s={"3 seeders, 64 MiB": (0.3, 0.4)},
        ),
        memory=MemoryUse(idle=100, busy=8, rss_mb=250.1, served_mb_per_s=500.0),
    )
    report: dict[str, Any] = report_of(measured, machine=MACHINE)
    assert report["seed_vs_stock"] == 0.5
    assert report["peers_32"] == {
        "cpu_s_per_gib": 4.24,
        "ratio_to_3": 1.325,
        "setup_cpu_s_per_peer": 0.0233,
        "each_cpu_s": {"3 seeders, 64 MiB": [0.3, 0.4]},
    }
    assert report["memory"] == {"idle": 100, "busy": 8, "rss_mb": 250.1, "served_mb_per_s": 500.0}
    assert report["scheduling"] == {"cpu_s_per_gib": 0.2, "share": 0.0667, "share_of_download": 0.1}
    assert {bar["name"]: (bar["value"], bar["holds"]) for bar in report["bars"]} == {
        "nginx_curl": (0.5, False),
        "libtorrent_plain": (1.25, True),
        "seed_vs_stock": (0.5, True),
        "reactor_delay_p99_ms": (10.0, True),
        "peers_32_ratio_to_3": (1.325, False),
        "memory_rss_mb": (250.1, False),
        "scheduling_share": (0.0667, True),
    }
    assert "DOES NOT HOLD" in transport_table(report)
