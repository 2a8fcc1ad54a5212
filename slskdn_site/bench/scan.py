"""`./slskdn bench scan`: what reading the library costs, beside fpcalc and ffmpeg. Options and table; the measurement is `scan_run`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = "What fingerprints, the full analysis and a re-scan cost, beside fpcalc and ffmpeg on the same files."
MAX_ROUNDS = 20
MAX_FILES = 200


def register(parser: argparse.ArgumentParser) -> None:
    """Size of the measurement."""
    parser.description = (
        "CPU of one warm worker (a process that has read a file before, its children included, as the pool's processes live for days) beside the "
        "CPU of whole fpcalc and ffmpeg processes, one a file, on the same files; medians of interleaved rounds. Lengths other than 240 s are "
        "brought to 240 s. speedup_two_workers: the wall time of a batch with one process of Celery's pool, divided by that with two. rescan_s: "
        "an unchanged library of 100,000 files, warm."
    )
    parser.add_argument(
        "--music", metavar="DIR", default="", help="sound files to read (default: music made on the spot)"
    )
    parser.add_argument(
        "--files", type=int, default=12, metavar="N", help="files of --music read at most (default: 12)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (default: 3)")
    parser.add_argument("--without-rescan", action="store_true", help="leave the re-scan out")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; status 1 when a bar fails, 2 for a wrong option."""
    from slskdn_site.bench.scan_run import NoMusic, scan_bench

    if not 1 <= args.rounds <= MAX_ROUNDS or not 1 <= args.files <= MAX_FILES:
        print(f"slskdn: --rounds is 1 to {MAX_ROUNDS}, --files 1 to {MAX_FILES}.", file=sys.stderr)
        return 2
    try:
        report = scan_bench(
            music=Path(args.music).expanduser().absolute() if args.music else None,
            files=args.files,
            rounds=args.rounds,
            rescan=not args.without_rescan,
        )
    except NoMusic as error:
        print(f"slskdn: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2) if args.json else scan_table(report))
    return 0 if all(bar["holds"] is not False for bar in report["bars"]) else 1


def scan_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    lines = [
        f"{report['files']} files, {report['seconds']:.0f} s of sound, {report['rounds']} rounds",
        f"fingerprint: {_number(report['fingerprint_cpu_s'])} CPU-s a file, fpcalc {_number(report['fpcalc_cpu_s'])}",
        f"analysis of 240 s: {_number(report['full_cpu_s_per_240s'])} CPU-s, ebur128 {_number(report['ebur128_cpu_s_per_240s'])}",
        f"two workers: {_number(report['speedup_two_workers'])} times as fast as one; a worker holds {report['rss_mb']:.0f} MB",
        f"re-scan of {report['rescan_files'] or 0} unchanged files: {_number(report['rescan_s'])} s",
    ]
    lines += [
        f"{ {True: 'holds', False: 'FAILS', None: 'open'}[bar['holds']]:5}  {bar['bar']}: {_number(bar['value'])} (bar {bar['limit']:g})"
        for bar in report["bars"]
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in report["notes"])])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
