"""The bench of many jobs, on few: every request answers, with as many queries as it may have, and the report says what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slskdn_site.bench.pages_command import table
from slskdn_site.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
MOST_QUERIES = 25
MORE = {"target release": 41, "api coverage of 50": 26, "coverage extended, first": 26, "metrics": 29}
"""A release with its editions, its sidebar and the folders that hold it; 600 recordings are asked for by two statements; a page whose cache is cold
also counts what was not read; every series of /metrics is counted by itself."""


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    command = [
        sys.executable,
        "-m",
        "slskdn_site.cli",
        "bench",
        "jobs",
        "--sqlite",
        "--jobs",
        "300",
        "--tracks",
        "1500",
    ]
    return subprocess.run(
        [*command, *options], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def report(kept: Path) -> dict[str, Any]:
    done = bench("--rounds", "1", "--keep", str(kept), "--json")
    assert done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_every_list_is_asked_for_at_its_beginning_middle_and_end(report: dict[str, Any]) -> None:
    names = {one["name"] for one in report["requests"]}
    for kind in (
        "jobs",
        "api jobs",
        "api jobs with children",
        "jobs open",
        "jobs done",
        "tree",
        "api releases of the tree",
        "api children of the tree",
        "webhook's log",
        "api deliveries",
        "artist",
        "label",
        "mesh labels",
        "targets",
        "coverage all",
        "tree of 500",
    ):
        assert {f"{kind}, {place}" for place in ("first", "middle", "last")} <= names
    assert {"one job", "a child", "api tree", "jobs, the tree unfolded", "search, a child's title"} <= names
    assert {
        "metrics",
        "live jobs",
        "api events",
        "admin jobs/job",
        "find a group",
        "target release",
        "api webhooks",
    } <= names
    assert (report["database"], report["sizes"], report["bar_ms"]) == ("sqlite", {"jobs": 300, "tracks": 1500}, 600.0)


def test_no_request_asks_more_queries_than_it_may(report: dict[str, Any]) -> None:
    assert {
        one["name"]: one["queries"]
        for one in report["requests"]
        if one["queries"] > MORE.get(one["name"], MOST_QUERIES)
    } == {}


def test_the_table_names_every_request_and_what_fails(report: dict[str, Any]) -> None:
    first, *rest = report["requests"]
    shown = table({**report, "requests": [{**first, "holds": False, "seq_scans": ["jobs_jobtrack"]}, *rest]})
    assert all(one["name"] in shown for one in report["requests"])
    assert "FAILS" in shown
    assert "sequential: jobs_jobtrack" in shown


def test_what_was_kept_is_not_filled_again_and_a_name_that_no_request_has_is_told(
    report: dict[str, Any], kept: Path
) -> None:
    assert report["requests"]
    done = bench("--only", "no such request", "--keep", str(kept))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "slskdn: no request has 'no such request' in its name.\n"


@pytest.mark.parametrize("wrong", [["--jobs", "3"], ["--jobs", "1000", "--tracks", "10"], ["--rounds", "0"]])
def test_sizes_that_mean_nothing_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "jobs", *wrong]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("slskdn: --")
