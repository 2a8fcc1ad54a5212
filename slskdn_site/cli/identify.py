"""`./slskdn identify …`: which recordings the library's files are, on what evidence; a person's answers; identifying now."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.identity_view import IdentificationView

SUMMARY = "Which recordings files are, on what evidence; answer questions; identify now."
_STATES = ("ambiguous", "unknown", "decided", "confirmed", "rejected", "left", "pending")
_PAGE = 200


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Identifications of one state (the questions, if none is named), newest first."
    listing = commands.add_parser("list", help=what, description=what)
    listing.add_argument("--state", choices=_STATES, default="ambiguous")
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a file")
    listing.set_defaults(run=_list)
    what = "One identification with every candidate and its evidence."
    show = commands.add_parser("show", help=what, description=what)
    show.add_argument("variant", type=int, metavar="ID", help="as `identify list` prints it")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    what = "Say which recording it is: a candidate, or any other by its MusicBrainz id. Without an id: its first candidate."
    confirm = commands.add_parser("confirm", help=what, description=what)
    confirm.add_argument("variant", type=int, metavar="ID")
    confirm.add_argument("recording", nargs="?", default="", metavar="MBID")
    confirm.set_defaults(run=_confirm)
    for name, what in (
        ("reject", "Say that it is none of the candidates."),
        ("leave", "Leave it as it is: it is not asked about again."),
        ("ask", "Hand it back: it is looked at anew."),
    ):
        one = commands.add_parser(name, help=what, description=what)
        one.add_argument("variant", type=int, metavar="ID")
        one.set_defaults(run=_answer, answer=name)
    what = "Identify in this process all that is due now."
    run = commands.add_parser("run", help=what, description=what)
    run.add_argument("--json", action="store_true", help="print JSON")
    run.set_defaults(run=_run)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.pagination import keyset_page
    from apps.library.identity_view import identification_view
    from apps.library.selectors_identity import IDENTIFICATION_ORDER, identification_counts, identification_query

    left, cursor = max(0, args.limit), None
    while left > 0:
        page = keyset_page(
            identification_query(states=[args.state]), order=IDENTIFICATION_ORDER, cursor=cursor, limit=min(left, _PAGE)
        )
        for row in page.items:
            view = identification_view(row)
            print(json.dumps(_json(view), default=str) if args.json else _line(view))
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    if not args.json:
        counts = identification_counts()
        print(", ".join(f"{counts[state]} {state}" for state in _STATES if counts.get(state)) or "No files yet.")
    return 0


def _show(args: argparse.Namespace) -> int:
    """Exit status 1 when there is no such identification."""
    _ready()
    view = _view(args.variant)
    if view is None:
        print("There is no identification of this file.")
        return 1
    if args.json:
        print(json.dumps(_json(view), default=str))
        return 0
    print(_line(view))
    for one in view.candidates:
        print(f"\n{one.recording_mbid}  {one.percent} %  {one.title} – {one.artist} · {one.album}")
        for piece in one.pieces:
            print(f"  {piece.points:+.1f}  {piece.says}")
    return 0


def _view(variant_id: int) -> IdentificationView | None:
    from apps.library.identity_view import identification_view
    from apps.library.selectors_identity import identification_show

    row = identification_show(variant_id)
    return identification_view(row) if row is not None else None


def _line(view: IdentificationView) -> str:
    path = view.file.display if view.file is not None else "(gone)"
    sure = f" {view.confidence:.2f}" if view.confidence is not None else ""
    return f"{view.variant_id:<8} {view.state}{sure}  {view.recording_mbid or '-'}  {path}\n         {view.says} [{view.code}]"


def _json(view: IdentificationView) -> dict[str, object]:
    return {
        "variant_id": view.variant_id,
        "state": view.state,
        "code": view.code,
        "params": dict(view.params),
        "message": str(view.says),
        "recording_mbid": view.recording_mbid,
        "release_mbid": view.release_mbid,
        "confidence": view.confidence,
        "path": view.file.display if view.file is not None else None,
        "candidates": [
            {
                "recording_mbid": one.recording_mbid,
                "title": one.title,
                "artist": one.artist,
                "album": one.album,
                "length_ms": one.length_ms,
                "share": one.share,
                "evidence": [
                    {"name": each.name, "points": each.points, "message": str(each.says)} for each in one.pieces
                ],
            }
            for one in view.candidates
        ],
    }


def _confirm(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services import mbid_of
    from apps.library.services_identity import identification_confirm

    mbid: uuid.UUID | None = mbid_of(args.recording) if args.recording else None
    if mbid is None:
        view = _view(args.variant)
        if view is None or not view.candidates:
            print("It has no candidate; name a recording.")
            return 1
        mbid = view.candidates[0].recording_mbid
    identification_confirm(args.variant, recording_mbid=mbid, person=None)
    print(f"{args.variant} is {mbid}.")
    return 0


def _answer(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.identity_view import ANSWERS

    ANSWERS[args.answer](args.variant, None, None)
    view = _view(args.variant)
    print(f"{args.variant}: {view.state if view is not None else 'gone'}.")
    return 0


def _run(args: argparse.Namespace) -> int:
    """Exit status 1 when something waits to be tried again."""
    _ready()
    from apps.library.selectors_identity import identification_counts
    from workers.identify_variants import run_now

    run_now()
    counts = identification_counts()
    print(
        json.dumps(counts)
        if args.json
        else ", ".join(f"{found} {state}" for state, found in counts.items()) or "No files yet."
    )
    return 1 if counts.get("pending") else 0
