"""`./slskdn bench library`: what a large library's requests cost. The sizes; rows are `library_rows`, requests `library_requests`, all else `pages_command` and `pages_run`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from slskdn_site.bench import pages_command

if TYPE_CHECKING:
    from slskdn_site.bench.pages_run import Subject

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
    parser.add_argument("--variants", type=int, default=0, metavar="N", help="variants, each with a file")
    parser.add_argument("--issues", type=int, default=0, metavar="N", help="issues")
    pages_command.options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fill, measure, print; status 1 when a bar fails."""
    variants, issues = POSTGRES if args.postgres is not None else SQLITE
    variants, issues = args.variants or variants, args.issues or issues
    if not 100 <= variants <= 5_000_000 or not 10 <= issues <= variants:
        print("slskdn: --variants is 100 to 5000000, --issues 10 to as many.", file=sys.stderr)
        return 2

    def subject() -> Subject:
        from slskdn_site.bench.library_run import library

        return library(variants)

    return pages_command.run(args, name="library", sizes={"variants": variants, "issues": issues}, subject=subject)
