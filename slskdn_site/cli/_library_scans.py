"""`./slskdn library scan|scans|pause|resume|cancel`: have folders walked, watch it, stop it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from rich.table import Table

    from apps.library.selectors_scan import ScanView

POLL_S = 1.0
HINT_AFTER_S = 20.0
"""A scan that no worker has taken by then: perhaps none is running."""


def register_scans(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Subcommands of `library`."""
    what = "Look through the library's folders (or one) for what is new, changed or gone. Files are only read."
    scan = commands.add_parser("scan", help=what, description=what)
    scan.add_argument("path", metavar="PATH", nargs="?", default="", help="a folder of the library, or one inside it")
    scan.add_argument("--wait", action="store_true", help="show progress until it has ended (Ctrl-C leaves it running)")
    scan.add_argument("--here", action="store_true", help="walk and read in this process instead of a worker")
    scan.add_argument("--believe-empty", action="store_true", help="the folder is empty because its files were deleted")
    scan.add_argument("--json", action="store_true", help="print JSON, a line a scan")
    scan.set_defaults(run=_scan)
    scans = commands.add_parser("scans", help="Scans, newest first.", description="Scans, newest first.")
    scans.add_argument("--limit", type=int, default=20, metavar="N")
    scans.add_argument("--json", action="store_true", help="print JSON, a line a scan")
    scans.set_defaults(run=_scans)
    for name, words in (
        ("pause", "Pause a scan; it goes on where it was."),
        ("resume", "Go on with a paused scan."),
        ("cancel", "End a scan; what it found stays."),
    ):
        act = commands.add_parser(name, help=words, description=words)
        act.add_argument("scan", metavar="SCAN", nargs="?", default="", help="its id; default: every live scan")
        act.add_argument("--json", action="store_true", help="print JSON, a line a scan")
        act.set_defaults(run=_act)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _scan(args: argparse.Namespace) -> int:
    """Exit status 1 if a scan failed or was cancelled (with --wait or --here)."""
    _ready()
    from apps.library.scan_actions import scan_begin
    from workers.scan_library import roots_configured

    roots_configured()
    # Not resolved: roots keep the names people gave them, links included.
    path = os.fsencode(os.path.abspath(os.path.expanduser(args.path))) if args.path else b""  # noqa: PTH100, PTH111
    views: Sequence[ScanView] = scan_begin(path, believe=args.believe_empty)
    ids = [view.id for view in views]
    if args.here:
        _work_here(ids, quiet=args.json)
    elif args.wait:
        views = _watch(ids, quiet=args.json)
    views = _views(ids)
    _print(views, as_json=args.json)
    waited = args.wait or args.here
    return 1 if waited and any(view.state.value in ("failed", "cancelled") for view in views) else 0


def _work_here(ids: list[uuid.UUID], *, quiet: bool) -> None:
    from apps.library.services_scan import scans_read_finish
    from workers.read_files import read_batch
    from workers.scan_library import walk_slice

    for scan_id in ids:
        while walk_slice(scan_id, slice_s=5.0) is None:
            (view,) = _views([scan_id])
            if view.state.value not in ("queued", "walking") or view.waits:
                break
            if not quiet:
                print(_line(view), file=sys.stderr, flush=True)
            time.sleep(0.2)  # somebody else's, or between two slices
    while True:
        done = read_batch(batch_s=5.0)
        scans_read_finish()
        if not quiet:
            for view in _views(ids):
                print(_line(view), file=sys.stderr, flush=True)
        if not done.more:
            return


def _watch(ids: list[uuid.UUID], *, quiet: bool) -> list[ScanView]:
    """Until all have ended; on a terminal with bars."""
    from rich.console import Console
    from rich.live import Live

    began, hinted, views = time.monotonic(), False, _views(ids)
    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        while any(view.live for view in views):
            if not quiet:
                live.update(_table(views))
            late = time.monotonic() - began > HINT_AFTER_S
            if late and not hinted and all(view.state.value == "queued" for view in views):
                hinted = True
                print(
                    "No worker has taken it yet: is `./slskdn up` running? (--here scans in this process)",
                    file=sys.stderr,
                )
            if all(view.state.value == "paused" for view in views if view.live):
                break
            time.sleep(POLL_S)
            views = _views(ids)
    return views


def _table(views: Sequence[ScanView]) -> Table:
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table as Grid

    table = Grid.grid(padding=(0, 1))
    for view in views:
        share = view.progress.share
        bar = ProgressBar(total=1.0, completed=share or 0.0, width=30, pulse=share is None and view.live)
        table.add_row(escape(_where(view)), bar, escape(_figures(view)))
    return table


def _where(view: ScanView) -> str:
    from apps.common.text import display_text

    return display_text(f"{view.root}/{view.below}" if view.below else view.root)


def _figures(view: ScanView) -> str:
    from apps.common.sentences import sentence

    now = view.progress
    parts = [view.state.value, f"{now.done}/{now.total}" if now.total is not None else str(now.done)]
    if now.files_per_s:
        parts.append(f"{now.files_per_s:.1f} files/s")
    if now.bytes_per_s:
        parts.append(f"{now.bytes_per_s / 1e6:.1f} MB/s")
    if now.eta_s is not None:
        minutes, seconds = divmod(round(now.eta_s), 60)
        parts.append(f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left")
    if view.code:
        parts.append(str(sentence(view.code, view.params)))
    return "  ".join(parts)


def _line(view: ScanView) -> str:
    counts = f"{view.seen} seen, {view.added} new, {view.changed} changed, {view.missing} gone, {view.read} read"
    extra = "".join(
        f", {number} {word}"
        for number, word in ((view.unreadable, "unreadable"), (view.refused, "passed over"))
        if number
    )
    return f"{view.id}  {_where(view)}  {_figures(view)}  ({counts}{extra})"


def _print(views: Sequence[ScanView], *, as_json: bool) -> None:
    for view in views:
        print(json.dumps(dataclasses.asdict(view), default=str) if as_json else _line(view))


def _views(ids: Sequence[uuid.UUID]) -> list[ScanView]:
    from apps.library.selectors_scan import scan_view

    return [view for one in ids if (view := scan_view(one)) is not None]


def _scans(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.selectors_scan import SCAN_ORDER, scan_query, views_of

    _print(views_of(list(scan_query().order_by(*SCAN_ORDER)[: max(1, args.limit)])), as_json=args.json)
    if not args.json:
        print(_analysed())
    return 0


def _analysed() -> str:
    from apps.library.selectors_analysis import analysis_progress

    told = analysis_progress()
    total = told.analysed + told.refused + told.due
    return f"Sound analysed: {told.analysed} of {total}; {told.due} to come, {told.refused} could not be."


def _act(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.scan_actions import SCAN_ACTIONS
    from apps.library.selectors_scan import scans_live
    from apps.library.services_scan import ScanRefused

    if args.scan:
        try:
            ids = [uuid.UUID(args.scan)]
        except ValueError as error:
            raise ScanRefused("There is no such scan.", code="scan_not_found") from error
    else:
        ids = [
            view.id
            for view in scans_live()
            if (view.state.value == "paused") == (args.command == "resume") or args.command == "cancel"
        ]
    _print([SCAN_ACTIONS[args.command](one) for one in ids], as_json=args.json)
    return 0
