"""`./slskdn editions GROUP`: which edition of an album what is held and offered makes best, and what would complete it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.jobs.selectors_editions import PlanView

SUMMARY = "Which edition of an album is it, by what is held and offered; every penalty, and the cheapest change."


def register(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("group", type=uuid.UUID, metavar="GROUP", help="MBID of the release group")
    parser.add_argument("--strict", type=uuid.UUID, metavar="RELEASE", help="judge this release alone, by its word")
    parser.add_argument("--tracks", action="store_true", help="show every track of the best edition")
    parser.add_argument("--limit", type=int, default=6, metavar="N", help="editions shown (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    """Exit status 0: an edition is complete with what is held and offered; 1: none is."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.jobs.selectors_editions import editions_view

    view = editions_view(args.group, strict=args.strict)
    if args.json:
        print(json.dumps(dataclasses.asdict(view), default=str))
    else:
        print(f"{view.artist} - {view.title}: editions: {view.editions}, offers: {len(view.offers)}\n{view.says}")
        for number, plan in enumerate(view.plans[: max(1, args.limit)]):
            _print(plan, tracks=args.tracks and number == 0)
        for plan in view.nearer[: max(1, args.limit)]:
            print("nearer:")
            _print(plan, tracks=False)
    return 0 if view.plans and view.plans[0].complete else 1


def _print(plan: PlanView, *, tracks: bool) -> None:
    from apps.common.text import display_text

    release = plan.release
    facts = (
        release.date,
        release.country,
        release.label,
        release.catalog_number,
        release.barcode,
        f"{len(plan.tracks)} tracks",
    )
    print(f"{plan.cost:.4f}  {release.mbid}  {' · '.join(display_text(fact) for fact in facts if fact)}")
    print(f"        from {plan.base.kind} {display_text(plan.base.name)}. {plan.change}")
    for penalty in plan.penalties:
        print(f"      +{penalty.cost:<5} {penalty.says}")
    for track in plan.tracks if tracks else ():
        why = "; ".join(penalty.says for penalty in track.penalties)
        print(f"    {track.disc}-{track.position:02}  {track.state:<8}  {display_text(track.title)}  {why}")
