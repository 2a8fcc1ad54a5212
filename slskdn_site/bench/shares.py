"""`./slskdn bench shares`: what a large share costs the node's event loop. Options and table; the measurement is `shares_run`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

SUMMARY = "What sharing a large library costs: reading it in, following changes, searches, browsing, the upload queue."


def register(parser: argparse.ArgumentParser) -> None:
    """Size."""
    parser.description = (
        "Fills a throw-away SQLite database with a library, starts the sharing part of the node over it, and watches the event loop: worst gap while the "
        "library is read, while it changes, while it is browsed, and while strangers search. Everything in one run. The bar is no gap of its own work above 100 ms."
    )
    parser.add_argument("--files", type=int, default=50_000, metavar="N", help="files in the library (50000)")
    parser.add_argument("--queries", type=int, default=2_000, metavar="N", help="searches of strangers (2000)")
    parser.add_argument("--waiting", type=int, default=5_000, metavar="N", help="files in the upload queue (5000)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill, measure, print; status 1 when the bar fails."""
    if not 100 <= args.files <= 2_000_000 or not 10 <= args.queries <= 100_000 or not 10 <= args.waiting <= 50_000:
        print("slskdn: --files is 100 to 2000000, --queries 10 to 100000, --waiting 10 to 50000.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="slskdn-bench-shares-"))
    try:
        os.environ["SLSKDN_DATA"] = str(folder)
        from slskdn_site.bench.shares_run import GAP_MS, shares_bench

        report = shares_bench(files=args.files, queries=args.queries, waiting=args.waiting)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if args.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        for name, value in dataclasses.asdict(report).items():
            print(f"{name:24} {value}")
    if report.worst_own_gap_ms > GAP_MS:
        print(f"slskdn: a gap of {report.worst_own_gap_ms} ms; the bar is {GAP_MS} ms.", file=sys.stderr)
        return 1
    if report.worst_gap_ms > GAP_MS:
        print("slskdn: the machine was too busy with other programs to let this one run in time.", file=sys.stderr)
    return 0
