"""`./slskdn discogs …`: releases, masters, labels and artists of Discogs, and jobs for releases that only Discogs has."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.catalog.discogs_view import DiscogsView
    from apps.domain.catalog.links import DiscogsKind

SUMMARY = (
    "Discogs: show what it says of a release, master, label or artist, and ask for a release that only Discogs has."
)
KINDS = ("release", "master", "label", "artist")


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "What Discogs says; asked for in this process if it is not kept, or older than 30 days."
    show = commands.add_parser("show", help=what, description=what)
    show.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    show.add_argument("id", metavar="ID", help="number, or address at Discogs")
    show.add_argument("--refresh", action="store_true", help="ask again, however fresh it is")
    show.add_argument("--offline", action="store_true", help="only what is kept")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    what = "Make a job for a Discogs release; files of the library that fit by title and length complete its tracks."
    ask = commands.add_parser("get", help=what, description=what)
    ask.add_argument("id", metavar="ID", help="number, or address of a release at Discogs")
    ask.add_argument("--json", action="store_true", help="print JSON")
    ask.set_defaults(run=_get)


def _number(kind: str, text: str) -> int:
    """Read a number or an address. Raises DomainError `discogs_number_invalid`."""
    from apps.domain.errors import DomainError

    match = re.fullmatch(r"\[?[rmal]?=?(\d{1,10})\]?", text.strip()) or re.search(rf"/{kind}/(\d{{1,10}})", text)
    if match is None or int(match[1]) == 0:
        raise DomainError("This is no number and no address at Discogs of that kind.", code="discogs_number_invalid")
    return int(match[1])


def _show(args: argparse.Namespace) -> int:
    """Exit status 1 if it is not known."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.catalog.discogs_view import discogs_view
    from apps.domain.catalog.links import DiscogsKind

    kind = DiscogsKind(args.kind)
    number = _number(args.kind, args.id)
    if not args.offline:
        _fetch(kind, number, refresh=args.refresh)
    view = discogs_view(kind, number)
    if view is None:
        print("Nothing is kept of it.")
        return 1
    if args.json:
        from apps.catalog.api.discogs import DiscogsOut

        print(json.dumps(DiscogsOut(view).data, default=str))
    else:
        _print(view)
    return 0


def _fetch(kind: DiscogsKind, number: int, *, refresh: bool) -> None:
    from workers.composition import discogs

    discogs().facts(kind, number, refresh=refresh)


def _print(view: DiscogsView) -> None:
    from apps.common.text import display_text
    from apps.domain.catalog.discogs import DiscogsRelease, duration_text

    by = f"{display_text(view.artist)} - " if view.artist else ""
    print(f"{by}{display_text(view.name)}\n{view.address}")
    facts = view.facts
    if isinstance(facts, DiscogsRelease):
        labels = ", ".join(f"{one.shown} {one.catno}".strip() for one in facts.labels[:6])
        formats = ", ".join(f"{one.qty} × {one.name}" if one.qty > 1 else one.name for one in facts.formats[:6])
        told = (facts.date, facts.country, labels, formats, ", ".join(facts.barcodes[:3]))
        print(" · ".join(display_text(one) for one in told if one))
    for one in view.linked:
        print(f"MusicBrainz {one.kind} {one.mbid}")
    if not view.linked and view.kind.value == "release":
        print(f"No link at MusicBrainz is known; jobs and targets of it go by {view.derived_id}")
    for medium in view.media:
        print(f"  {medium.position} {medium.format}")
        for track in medium.tracks:
            length = duration_text(track.length_ms // 1000) if track.length_ms else "?"
            print(f"    {track.number or track.position!s:<6} {length:>6}  {display_text(track.title)}")
    print(f"asked for {view.fetched_at:%Y-%m-%d %H:%M} UTC{'' if view.fresh else ', more than 30 days ago'}")


def _get(args: argparse.Namespace) -> int:
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.domain.catalog.identity import discogs_id
    from apps.jobs.services import job_create

    number = _number("release", args.id)
    made = job_create(
        kind="mb_release",
        target_mbid=discogs_id("release", number),
        target_source="discogs",
        target_ref=str(number),
    )
    print(json.dumps({"job": str(made.id)}) if args.json else made.id)
    return 0
