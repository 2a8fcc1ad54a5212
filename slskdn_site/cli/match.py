"""`./slskdn match …`: which release each folder is; look, decide, and match here and now."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.match_view import ExplainedView, FolderView

SUMMARY = "Match folders to releases: list, show every penalty, choose, ignore, run."
STATES = ("pending", "matched", "ambiguous", "unmatched", "confirmed", "ignored")


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser(
        "list", help="Folders and their releases.", description="Folders and their releases, newest first."
    )
    listing.add_argument("--state", choices=STATES, default="")
    listing.add_argument("--limit", type=int, default=200, metavar="N")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a folder")
    listing.set_defaults(run=_list)
    show = commands.add_parser(
        "show", help="One folder with every penalty.", description="One folder with every penalty."
    )
    show.add_argument("id", type=int, metavar="ID")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    what = "Say which release a folder is; it stays so, whatever is found later."
    choose = commands.add_parser("choose", help=what, description=what)
    choose.add_argument("id", type=int, metavar="ID")
    choose.add_argument("release", metavar="MBID")
    choose.add_argument("--not", action="store_true", dest="refuse", help="say that it is not this release")
    choose.set_defaults(run=_choose)
    ignore = commands.add_parser("ignore", help="Leave folders alone.", description="Leave folders alone.")
    ignore.add_argument("ids", type=int, nargs="+", metavar="ID")
    ignore.set_defaults(run=_ignore)
    what = "Match what waits here and now, without a worker; with IDs, those again from the start."
    run = commands.add_parser("run", help=what, description=what)
    run.add_argument("ids", type=int, nargs="*", metavar="ID")
    run.add_argument(
        "--dry-run", default="", metavar="PATH", help="tell what a folder would be matched to, and write nothing of it"
    )
    run.add_argument("--offline", action="store_true", help="ask nobody: what is cached must do")
    run.add_argument("--json", action="store_true", help="print JSON")
    run.set_defaults(run=_run)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.match_words import decision_says
    from apps.library.selectors_match import FOLDER_ORDER, folder_query

    for row in folder_query(state=args.state).order_by(*FOLDER_ORDER)[: max(1, args.limit)]:
        says = decision_says(row.code, row.params)
        if args.json:
            told = {
                "id": row.id,
                "root": row.root.path,
                "folder": row.display,
                "state": row.state,
                "code": row.code,
                "params": row.params,
                "release_mbid": str(row.release_mbid or "") or None,
                "distance": row.distance,
                "files": row.files,
            }
            print(json.dumps(told))
        else:
            print(f"{row.id:>6}  {row.state:<9}  {row.display}\n                   {says}")
    return 0


def _show(args: argparse.Namespace) -> int:
    _ready()
    view = _view(args.id)
    if args.json:
        print(json.dumps(dataclasses.asdict(view), default=str))
        return 0
    print(f"{view.folder}  [{view.state}]\n{view.says}")
    for one in view.explained:
        _print_explained(one)
    for candidate in view.candidates:
        mark = "*" if candidate.chosen else " "
        facts = " ".join(filter(None, (candidate.date, candidate.country, candidate.label, candidate.catalog_number)))
        print(
            f"{mark} {candidate.distance:.3f}  {candidate.mbid}  {candidate.artist} - {candidate.title}  {facts}  {candidate.pairs}/{candidate.tracks}"
        )
        for penalty in candidate.penalties:
            print(f"      +{penalty.cost:<5} {penalty.says}")
    return 0


def _print_explained(one: ExplainedView) -> None:
    print(
        f"\n{one.release.get('artist', '')} - {one.release.get('title', one.album)}  distance {one.distance}\n{one.change}"
    )
    for penalty in one.penalties:
        print(f"  +{penalty.cost:<5} {penalty.says}")
    for track in one.pairs:
        why = "; ".join(penalty.says for penalty in track.penalties) or "the same"
        print(f"  {track.disc}-{track.track:<3} {track.title}  ← {track.file}: {why}")
    for track in one.missing:
        print(f"  {track.disc}-{track.track:<3} {track.title}  missing")
    for track in one.extra:
        print(f"  extra  {track.file or track.title}")


def _choose(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services import mbid_of
    from apps.library.services_match import folder_choose, folder_refuse

    deed = folder_refuse if args.refuse else folder_choose
    deed(args.id, release_mbid=mbid_of(args.release))
    print("Noted. A worker matches the folder anew; `match run` does it at once.", file=sys.stderr)
    return 0


def _ignore(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.services_match import folder_ignore

    for one in args.ids:
        folder_ignore(one)
    return 0


def _run(args: argparse.Namespace) -> int:
    """Exit status 1 if the folder of a dry run is not known."""
    _ready()
    from apps.library.services_match import folder_again
    from workers.composition import musicbrainz
    from workers.match_folders import match_due

    service = None if args.offline else musicbrainz()
    if args.dry_run:
        return _dry_run(args)
    for one in args.ids:
        folder_again(one)
    decided, more = match_due(musicbrainz=service, clock=time.monotonic, budget_s=3600.0)
    while more:
        some, more = match_due(musicbrainz=service, clock=time.monotonic, budget_s=3600.0)
        decided += some
    print(json.dumps({"decided": decided}) if args.json else f"{decided} folders decided.")
    return 0


def _dry_run(args: argparse.Namespace) -> int:
    from apps.library.match_kept import explanation_json
    from apps.library.match_view import explained_view
    from apps.library.match_words import decision_says
    from apps.library.selectors import root_containing
    from apps.library.selectors_match import folder_set
    from workers.composition import musicbrainz
    from workers.matching import look_at, parts_of

    path = Path(os.path.abspath(Path(args.dry_run).expanduser()))  # noqa: PTH100  (links keep their names, as in roots)
    found = root_containing(path)
    files = (
        folder_set(found[0], os.fsencode(path.relative_to(found[1])) if path != found[1] else b"").files
        if found
        else ()
    )
    if not files:
        print("No file of this folder is known; scan it first.", file=sys.stderr)
        return 1
    for part in parts_of(files):
        look = look_at(part, musicbrainz=None if args.offline else musicbrainz(), refused=frozenset[uuid.UUID]())
        best = look.decision.best
        kept = explanation_json(best) if best is not None else {}
        if args.json:
            told = {
                "state": look.decision.state,
                "code": look.decision.code,
                "params": look.decision.params,
                "match": kept,
            }
            print(json.dumps(told))
            continue
        print(f"{look.decision.state}: {decision_says(look.decision.code, look.decision.params)}")
        if kept:
            _print_explained(explained_view(kept, album=part[0].album))
    return 0


def _view(match_id: int) -> FolderView:
    from apps.domain.errors import DomainError
    from apps.library.match_view import folder_view
    from apps.library.selectors_match import folder_one

    row = folder_one(match_id)
    if row is None:
        raise DomainError("There is no such folder.", code="folder_unknown", id=match_id)
    return folder_view(row)
