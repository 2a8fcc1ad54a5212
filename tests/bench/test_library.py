"""The bench of a large library, on a small one: every request answers, with as many queries as it may have, and the report says what was measured."""

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
MORE = {"metrics": 29}
"""every series is counted by itself"""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    command = [sys.executable, "-m", "slskdn_site.cli", "bench", "library", "--sqlite"]
    sizes = ["--variants", "700", "--issues", "140", "--rounds", "1", "--json"]
    done = subprocess.run(
        [*command, *sizes], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_kind_of_page_is_asked_for_at_its_beginning_middle_and_end(report: dict[str, Any]) -> None:
    names = {one["name"] for one in report["requests"]}
    for kind in (
        "library",
        "api files",
        "issues worst",
        "issues artist",
        "api issues newest",
        "review ambiguous",
        "folders",
        "trash",
        "duplicates payload",
    ):
        assert {f"{kind}, {place}" for place in ("first", "middle", "last")} <= names
    assert {
        "doctor overview",
        "api health summary",
        "duplicates pcm, first",
        "api canonical",
        "one issue",
        "metrics",
    } <= names
    assert {"library missing, last", "one file", "folders with a path", "issues with words, ignored"} <= names
    assert (report["database"], report["sizes"]) == ("sqlite", {"variants": 700, "issues": 140})


def test_no_request_asks_more_queries_than_it_may(report: dict[str, Any]) -> None:
    assert {
        one["name"]: one["queries"]
        for one in report["requests"]
        if one["queries"] > MORE.get(one["name"], MOST_QUERIES)
    } == {}


def test_the_overview_counts_no_issues_and_no_files(report: dict[str, Any]) -> None:
    overview = next(one for one in report["requests"] if one["name"] == "doctor overview")
    assert overview["queries"] <= 20
    assert overview["seq_scans"] == []


def test_the_table_names_every_request_and_what_fails(report: dict[str, Any]) -> None:
    failing = {**report["requests"][0], "holds": False, "seq_scans": ["library_audiofile"]}
    shown = table({**report, "requests": [*report["requests"], failing]})
    assert all(one["name"] in shown for one in report["requests"])
    assert "FAILS" in shown
    assert "sequential: library_audiofile" in shown


@pytest.mark.parametrize(
    "wrong", [["--variants", "5"], ["--issues", "1"], ["--rounds", "0"], ["--variants", "200", "--issues", "300"]]
)
def test_sizes_that_mean_nothing_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "library", *wrong]) == 2
    assert capsys.readouterr().err.startswith("slskdn: --")
