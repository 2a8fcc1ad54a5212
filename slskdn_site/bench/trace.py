"""`./slskdn bench trace`: what session traces cost a chunk. Options and table; the measurement is `trace_run`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

SUMMARY = "What session traces cost a chunk, where it is noted and where it is written."
MAX_CHUNKS = 6000  # all of a round fits into the sink's memory
MAX_ROUNDS = 100


def register(parser: argparse.ArgumentParser) -> None:
    """Size of the measurement."""
    parser.description = (
        "Each chunk notes what a session notes of one: asked, arrived, verified. on: into a real sink; off: the same code with none (three "
        "comparisons); the bare loop is taken off both. writer: CPU of the thread that formats and writes, rotation included. Medians of the rounds."
    )
    parser.add_argument("--chunks", type=int, default=5000, metavar="N", help="chunks a round (default: 5000)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="rounds (default: 9)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from slskdn_site.bench.trace_run import trace_bench

    if not 100 <= args.chunks <= MAX_CHUNKS or not 1 <= args.rounds <= MAX_ROUNDS:
        print(f"slskdn: --chunks is 100 to {MAX_CHUNKS}, --rounds 1 to {MAX_ROUNDS}.", file=sys.stderr)
        return 2
    report = trace_bench(chunks=args.chunks, rounds=args.rounds)
    print(json.dumps(report, indent=2) if args.json else trace_table(report))
    return 0


def trace_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    sink = report["us_per_chunk"]
    return (
        f"at the sink: {sink['on']:.2f} µs a chunk with tracing on (bar: {report['bar_us']:g}), {sink['off']:.2f} µs with it off\n"
        f"in the writing thread: {sink['writer']:.2f} µs of CPU and {report['bytes_per_chunk']} bytes a chunk; "
        f"{report['dropped']} events dropped"
    )
