"""`./slskdn bench transport`: what a swarm on loopback costs and how fast it is, beside other programs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = "A download from three nodes at once, beside nginx with curl and aria2, and libtorrent."
MAX_MIB = 4096  # a payload has at most 16,384 leaves of 256 KiB
MAX_ROUNDS = 50


def register(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.description = (
        "Three seeding nodes, one downloading node, mutual TLS on loopback, every leaf verified; in turn with nginx and curl, nginx and aria2 over HTTPS, "
        "libtorrent in plain text and encrypted, and ours with Twisted's own TLS class (stock), whichever are installed. CPU seconds (user + system, of the "
        "processes of a side) per GiB, and MB/s: medians and extremes of the rounds. Then once: 32 seeders, and the memory of a node that serves 100 idle "
        "and 8 busy peers. Other work on the machine disturbs the figures, speed more than CPU."
    )
    parser.add_argument("--mib", type=int, default=512, metavar="N", help="size of the payload (default: 512)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of each contender (default: 5)")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="leave out all parts but these, and ours: nginx_curl aria2 libtorrent_plain libtorrent_encrypted stock peers_32 memory",
    )
    parser.add_argument(
        "--dir", type=Path, metavar="DIR", help="work in a new folder below DIR (default: in memory, /dev/shm)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one report as JSON at the end, progress to standard error"
    )
    parser.set_defaults(run=run_transport)


def run_transport(args: argparse.Namespace) -> int:
    """Measure and print."""
    from slskdn_site.bench.transport_run import PARTS, TransportOptions, transport_bench

    if not 1 <= args.mib <= MAX_MIB or not 1 <= args.rounds <= MAX_ROUNDS:
        print(f"slskdn: --mib is 1 to {MAX_MIB}, --rounds 1 to {MAX_ROUNDS}.", file=sys.stderr)
        return 2
    if args.dir is not None and not args.dir.is_dir():
        print(f"slskdn: {args.dir} is not a folder.", file=sys.stderr)
        return 2
    if unknown := sorted(set(args.only) - set(PARTS)):
        print(f"slskdn: there is no part {unknown[0]!r}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    options = TransportOptions(
        mib=args.mib,
        rounds=args.rounds,
        folder=args.dir.absolute() if args.dir is not None else None,
        only=frozenset(args.only),
    )
    report = transport_bench(options, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(report, indent=2) if args.json else transport_table(report))
    return 0


def transport_table(report: Mapping[str, Any]) -> str:
    """The report for a person."""
    lines = [
        f"{report['mib']} MiB, {report['rounds']} rounds; median (least–most)",
        f"{'':<20} {'download CPU s/GiB':>20} {'seed CPU s/GiB':>20} {'sum CPU s/GiB':>20} {'MB/s':>18} {'CPU / ours':>11}",
    ]
    for name, one in {"ours": report["ours"], "stock": report["stock"], **report["peers"]}.items():
        if one is None:
            lines.append(f"{name:<20} not measured")
            continue
        cells = [
            f"{one['cpu_s_per_gib'][side]:.2f} ({one['least']['cpu_s_per_gib'][side]:.2f}–{one['most']['cpu_s_per_gib'][side]:.2f})"
            for side in ("download", "seed", "sum")
        ]
        speed = f"{one['mb_per_s']:.0f} ({one['least']['mb_per_s']:.0f}–{one['most']['mb_per_s']:.0f})"
        ratio = one["cpu_s_per_gib"]["sum"] / report["ours"]["cpu_s_per_gib"]["sum"]
        lines.append(f"{name:<20} {cells[0]:>20} {cells[1]:>20} {cells[2]:>20} {speed:>18} {ratio:>11.2f}")
    lines.append("CPU / ours above 1: ours is cheaper.")
    delay, machine = report["reactor_delay_ms"], report["machine"]
    lines.append(
        f"event loop delay in the downloader: p50 {delay['p50']:.1f} ms, p99 {delay['p99']:.1f} ms ({delay['p99_least']:.1f}–{delay['p99_most']:.1f})"
    )
    if (many := report["peers_32"]) is not None:
        lines.append(
            f"32 seeders: {many['cpu_s_per_gib']:.2f} CPU s/GiB, {many['ratio_to_3']:.2f} times what three need"
        )
    if (memory := report["memory"]) is not None:
        lines.append(
            f"memory of a node that serves {memory['idle']} idle and {memory['busy']} busy peers: {memory['rss_mb']:.0f} MB"
        )
    if (scheduling := report["scheduling"]) is not None:
        lines.append(
            f"scheduling, metrics, bookkeeping: {scheduling['cpu_s_per_gib']:.3f} CPU s/GiB, {scheduling['share']:.1%} of both sides, "
            f"{scheduling['share_of_download']:.1%} of the download"
        )
    for bar in report["bars"]:
        verdict = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}[bar["holds"]]
        value = "–" if bar["value"] is None else f"{bar['value']:g}"
        lines.append(f"bar {bar['name']:<22} {value:>8}  {bar['bar']:<8} {verdict}")
    lines.append(
        f"{machine['cpus']} CPUs, load {machine['load_before']:.1f} before and {machine['load_after']:.1f} after, Python {machine['python']}"
    )
    return "\n".join(lines)
