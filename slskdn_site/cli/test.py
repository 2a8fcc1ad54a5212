"""`./slskdn test`: verify, every test on SQLite, and every test that writes rows on Postgres.

The lanes are processes of their own with their own databases, Valkey and folders. Three run side by side: the one with real processes waits
for much of its time and comes first whenever it does not, the others compute in what it leaves. What a lane printed is shown when it ends,
with its slowest tests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SUMMARY = "Run all tests: verify, pytest on SQLite, pytest on Postgres (--quick: the quick ones on SQLite; --long: the slow ones too)."

PASSES_ON = True  # unknown arguments are pytest's; verify is left out then
QUICK_MARKS = "not e2e and not browser and not interop"
PROCESS_MARKS = "e2e and not browser"
INSIDE_MARKS = "not (e2e or browser)"
SLOWEST = ["--durations=15", "--durations-min=3"]
LANES_AT_ONCE = 3
AFTER_PROCESSES = 5  # steps of niceness
AFTER_BROWSER = 10
LANE_SECONDS = 3600
NO_TESTS_COLLECTED = 5  # pytest's exit status


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


def register(parser: argparse.ArgumentParser) -> None:
    """`--quick`, and whatever pytest understands."""
    parser.usage = "slskdn test [--quick | --long] [pytest's arguments …]"
    parser.epilog = "With paths or options of pytest's, only those tests are run, without verify."
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only tests without processes, browser and foreign software; no verify, no Postgres",
    )
    parser.add_argument(
        "--long", action="store_true", help="also the tests that wait for real time-outs (two minutes more)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the stages; status 1 when anything failed. The last line has the counts."""
    from slskdn_site.cli.verify import verify

    chosen: list[str] = args.passed_on
    failed_checks: list[str] = []
    if not args.quick and not chosen:
        failed_checks = verify()
    long = ["--long"] if args.long else []
    if args.quick:
        plans = [_Plan("quick, on SQLite", "sqlite", ["-m", QUICK_MARKS, *chosen])]
    elif chosen:
        plans = [
            _Plan("on SQLite", "sqlite", [*long, *chosen]),
            _Plan("rows on Postgres", "postgres", ["--rows-only", *chosen]),
        ]
    else:
        plans = [  # the longest first
            _Plan("processes, on SQLite", "sqlite", ["-m", PROCESS_MARKS, *long]),
            _Plan("everything else, on SQLite", "sqlite", ["-m", INSIDE_MARKS, *long], AFTER_BROWSER),
            _Plan("browser, on SQLite", "sqlite", ["-m", "browser", *long], AFTER_PROCESSES),
            _Plan("rows on Postgres", "postgres", ["--rows-only"], AFTER_BROWSER),
        ]
    with ThreadPoolExecutor(max_workers=LANES_AT_ONCE) as pool:
        lanes = list(pool.map(_lane, plans))
    passed = sum(lane.passed for lane in lanes)
    failed = sum(lane.failed for lane in lanes) + len(failed_checks)
    skipped = sum(lane.skipped for lane in lanes)
    if failed_checks:
        print(f"verify failed: {', '.join(failed_checks)}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """One run of pytest."""

    name: str
    database: str
    arguments: list[str]
    nice: int = 0
    """Where cores are few: those with more give way."""


def _lane(plan: _Plan) -> Counts:
    from slskdn_site.processes import PROJECT

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slskdn-lane-") as folder:
        report, lines = Path(folder) / "report.json", Path(folder) / "lines.txt"
        environment = {
            **os.environ,
            "SLSKDN_TEST_DATABASE": plan.database,
            "SLSKDN_TEST_REPORT": str(report),
            "PYTHONPATH": str(PROJECT),
        }
        command = ["nice", "-n", str(plan.nice), sys.executable, "-m", "pytest", "-q", *SLOWEST, *plan.arguments]
        with lines.open("wb") as output:
            try:
                status = subprocess.run(
                    command,
                    cwd=PROJECT,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    check=False,
                    timeout=LANE_SECONDS,
                ).returncode
            except subprocess.TimeoutExpired:
                status = -1
                output.write(f"no end after {LANE_SECONDS} s\n".encode())
        counts = Counts(**json.loads(report.read_text(encoding="utf-8"))) if report.exists() else Counts()
        if status not in {0, NO_TESTS_COLLECTED} and not counts.failed:
            counts = Counts(counts.passed, 1, counts.skipped)  # pytest itself fell
        verdict = "FAILED" if counts.failed else "passed"
        print(
            f"{lines.read_text(encoding='utf-8', errors='replace')}"
            f"tests, {plan.name}: {verdict} ({counts.passed} passed, {counts.failed} failed, {time.monotonic() - began:.0f} s)",
            flush=True,
        )
    return counts
