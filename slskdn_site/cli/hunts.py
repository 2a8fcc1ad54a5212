"""`./slskdn hunts …`: what jobs look for on Soulseek, who offers it and why one is chosen; a dry run fetches nothing. The same services as the API."""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from typing import TYPE_CHECKING

from slskdn_site.cli._answers import paged

if TYPE_CHECKING:
    from apps.soulseek.selectors_hunts import HuntDetail

SUMMARY = "Hunts on Soulseek: list, show, dry-run, pick, now, hold, resume."
_POLL_S = 0.5


def register(parser: argparse.ArgumentParser) -> None:
    """list, show, dry-run, pick, now, hold, resume; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Hunts, newest first."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("--state", default="", help="searching, asking, fetching, wishing, paused, done or cancelled")
    paged(listed)
    listed.set_defaults(run=_list)
    words = "One hunt with every candidate and its reasons."
    shown = commands.add_parser("show", help=words, description=words)
    shown.add_argument("id", type=uuid.UUID, metavar="HUNT|JOB")
    shown.set_defaults(run=_show)
    words = "Ask and compare for a job or a release, and show what would be chosen and why. Nothing is downloaded."
    dry = commands.add_parser("dry-run", help=words, description=words)
    dry.add_argument(
        "id", type=uuid.UUID, metavar="JOB|RELEASE", help="a job's id, or the MBID of a release that is known here"
    )
    dry.add_argument("--lossless", action="store_true", help="as if only lossless files would do")
    dry.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="default: %(default)s")
    dry.set_defaults(run=_dry_run)
    words = "Fetch this candidate, whatever the rules say of it."
    pick = commands.add_parser("pick", help=words, description=words)
    pick.add_argument("id", type=uuid.UUID, metavar="HUNT|JOB")
    pick.add_argument("candidate", type=int, help="its number, as `show` tells it")
    pick.set_defaults(run=_pick)
    for name, says in {
        "now": "Look at once, wish or not.",
        "hold": "No questions and no downloads.",
        "resume": "What was held goes on.",
    }.items():
        command = commands.add_parser(name, help=says, description=says)
        command.add_argument("id", type=uuid.UUID, metavar="HUNT|JOB")
        command.set_defaults(run=_act, act=name)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON")


def _list(args: argparse.Namespace) -> int:
    _setup()
    from apps.common.text import display_text
    from apps.soulseek.hunt_words import hunt_says
    from apps.soulseek.selectors_hunts import hunts_page

    page = hunts_page(state=args.state, cursor=args.cursor, limit=max(1, args.limit))
    if args.json:
        from apps.soulseek.api.hunts import HuntOut

        print(json.dumps({"items": HuntOut(page.items, many=True).data, "next": page.next_cursor}, default=str))
        return 0
    for one in page.items:
        print(f"{one.id}  {one.state:9}  {display_text(one.title, limit=80)}  {hunt_says(one)}")
    if page.next_cursor:
        print(f"… more: --cursor {page.next_cursor}")
    return 0


def _show(args: argparse.Namespace) -> int:
    _setup()
    return _told(_hunt_id(args.id), as_json=args.json)


def _dry_run(args: argparse.Namespace) -> int:
    """Exit status 0: something would be chosen; 1: nothing; 3: not over within the time."""
    _setup()
    from apps.jobs.services_hunts import job_rehearse, release_rehearse
    from apps.soulseek.selectors_hunts import hunt_view

    hunt_id = job_rehearse(args.id, lossless=args.lossless) or release_rehearse(args.id, lossless=args.lossless)
    until = time.monotonic() + max(0.0, args.timeout)
    told = ""
    while (view := hunt_view(hunt_id)) is not None and view.state != "done" and time.monotonic() < until:
        from apps.soulseek.hunt_words import hunt_says

        if not args.json and (says := hunt_says(view)) != told:
            told = says
            print(says, file=sys.stderr)
        time.sleep(_POLL_S)
    status = _told(hunt_id, as_json=args.json)
    if view is None or view.state != "done":
        return 3
    return status or (0 if view.code == "hunt_dry_run" else 1)


def _pick(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_hunt import hunt_pick

    batch = hunt_pick(_hunt_id(args.id), args.candidate)
    print(json.dumps({"batch": str(batch)}) if args.json else f"Asked for: batch {batch}")
    return 0


def _act(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_hunt import hunt_hold, hunt_resume, hunt_search_now

    hunt_id = _hunt_id(args.id)
    {"now": hunt_search_now, "hold": hunt_hold, "resume": hunt_resume}[args.act](hunt_id)
    return _told(hunt_id, as_json=args.json)


def _hunt_id(named: uuid.UUID) -> uuid.UUID:
    """Of a hunt, or of a job's hunt."""
    from apps.soulseek.selectors_hunts import hunt_of_job

    view = hunt_of_job(named)
    return view.id if view is not None else named


def _told(hunt_id: uuid.UUID, *, as_json: bool) -> int:
    from apps.soulseek.selectors_hunts import hunt_detail
    from apps.soulseek.services_hunt import HuntUnknown

    detail = hunt_detail(hunt_id)
    if detail is None:
        raise HuntUnknown("There is no such hunt.", hunt=str(hunt_id))
    if as_json:
        from apps.soulseek.api.hunts import HuntDetailOut

        print(json.dumps(HuntDetailOut(detail).data, default=str))
    else:
        _print(detail)
    return 0


def _print(detail: HuntDetail) -> None:
    from apps.common.text import display_text
    from apps.soulseek.hunt_words import hunt_says, missing_says, reasons, refused_says

    print(
        f"{detail.hunt.id}  {detail.hunt.state}  {display_text(detail.hunt.title, limit=100)}  {hunt_says(detail.hunt)}"
    )
    for one in detail.candidates:
        mark = "*" if one.chosen else "+" if one.tried_at else "-" if one.refused else " "
        print(
            f"{mark} {one.id:6}  {one.score * 100:3.0f} %  {display_text(one.user, limit=40)}  {display_text(one.folder, limit=160)}"
        )
        if one.refused:
            print(f"            not asked: {refused_says(one)}")
        for reason in reasons(one):
            print(f"            {reason}")
        if one.missing:
            print(f"            lacks {display_text(missing_says(one), limit=300)}")
        for at in one.chosen:
            print(f"            → {display_text(str(one.files[at]['path']), limit=300)}")
    print("* would be taken   + was asked   - may not be asked" if detail.candidates else "No candidates.")


def _setup() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()
