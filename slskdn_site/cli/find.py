"""`./slskdn find TEXT`: what an id, address, barcode, ISRC or some words mean. A running worker asks MusicBrainz; without one, --here does it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.jobs.selectors_find import CandidateView, FindView

SUMMARY = "Find releases, recordings, artists and labels by id, address, barcode, ISRC or words."
_POLL_S = 0.3
WAIT_S = 60.0
"""So long an answer is waited for: MusicBrainz answers one question a second for everybody here."""


def register(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="what to find; words need no quotes")
    parser.add_argument("--here", action="store_true", help="ask in this process, without a running worker")
    parser.add_argument("--again", action="store_true", help="also if the same was asked a moment ago")
    parser.add_argument("--limit", type=int, default=25, metavar="N", help="candidates shown (default: %(default)s)")
    parser.add_argument("--wait", type=float, default=WAIT_S, metavar="SECONDS", help="how long (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    """Exit status 0: found; 1: nothing, or it could not be looked up; 3: no answer within the time."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.jobs.selectors_find import find_view
    from apps.jobs.services_find import find_ask

    asked = find_ask(" ".join(args.text), again=args.again)
    if args.here:
        from workers.composition import discogs, musicbrainz
        from workers.finding import find

        find(asked, musicbrainz=musicbrainz(), discogs=discogs())
    until = time.monotonic() + max(0.0, args.wait)
    view = find_view(asked)
    while view is not None and not view.ended and not args.here and time.monotonic() < until:
        time.sleep(_POLL_S)
        view = find_view(asked)
    if view is None:
        return 1
    if args.json:
        from apps.jobs.api.find import FindOut

        print(json.dumps(FindOut(view).data, default=str))
    else:
        _print(view, limit=max(1, args.limit))
    if not view.ended:
        return 3
    return 0 if view.candidates else 1


def _print(view: FindView, *, limit: int) -> None:
    from apps.common.sentences import sentence

    print(view.understood)
    if view.merged_from is not None:
        print(sentence("find_merged", {"old": str(view.merged_from)}))
    if view.code:
        print(sentence(view.code, view.params), file=sys.stderr if view.candidates else sys.stdout)
    for one in view.candidates[:limit]:
        _print_candidate(one)
    if view.found > limit:
        print(f"… {view.found - limit} more (--limit)")
    if not view.ended:
        print("No answer yet. Is a worker running (`./slskdn up`)? --here asks in this process.", file=sys.stderr)


def _print_candidate(view: CandidateView) -> None:
    from apps.common.text import display_text
    from apps.jobs.find_words import KIND_WORDS, reason_says

    one = view.candidate
    by = f" - {display_text(one.artist)}" if one.artist else ""
    print(f"{one.mbid}  {KIND_WORDS[one.kind]}: {display_text(one.title)}{by}")
    length = f"{one.length_ms // 60000}:{one.length_ms // 1000 % 60:02}" if one.length_ms else ""
    facts = (
        one.date, one.country, ", ".join(one.labels), ", ".join(one.catalog_numbers), one.barcode, one.formats, one.type,
        f"{one.track_count} tracks" if one.track_count else "", length, one.status, one.script, one.disambiguation,
        f"on {', '.join(one.on)}" if one.on else "", f"{view.held} held" if view.held else "",
    )  # fmt: skip
    if told := " · ".join(display_text(fact) for fact in facts if fact):
        print(f"    {told}")
    if one.reasons:
        weighed = f"{one.points:+.2f}: " if one.points else ""  # what comes of an id alone was not weighed
        print(f"    {weighed}" + "; ".join(reason_says(reason) for reason in one.reasons))
