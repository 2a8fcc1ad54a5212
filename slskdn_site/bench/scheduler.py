"""`./slskdn bench scheduler`: what a decision of the swarm scheduler costs. Options and table; the measurement is `scheduler_run`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

SUMMARY = "What the swarm scheduler costs a leaf, and its slowest decision with a thousand peers."
MAX_LEAVES = 16_384
MAX_ROUNDS = 20


def register(parser: argparse.ArgumentParser) -> None:
    """Size of the measurement."""
    parser.description = (
        "A real session (scheduling, metrics, verification bookkeeping, without BLAKE3) fetches a payload of 256 KiB leaves from simulated peers of "
        "different speeds in virtual time. us_per_leaf: CPU inside the session, ticks included, by number of peers. decision_ms: the longest "
        "and the 99th percentile of all calls with 1000 peers and 10,000 leaves. Medians of the rounds."
    )
    parser.add_argument(
        "--leaves",
        type=int,
        default=8000,
        metavar="N",
        help="leaves of the payload (default: 8000; far fewer measure how peers join and part)",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; status 1 when a bar fails."""
    from slskdn_site.bench.scheduler_run import scheduler_bench

    if not 200 <= args.leaves <= MAX_LEAVES or not 1 <= args.rounds <= MAX_ROUNDS:
        print(f"slskdn: --leaves is 200 to {MAX_LEAVES}, --rounds 1 to {MAX_ROUNDS}.", file=sys.stderr)
        return 2
    report = scheduler_bench(leaves=args.leaves, rounds=args.rounds)
    print(json.dumps(report, indent=2) if args.json else scheduler_table(report))
    return 0 if all(bar["holds"] for bar in report["bars"]) else 1


def scheduler_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    decision = report["decision_ms"]
    lines = [f"{peers:>5} peers: {us:6.1f} µs a leaf" for peers, us in report["us_per_leaf"].items()]
    lines.append(
        f"{decision['peers']} peers, {decision['leaves']} leaves: {decision['us_per_leaf']:.1f} µs a leaf; "
        f"a decision takes {decision['p50']:.3f} ms (median), {decision['p99']:.3f} ms (p99), {decision['worst']:.3f} ms (worst)"
    )
    lines += [
        f"{'holds' if bar['holds'] else 'FAILS'}  {bar['bar']}: {bar['value']:.3f} (bar {bar['limit']:g})"
        for bar in report["bars"]
    ]
    return "\n".join(lines)
