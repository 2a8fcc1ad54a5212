"""`./slskdn doctor …`: look over the library, list what is wrong, decide about it. `fix` and `undo` are in `_doctor_fix`, where remediation is."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.models import LibraryIssue

SUMMARY = "The Collection Doctor: look over the library, list what is wrong with it, decide, fix."
STATES = ("open", "detected", "acknowledged", "fixing", "failed", "ignored", "resolved", "all")
DECISIONS = {
    "ignore": ("ignored", "Set issues aside: no look brings them back."),
    "resolve": ("resolved", "Call issues done; a look that finds them again opens them again."),
    "acknowledge": ("acknowledged", "Note that issues were seen."),
    "reopen": ("detected", "Take back what was ignored, seen or resolved."),
}


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Look at everything (or --changed: what changed) here and now, and print what was found."
    scan = commands.add_parser(
        "scan", help=what, description=f"{what} No file is read: rows of scans and analysis are."
    )
    scan.add_argument("--changed", action="store_true", help="only what changed since the last look")
    scan.add_argument("--queue", action="store_true", help="let a worker do it, and return at once")
    scan.add_argument("--json", action="store_true", help="print JSON")
    scan.set_defaults(run=_scan)
    report = commands.add_parser(
        "report", help="How healthy the library is.", description="How healthy the library is."
    )
    report.add_argument("--json", action="store_true", help="print JSON")
    report.set_defaults(run=_report)
    issues = commands.add_parser("issues", help="List issues.", description="List issues, the worst first.")
    issues.add_argument("--state", choices=STATES, default="open")
    issues.add_argument("--type", default="", metavar="TYPE")
    issues.add_argument("--severity", choices=("low", "medium", "high", "critical"), default="")
    issues.add_argument("--artist", default="", metavar="NAME", help="the whole name")
    issues.add_argument("--release", default="", metavar="MBID")
    issues.add_argument("--limit", type=int, default=0, metavar="N", help="at most so many")
    issues.add_argument("--json", action="store_true", help="print JSON, a line an issue")
    issues.set_defaults(run=_issues)
    show = commands.add_parser("show", help="One issue with its evidence.", description="One issue with its evidence.")
    show.add_argument("id", type=int, metavar="ID")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(run=_show)
    for name, (_state, words) in DECISIONS.items():
        decide = commands.add_parser(name, help=words, description=words)
        decide.add_argument("ids", type=int, nargs="+", metavar="ID")
        decide.set_defaults(run=_decide)
    if find_spec("slskdn_site.cli._doctor_fix") is not None:
        importlib.import_module("slskdn_site.cli._doctor_fix").register(commands)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _scan(args: argparse.Namespace) -> int:
    """Exit status 1 if the look did not come to its end."""
    _ready()
    import time

    from django.utils import timezone

    from apps.domain.library.doctor import DOCTOR_LIVE, DoctorKind
    from apps.library.selectors_issues import scan_one
    from apps.library.services_doctor import DoctorDisabled, doctor_scan_create
    from slskdn_site.config import load_config
    from workers.doctor_scan import look, thresholds_configured

    if not load_config().library_health.enabled:
        raise DoctorDisabled("The Collection Doctor is switched off (library_health.enabled).")
    scan_id, _new = doctor_scan_create(kind=DoctorKind.CHANGED if args.changed else DoctorKind.FULL)
    if args.queue:
        print(scan_id)
        return 0
    while (view := scan_one(scan_id, now=timezone.now())) is not None and view.row.state in DOCTOR_LIVE:
        look(scan_id, thresholds=thresholds_configured(), run_s=2.0)
        if sys.stderr.isatty() and not args.json:
            print(f"\r{100 * view.progress.share:3.0f} %  {view.row.stage:<12}", end="", file=sys.stderr, flush=True)
        time.sleep(0.05)  # a worker may have it: then its lease is waited for
    if sys.stderr.isatty() and not args.json:
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr)
    if view is None:
        return 1
    row = view.row
    if args.json:
        numbers = {name: getattr(row, name) for name in ("files", "found", "added", "resolved", "held_back")}
        print(json.dumps({"id": str(row.id), "state": row.state, "code": row.code, **numbers, "types": _types()}))
    else:
        print(f"{row.files} files: {row.found} issues, {row.added} new, {row.resolved} gone.")
        if row.held_back:
            print(f"{row.held_back} files are in folders that can't be reached now; their issues stay as they are.")
        _print_types()
    return 0 if row.state == "completed" else 1


def _types() -> dict[str, int]:
    from apps.library.selectors_issues import issue_counts

    return {one.type: one.open for one in issue_counts()}


def _print_types() -> None:
    from apps.domain.library.issue_words import TYPE_WORDS

    for name, count in _types().items():
        if count:
            print(f"{count:>8}  {TYPE_WORDS[name][0]}  [{name}]")


def _report(args: argparse.Namespace) -> int:
    _ready()
    from django.utils import timezone

    from apps.library.selectors_issues import health_summary
    from apps.remediation.selectors_success import success_metrics

    summary, success = health_summary(now=timezone.now()), success_metrics()
    if args.json:
        body = {
            "open": summary.open,
            "ignored": summary.ignored,
            "resolved": summary.resolved,
            "tracks": summary.tracks,
            "per_1000_tracks": summary.per_1000,
            "types": [dataclasses.asdict(one) for one in summary.types],
            "trend": [dataclasses.asdict(one) for one in summary.trend],
            "worst_artists": [dataclasses.asdict(one) for one in summary.artists],
            "worst_releases": [dataclasses.asdict(one) for one in summary.releases],
            "success": dataclasses.asdict(success),
            "last_scan": str(summary.last.row.id) if summary.last else None,
        }
        print(json.dumps(body, default=str))
        return 0
    if summary.last is None:
        print("Nobody has looked yet: ./slskdn doctor scan", file=sys.stderr)
    rate = f", {summary.per_1000} per 1000 tracks" if summary.per_1000 is not None else ""
    print(f"{summary.open} open issues{rate}; {summary.ignored} ignored, {summary.resolved} resolved.")
    _print_types()
    for title, rows in (("Artists", summary.artists), ("Albums", summary.releases)):
        if rows:
            print(f"{title} with most:")
        for one in rows[:5]:
            print(f"{one.open:>8}  {_plain(one.label)}")
    return 0


def _issues(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.pagination import keyset_page
    from apps.domain.library.issues import IssueType
    from apps.jobs.services import mbid_of
    from apps.library.selectors_issues import IssueFilter, issue_query

    if args.type and args.type not in set(IssueType):
        print(f"slskdn: types are {', '.join(IssueType)}.", file=sys.stderr)
        return 2
    release = mbid_of(args.release) if args.release else None
    wanted = IssueFilter(
        state=args.state, type=args.type, severity=args.severity, artist=args.artist, release=release, sort="worst"
    )
    cursor, left = None, args.limit or sys.maxsize
    while left > 0:
        page = keyset_page(issue_query(wanted), order=wanted.order, cursor=cursor, limit=min(200, left))
        for row in page.items:
            print(json.dumps(_json(row), default=str) if args.json else _line(row))
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return 0


def _line(row: LibraryIssue) -> str:
    from apps.common.sentences import sentence

    name = " – ".join(one for one in (row.artist, row.title or row.path) if one)
    return f"{row.id:>8}  {row.severity:<8}  {row.type:<21} {row.state:<12} {_plain(name)}: {sentence(row.code, row.params).what}"


def _json(row: LibraryIssue) -> dict[str, object]:
    from apps.library.api.health import IssueOut

    return dict(IssueOut(row).data)


def _show(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.sentences import sentence
    from apps.library.selectors_issues import issue_one
    from apps.library.services_issues import IssueUnknown

    row = issue_one(args.id)
    if row is None:
        raise IssueUnknown("There is no such issue.", issue=args.id)
    if args.json:
        print(json.dumps(_json(row), default=str))
        return 0
    print(_line(row).strip())
    if row.outcome_code:
        print(f"  {sentence(row.outcome_code, row.outcome_params).what}")
    names = (
        "album",
        "path",
        "release_mbid",
        "recording_mbid",
        "medium_position",
        "track_position",
        "detected_at",
        "seen_at",
    )
    for name in names:
        if value := getattr(row, name):
            print(f"  {name:<16} {_plain(str(value))}")
    for name, value in row.params.items():
        print(f"  {name:<16} {_plain(str(value))}")
    return 0


def _decide(args: argparse.Namespace) -> int:
    """Exit status 1 if none could be moved."""
    _ready()
    import getpass

    from apps.domain.library.issues import IssueState
    from apps.library.services_issues import issues_decide

    moved = issues_decide(args.ids, to=IssueState(DECISIONS[args.command][0]), by=getpass.getuser())
    print(f"{len(moved)} of {len(set(args.ids))} issues are {DECISIONS[args.command][0]} now.")
    return 0 if moved else 1


def _plain(text: str) -> str:
    from apps.common.text import display_text

    return display_text(text, limit=300)
