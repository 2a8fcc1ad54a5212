"""Lists of peers for the terminal: performance, metrics, reputations. Used by `./slskdn swarm` and `./slskdn mesh`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from apps.peers.selectors_metrics import MetricsRow

View = Literal["stats", "metrics", "reputation"]
DEFAULT_LIMIT = 50
MAX_LIMIT = 100_000


def list_options(parser: argparse.ArgumentParser) -> None:
    """--json, --limit, --sort, --standing, --peer."""
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help=f"how many (default {DEFAULT_LIMIT})")
    parser.add_argument(
        "--sort",
        choices=[
            "last_active",
            "lowest_reputation",
            "highest_reputation",
            "fastest",
            "slowest",
            "most_errors",
            "most_timeouts",
        ],
        default="last_active",
        help="order (default last_active)",
    )
    parser.add_argument(
        "--standing",
        choices=["preferred", "neutral", "down_weighted", "quarantined"],
        help="only peers of this standing",
    )
    parser.add_argument("--peer", default="", metavar="ID", help="only peers whose id begins so")


def peers_print(args: argparse.Namespace, view: View) -> int:
    """Print the peers that `list_options` named."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from django.conf import settings

    from apps.domain.peers.reputation import Standing
    from apps.peers.api.serializers import metrics_body, reputation_body, stats_body
    from apps.peers.selectors_metrics import MetricsSort, metrics_list, metrics_query

    chosen, limit = settings.SWARM_SCHEDULER, max(1, min(args.limit, MAX_LIMIT))
    wanted = Standing(args.standing) if args.standing else None
    sort = MetricsSort(args.sort)
    rows = metrics_list(
        sort=sort,
        limit=limit + 1,
        text=args.peer,
        wanted=wanted,
        weights=chosen.weights,
        min_reputation=chosen.min_reputation,
    )
    shown, more = rows[:limit], len(rows) > limit
    if args.json:
        body = {"stats": stats_body, "metrics": metrics_body, "reputation": reputation_body}[view]
        print(json.dumps({"peers": [body(row) for row in shown], "more": more}, default=str))
        return 0
    if not shown:
        narrowed = args.peer or args.standing
        print("No peer matches." if narrowed else "No peer gave or refused us anything yet.")
        return 0
    heads, lines = {"stats": _stats, "metrics": _metrics, "reputation": _reputation}[view](shown)
    print(heads)
    print("\n".join(lines))
    if more:
        every = metrics_query(text=args.peer, wanted=wanted, min_reputation=chosen.min_reputation, sort=sort).count()
        print(f"… and {every - len(shown)} more: --limit {every} shows all.")
    return 0


def _stats(rows: list[MetricsRow]) -> tuple[str, list[str]]:
    heads = f"{'PEER':16}  {'RTT':>8}  {'THROUGHPUT':>12}  {'ERRORS':>7}  {'TIMEOUTS':>8}  {'COST':>7}  REPUTATION"
    return heads, [
        f"{row.key[:16]:16}  {_rtt(row):>8}  {_pace(row):>12}  {row.metrics.error_rate:>7.1%}  "
        f"{row.metrics.timeout_rate:>8.1%}  {row.cost.total:>7.2f}  {row.reputation.score:.2f}"
        for row in rows
    ]


def _metrics(rows: list[MetricsRow]) -> tuple[str, list[str]]:
    heads = (
        f"{'PEER':16}  {'GOOD':>8}  {'CORRUPT':>7}  {'FAILED':>7}  {'TIMEOUTS':>8}  {'LEFT':>6}  {'NOT HELD':>8}  "
        f"{'CLAIMS':>6}  {'BUSY':>6}  {'VERIFIED':>10}  {'RTT':>8}  {'THROUGHPUT':>12}"
    )
    return heads, [
        f"{row.key[:16]:16}  {one.successful:>8.1f}  {one.corrupt:>7.1f}  {one.failures:>7.1f}  {one.timeouts:>8.1f}  "
        f"{one.cancelled_by_peer:>6.1f}  {one.not_delivered:>8.1f}  {one.wrong_claims:>6.1f}  {one.busy:>6.1f}  "
        f"{size(one.verified_bytes):>10}  {_rtt(row):>8}  {_pace(row):>12}"
        for row in rows
        for one in (row.metrics,)
    ]


def _reputation(rows: list[MetricsRow]) -> tuple[str, list[str]]:
    from apps.peers.words import STANDING_WORDS, reasons_in_words

    heads = f"{'PEER':16}  {'SCORE':>5}  {'STANDING':13}  REASON"
    return heads, [
        f"{row.key[:16]:16}  {row.reputation.score:>5.2f}  {STANDING_WORDS[row.standing]!s:13}  "
        f"{reasons_in_words(row.reputation)}"
        for row in rows
    ]


def _rtt(row: MetricsRow) -> str:
    rtt = row.metrics.rtt_s
    return "–" if rtt is None else f"{1000 * rtt:.0f} ms"


def _pace(row: MetricsRow) -> str:
    found = row.metrics.throughput_bps
    return "–" if found is None else speed(found)


def size(count_bytes: float) -> str:
    """Bytes with a binary unit."""
    amount = float(count_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} TiB"


def speed(bytes_per_s: float) -> str:
    """Bytes per second."""
    return f"{size(bytes_per_s)}/s"


def span(seconds: float) -> str:
    """Seconds in a word or two."""
    whole = int(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
