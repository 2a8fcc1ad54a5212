"""The bench of large expansions, on a small one: a worker is killed twice, another one goes on, and the report says what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slskdn_site.bench.expand import expand_table
from slskdn_site.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.e2e
def test_what_is_expanded_under_kills_is_whole_and_nothing_is_there_twice() -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLSKDN_", "DJANGO_"))}
    command = [sys.executable, "-m", "slskdn_site.cli", "bench", "expand", "--groups", "60", "--crate", "20", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    report = json.loads(done.stdout)
    assert (report["kills"], report["twice"], report["holds"]) == (2, 0, True)
    assert {one["kind"]: one["whole"] for one in report["trees"]} == {"discography": True, "label_crate": True}
    assert report["tasks"] > 2
    assert report["longest_task"]
    assert 50 < report["peak_mb"] <= 400
    table = expand_table({**report, "peak_mb": 401.0, "twice": 1})
    assert table.count("FAILS") == 2


@pytest.mark.parametrize("wrong", [["--groups", "5"], ["--crate", "2000"], ["--interval-ms", "-1"]])
def test_sizes_that_mean_nothing_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "expand", *wrong]) == 2
    assert capsys.readouterr().err.startswith("slskdn: --groups")
