"""The report of the transport bench: medians where readers look for a number, ratios, null for what is not installed."""

from __future__ import annotations

import json

import pytest

from slskdn_site.bench.contender import Delay, Round
from slskdn_site.bench.transport import transport_table
from slskdn_site.bench.transport_run import Machine, TransportOptions, contenders, report_of

OPTIONS = TransportOptions(mib=512, rounds=3)
MACHINE = Machine(cpus=2, load_before=0.5, load_after=2.5, python="3.11.7", folder="/somewhere")


def ours(*sums: float) -> list[Round]:
    """Rounds of half a GiB: download CPU, seed CPU = half of it, 2 s each."""
    return [
        Round(download_cpu_s=one, seed_cpu_s=one / 2, seconds=2.0, delay=Delay(p50_ms=1.0, p99_ms=10 * one))
        for one in sums
    ]


def theirs(*sums: float) -> list[Round]:
    return [Round(download_cpu_s=one, seed_cpu_s=one / 2, seconds=1.0) for one in sums]


def test_the_report_tells_medians_extremes_and_ratios() -> None:
    report = report_of(OPTIONS, machine=MACHINE, rounds={"ours": ours(1.0, 3.0, 2.0), "nginx_curl": theirs(1, 1, 1)})
    assert json.loads(json.dumps(report)) == report
    assert report["ours"] == {
        "cpu_s_per_gib": {"download": 4.0, "seed": 2.0, "sum": 6.0},
        "mb_per_s": 268.4,
        "least": {"cpu_s_per_gib": {"download": 2.0, "seed": 1.0, "sum": 3.0}, "mb_per_s": 268.4},
        "most": {"cpu_s_per_gib": {"download": 6.0, "seed": 3.0, "sum": 9.0}, "mb_per_s": 268.4},
    }
    assert report["peers"]["nginx_curl"]["cpu_s_per_gib"] == {"download": 2.0, "seed": 1.0, "sum": 3.0}
    assert report["ratios"] == {"nginx_curl": 0.5}
    assert report["reactor_delay_ms"] == {"p50": 1.0, "p99": 20.0, "p99_least": 10.0, "p99_most": 30.0}
    assert (report["mib"], report["rounds"], report["machine"]["cpus"]) == (512, 3, 2)


def test_what_is_not_installed_is_null() -> None:
    report = report_of(OPTIONS, machine=MACHINE, rounds={"ours": ours(1.0), "nginx_curl": None})
    assert report["peers"] == {"nginx_curl": None}
    assert report["ratios"] == {"nginx_curl": None}
    assert "not installed" in transport_table(report)


def test_the_table_says_which_way_a_ratio_counts() -> None:
    table = transport_table(
        report_of(OPTIONS, machine=MACHINE, rounds={"ours": ours(1.0, 1.0, 1.0), "nginx_curl": theirs(1, 1, 1)})
    )
    assert "CPU of nginx_curl / ours: 1.00 (above 1, ours is cheaper)" in table
    assert "p99 10.0 ms" in table


def test_without_a_round_of_ours_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="no round of ours"):
        report_of(OPTIONS, machine=MACHINE, rounds={"ours": [], "nginx_curl": theirs(1)})


def test_contenders_have_different_names_and_ours_comes_first() -> None:
    names = [one.name for one in contenders()]
    assert names[0] == "ours"
    assert len(set(names)) == len(names)
