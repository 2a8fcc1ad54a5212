"""`./slskdn stats …`: what this node gave and took over both networks."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from apps.domain.soulseek.traffic_windows import DEFAULT_WINDOW, WINDOWS

if TYPE_CHECKING:
    from apps.domain.soulseek.fairness import Traffic
    from apps.soulseek.selectors_traffic import ContributionView

SUMMARY = "What this node gave and took over Soulseek and the mesh, and how fair that is."
_COLUMNS = ("soulseek up", "soulseek down", "mesh up", "mesh down")


def register(parser: argparse.ArgumentParser) -> None:
    """traffic and contribution, each with --window and --json."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Bytes of both networks: rolling windows, since the node's start, of all time, and by job."
    traffic = commands.add_parser("traffic", help=what, description=what)
    traffic.add_argument("--job", metavar="ID", type=uuid.UUID, help="what this job took, alone")
    traffic.set_defaults(run=_traffic)
    what = "What was given and taken in a window, in words; the rules of fairness, and what was held back."
    contribution = commands.add_parser("contribution", help=what, description=what)
    contribution.set_defaults(run=_contribution)
    for command in (traffic, contribution):
        command.add_argument(
            "--window", choices=list(WINDOWS), default=DEFAULT_WINDOW, help=f"rolling window (default {DEFAULT_WINDOW})"
        )
        command.add_argument("--json", action="store_true", help="print JSON")


def _traffic(args: argparse.Namespace) -> int:
    _ready()
    from apps.soulseek.selectors_traffic import job_lines, traffic_view
    from apps.soulseek.traffic_told import traffic_told

    view = traffic_view()
    if args.json:
        return _print(traffic_told(view, window=args.window, job=str(args.job or "")))
    if args.job:
        lines = job_lines(job_id=args.job)
        for one in lines:
            print(f"{one.job_id}  soulseek {_size(one.soulseek_bytes)}  mesh {_size(one.overlay_bytes)}")
        if not lines:
            print("This job took nothing yet.")
        return 0
    print(f"{'':14}" + "".join(f"{name:>15}" for name in _COLUMNS))
    rows: list[tuple[str, Traffic | None]] = [
        (f"last {name}", traffic) for name, traffic in sorted(view.windows.items(), key=lambda one: WINDOWS[one[0]])
    ]
    for name, traffic in [*rows, ("since start", view.since_start), ("all time", view.all_time)]:
        mark = "→ " if name == f"last {args.window}" else "  "
        print(f"{mark}{name:12}" + (_cells(traffic) if traffic is not None else "  the node is not running"))
    return 0


def _contribution(args: argparse.Namespace) -> int:
    _ready()
    from django.conf import settings

    from apps.soulseek.selectors_traffic import contribution_view
    from apps.soulseek.traffic_told import contribution_told

    view = contribution_view(window=args.window, rules=settings.FAIRNESS, mode=settings.CONFIG.mode)
    if args.json:
        return _print(contribution_told(view))
    for line in _report(view):
        print(line)
    return 0


def _report(view: ContributionView) -> list[str]:
    """S1's contribution report, with our words."""
    from apps.common.sentences import sentence
    from apps.domain.soulseek.contribution import COLOUR_WORDS, RULE_WORDS
    from apps.domain.soulseek.fairness import DAY_RULE, shown

    traffic, lines = view.traffic, [f"Contribution, last {view.window}", ""]
    for name, soulseek, overlay in (
        ("Uploaded", traffic.soulseek_up, traffic.overlay_up),
        ("Downloaded", traffic.soulseek_down, traffic.overlay_down),
    ):
        lines += [
            f"{name}:",
            f"  Soulseek  {_size(soulseek):>12}",
            f"  Mesh      {_size(overlay):>12}",
            f"  Total     {_size(soulseek + overlay):>12}",
            "",
        ]
    lines += [sentence(one.code, one.params).what for one in view.said]
    if view.ratios.total is not None:
        lines.append(f"Ratio: {view.ratios.total:.2f}:1 (uploaded to downloaded)")
    lines += [f"Status: {COLOUR_WORDS[view.status]}", ""]
    for state in view.states:
        ratio = shown(state.ratio)
        unit = " GiB" if state.rule == DAY_RULE else ""
        figure = "–" if ratio is None else f"{ratio:g}{unit}"
        lines.append(
            f"{RULE_WORDS[state.rule][0]}: {figure} (limit {state.limit:g}{unit}) {COLOUR_WORDS[state.colour]}"
        )
    governor = view.governor
    if view.rules.generous:
        lines.append("Generous: nothing is held back.")
    elif governor.code:
        lines.append(sentence(governor.code, governor.params).what)
    else:
        lines.append("The node is not running, or says nothing of the rules yet.")
    if view.actions:
        lines.append("")
    for row in view.actions:
        words = sentence(str(row.params.get("code", "")), row.params).what
        lines.append(f"{row.at:%Y-%m-%d %H:%M}  {row.action:12} {round(row.share * 100):>3} %  {row.rule}  {words}")
    return lines


def _cells(traffic: Traffic) -> str:
    return "".join(
        f"{_size(count):>15}"
        for count in (traffic.soulseek_up, traffic.soulseek_down, traffic.overlay_up, traffic.overlay_down)
    )


def _size(count: int) -> str:
    from apps.common.templatetags.slskdn import size

    return size(count).replace("\u202f", " ")


def _print(answer: Mapping[str, object]) -> int:
    json.dump(answer, sys.stdout, indent=2)
    print()
    return 0


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()
