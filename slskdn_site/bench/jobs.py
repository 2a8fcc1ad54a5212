"""`./slskdn bench jobs`: what the pages and the API cost with many jobs. The sizes; rows are `jobs_rows`, requests `jobs_requests`, all else `pages_command` and `pages_run`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from slskdn_site.bench import pages_command

if TYPE_CHECKING:
    from slskdn_site.bench.pages_run import Subject

SUMMARY = "What the pages and the API cost with 10,000 jobs and 120,000 tracks."
JOBS, TRACKS = 10_000, 120_000


def register(parser: argparse.ArgumentParser) -> None:
    """Database and size."""
    parser.description = (
        "Fills a throw-away database (10,000 jobs with 120,000 tracks: single ones and trees, one of a thousand children, every state) and measures "
        "named requests through the whole web stack: first, middle and last pages, filters, searches, trees, single jobs. p50 and p95 in ms, queries, "
        "and sequential scans over large tables in the plans. The bar is 300 ms at the 95th percentile on Postgres, 600 ms on SQLite, and no such scan."
    )
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help="jobs, children included")
    parser.add_argument("--tracks", type=int, default=TRACKS, metavar="N", help="tracks of all of them")
    pages_command.options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill, measure, print; status 1 when a bar fails."""
    if not 200 <= args.jobs <= 200_000 or not args.jobs <= args.tracks <= 40 * args.jobs:
        print("slskdn: --jobs is 200 to 200000, --tracks 1 to 40 a job.", file=sys.stderr)
        return 2

    def subject() -> Subject:
        from slskdn_site.bench.jobs_run import many_jobs

        return many_jobs()

    return pages_command.run(args, name="jobs", sizes={"jobs": args.jobs, "tracks": args.tracks}, subject=subject)
