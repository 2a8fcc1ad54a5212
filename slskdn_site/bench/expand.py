"""`./slskdn bench expand`: what expanding a large discography and a large crate takes of a worker. The work is `expand_run`."""

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

SUMMARY = "Expanding an artist of 1,000 release groups and a crate of 500 releases: longest task, memory, kill -9 in the middle."


def register(parser: argparse.ArgumentParser) -> None:
    """Sizes and patience."""
    parser.description = (
        "Writes a made-up artist and label, serves them by the local metadata service, and lets a real Celery worker read and expand them with the "
        "limiter's interval turned down. The worker is killed (SIGKILL) while it reads the lists and again while it writes children, and another one goes "
        "on. Told: the longest task, the most memory of any process of the worker, and children that are there twice. "
        "The bars: no task above 300 s, no process above 400 MB, no child twice, everything planned."
    )
    parser.add_argument("--groups", type=int, default=1000, metavar="N", help="release groups of the artist (1000)")
    parser.add_argument("--crate", type=int, default=500, metavar="N", help="releases of the label (500)")
    parser.add_argument(
        "--interval-ms", type=int, default=0, metavar="N", help="between two requests (0; MusicBrainz wants 1050)"
    )
    parser.add_argument("--postgres", nargs="?", const="", metavar="URL", help="as of bench jobs; without it SQLite")
    parser.add_argument("--timeout", type=float, default=1800.0, metavar="S", help="give up after so long (1800)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Expand, print; status 1 when a bar fails."""
    from slskdn_site.bench.postgres import throw_away_postgres

    if not 10 <= args.groups <= 5000 or not 10 <= args.crate <= args.groups or args.interval_ms < 0:
        print("slskdn: --groups is 10 to 5000, --crate 10 to as many, --interval-ms 0 or more.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="slskdn-bench-expand-"))
    try:
        with throw_away_postgres(folder, url=args.postgres) as url:
            os.environ["SLSKDN_DATA"] = str(folder / "data")
            os.environ["SLSKDN__DATABASE__URL"] = url
            os.environ["SLSKDN__INTEGRATION__MUSICBRAINZ__INTERVAL_MS"] = str(args.interval_ms)
            from slskdn_site.bench.expand_run import expand_bench

            report = expand_bench(
                folder,
                groups=args.groups,
                crate=args.crate,
                timeout_s=args.timeout,
                tell=lambda line: print(line, file=sys.stderr, flush=True),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report, indent=2) if args.json else expand_table(report))
    return 0 if report["holds"] else 1


def expand_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""

    def mark(*, good: bool) -> str:
        return "holds" if good else "FAILS"

    bars, longest = report["bars"], report["longest_task_s"]
    lines = [
        f"{report['database']}: {report['groups']} release groups, {report['releases']} releases, a crate of {report['crate']}; {report['seconds']} s",
        f"{mark(good=longest <= bars['task_s'])}  longest task {longest:.1f} s ({report['longest_task']}), {report['tasks']} tasks",
        f"{mark(good=report['peak_mb'] <= bars['peak_mb'])}  most memory of a process {report['peak_mb']:.0f} MB",
        f"{mark(good=not report['twice'])}  {report['kills']} kills, {report['twice']} rows twice",
    ]
    lines += [
        f"{mark(good=one['whole'])}  {one['kind']}: {one['planned']} planned, {one['children']} children, {one['of_other_trees']} of another tree, {one['state']}"
        for one in report["trees"]
    ]
    return "\n".join(lines)
