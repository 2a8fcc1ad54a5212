"""The bench of many jobs, on few: every request answers, with as many queries as it may have, and the report says what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slskdn_site.bench.jobs import jobs_table

ROOT = Path(__file__).resolve().parents[2]
MOST_QUERIES = 20


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    command = [sys.executable, "-m", "slskdn_site.cli", "bench", "jobs", "--sqlite"]
    sizes = ["--jobs", "600", "--tracks", "4000", "--rounds", "1", "--json"]
    done = subprocess.run(
        [*command, *sizes], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False
    )
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
    ):
        assert {f"{kind}, {place}" for place in ("first", "middle", "last")} <= names
    assert {"one job", "a child", "api tree", "jobs, the tree unfolded", "search, a child's title"} <= names
    assert (report["database"], report["jobs"], report["tracks"], report["bar_ms"]) == ("sqlite", 600, 4000, 600.0)


def test_no_request_asks_more_queries_than_it_may(report: dict[str, Any]) -> None:
    assert {one["name"]: one["queries"] for one in report["requests"] if one["queries"] > MOST_QUERIES} == {}


def test_the_table_names_every_request_and_what_fails(report: dict[str, Any]) -> None:
    first, *rest = report["requests"]
    table = jobs_table({**report, "requests": [{**first, "holds": False, "seq_scans": ["jobs_jobtrack"]}, *rest]})
    assert all(one["name"] in table for one in report["requests"])
    assert "FAILS" in table
    assert "sequential: jobs_jobtrack" in table


@pytest.mark.parametrize(
    "wrong", [["--jobs", "3"], ["--jobs", "1000", "--tracks", "10"], ["--rounds", "0"], ["--only", "no such request"]]
)
def test_sizes_that_mean_nothing_are_refused(wrong: list[str]) -> None:
    small = ["--jobs", "300", "--tracks", "900"] if wrong[0] == "--only" else []
    done = subprocess.run(
        [sys.executable, "-m", "slskdn_site.cli", "bench", "jobs", *small, *wrong],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "slskdn:" in done.stderr
