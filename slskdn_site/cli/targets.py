"""`./slskdn targets …`: what you mean to have, how much of it is held, and the job for what is missing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import uuid

SUMMARY = "Releases and recordings that you mean to have: list, show, add, get what is missing."
STATES = ("unknown", "absent", "partial", "wrong", "extra", "complete")
KINDS = ("release", "recording")


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="Targets, newest first.", description="Targets, newest first.")
    listing.add_argument("--state", choices=STATES, default="")
    listing.add_argument("--text", default="", help="part of title or artist")
    listing.add_argument("--limit", type=int, default=200, metavar="N")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a target")
    listing.set_defaults(run=_list)
    for name, what, run in (
        ("show", "One, track by track; also one that is no target.", _show),
        ("add", "Mean to have it.", _add),
        ("forget", "Mean it no more; files and jobs stay.", _forget),
        ("get-missing", "Make a job for exactly the tracks that are missing.", _get),
        ("related", "What belongs to it, from what the catalog knows.", _related),
    ):
        one = commands.add_parser(name, help=what, description=what)
        one.add_argument("mbid", type=uuid.UUID, metavar="MBID")
        one.add_argument("--kind", choices=KINDS, default="release")
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(run=run)
    count = commands.add_parser(
        "count", help="Count anew what the library changed.", description="Count anew what the library changed."
    )
    count.set_defaults(run=_count)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.text import display_text
    from apps.jobs.selectors_targets import TARGET_ORDER, target_query, target_row

    for row in target_query(state=args.state, text=args.text).order_by(*TARGET_ORDER)[: max(1, args.limit)]:
        one = target_row(row)
        if args.json:
            print(json.dumps(dataclasses.asdict(one), default=str))
        else:
            name = display_text(f"{one.artist} - {one.title}" if one.artist else one.title or str(one.mbid))
            print(f"{one.mbid}  {one.state:<8}  {one.held:>3}/{one.tracks:<3}  {name}")
    return 0


def _show(args: argparse.Namespace) -> int:
    """Exit status 0: complete (or more); 1: not."""
    _ready()
    from apps.common.sentences import sentence
    from apps.common.text import display_text
    from apps.domain.jobs.targets import TargetKind, TargetState
    from apps.jobs.selectors_targets import target_view

    view = target_view(TargetKind(args.kind), args.mbid)
    if args.json:
        print(json.dumps(dataclasses.asdict(view), default=str))
    else:
        print(
            f"{display_text(view.artist)} - {display_text(view.title)}  [{view.state}]  {view.held}/{len(view.tracks)}"
        )
        for track in view.tracks:
            file = f"  {display_text(track.file.path)}" if track.file is not None else ""
            why = f"  ({sentence(track.code)})" if track.code else ""
            why = f"  [{track.verification}]{why}" if track.verification else why
            print(f"  {track.disc}-{track.position:02}  {track.state:<9}  {display_text(track.title)}{file}{why}")
        for extra in view.extra:
            print(f"  extra  {display_text(extra.path)}")
    return 0 if view.state in {TargetState.COMPLETE, TargetState.EXTRA} else 1


def _add(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_targets import target_choose

    key = target_choose(args.kind, args.mbid)
    print(json.dumps({"id": str(key)}) if args.json else "Noted.")
    return 0


def _forget(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_targets import target_forget

    target_forget(args.mbid)
    return 0


def _get(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services_targets import target_get_missing

    made = target_get_missing(args.kind, args.mbid)
    print(json.dumps({"job": str(made.id)}) if args.json else made.id)
    return 0


def _related(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.text import display_text
    from apps.jobs.selectors_related import related_to_recording, related_to_release

    sections = related_to_release(args.mbid) if args.kind == "release" else related_to_recording(args.mbid)
    if args.json:
        print(json.dumps([dataclasses.asdict(one) for one in sections], default=str))
        return 0
    for section in sections:
        print(f"{section.section}{f': {display_text(section.about)}' if section.about else ''}")
        for item in section.items:
            told = " · ".join(display_text(one) for one in (item.artist, *item.facts, item.note) if one)
            print(f"  {item.mbid}  {display_text(item.title)}  {told}")
    return 0


def _count(args: argparse.Namespace) -> int:
    _ready()
    from django.utils import timezone

    from apps.jobs.services_targets import targets_count

    began, counted = timezone.now(), 0
    while some := targets_count(now=began):
        counted += some
    print(f"{counted} targets counted.")
    return 0
