"""`./slskdn search WORDS`: search Soulseek by words. The running node asks when its turn comes; --wait stays until the answers are in."""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.soulseek.selectors_search import SearchView

SUMMARY = "Search Soulseek by words, and show who offers what."
_POLL_S = 0.3


def register(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="each must be in a path; with --, -word must not be")
    parser.add_argument(
        "--id", type=uuid.UUID, default=None, help="show this search instead, or give the new one this id"
    )
    parser.add_argument("--user", default="", help="ask this user alone")
    parser.add_argument("--room", default="", help="ask this room alone")
    parser.add_argument("--anew", action="store_true", help="not the answers of an equal search a moment ago")
    parser.add_argument("--wait", action="store_true", help="until the answers are in")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="of --wait (default: %(default)s)"
    )
    parser.add_argument("--lossless", action="store_true", help="show lossless files only")
    parser.add_argument("--min-bitrate", type=int, default=0, metavar="KBPS", help="show nothing below")
    parser.add_argument("--free", action="store_true", help="show only who has a free slot")
    parser.add_argument(
        "--sort", choices=("best", "speed", "queue", "bitrate", "size", "files", "user"), default="best"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="offers shown (default: %(default)s)")
    parser.add_argument("--files", action="store_true", help="show their files too")
    parser.add_argument("--withdraw", action="store_true", help="with --id: no more answers are wanted")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    """Exit status 0: answered; 1: nobody answered, or it was not asked; 3: not over yet."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.domain.soulseek.budget import SearchScope
    from apps.soulseek.selectors_search import search_view
    from apps.soulseek.services_search import SearchUnknown, search_ask, search_withdraw

    if args.words:
        scope = SearchScope.USER if args.user else SearchScope.ROOM if args.room else SearchScope.NETWORK
        search_id = search_ask(
            " ".join(args.words), search_id=args.id, scope=scope, whom=args.user or args.room, anew=args.anew
        ).id
    elif args.id is None:
        print("Say what to search for.", file=sys.stderr)
        return 2
    else:
        search_id = args.id
        if args.withdraw:
            search_withdraw(search_id)
    view = search_view(search_id)
    until = time.monotonic() + max(0.0, args.timeout)
    told = ""
    while view is not None and args.wait and not view.ended and time.monotonic() < until:
        if not args.json and (says := _says(view)) != told:
            told = says
            print(says, file=sys.stderr)
        time.sleep(_POLL_S)
        view = search_view(search_id)
    if view is None:
        raise SearchUnknown("There is no such search.", search=str(search_id))
    _show(view, args)
    if not view.ended:
        return 3
    return 0 if view.files else 1


def _show(view: SearchView, args: argparse.Namespace) -> None:
    from apps.common.text import display_text
    from apps.domain.soulseek.offers import OfferFilter, OfferSort
    from apps.soulseek.selectors_search import search_offers

    keep = OfferFilter(lossless=args.lossless, min_bitrate_kbps=max(0, args.min_bitrate), free_slot=args.free)
    page = search_offers(view, keep=keep, sort=OfferSort(args.sort), limit=max(1, args.limit))
    if args.json:
        from apps.soulseek.api.searches import AnswersOut, SearchOut

        print(json.dumps({"search": SearchOut(view).data, "answers": AnswersOut(page).data}, default=str))
        return
    print(f"{view.id}  {_says(view)}")
    for one in page.items:
        slot = "free slot" if one.free_slot else f"{one.queue} queued"
        facts = ", ".join(
            part for part in (one.profile, f"{one.bitrate_kbps} kbit/s" if one.bitrate_kbps else "") if part
        )
        print(f"{display_text(one.user, limit=40)}  {display_text(one.folder, limit=160)}")
        print(f"    {len(one.files)} files, {one.size_bytes / 1e6:.1f} MB, {facts or 'no sound told'}, {slot}")
        for file in one.files if args.files else ():
            print(f"      {display_text(file.file.path, limit=300)}  {file.file.size}")
    if page.total > len(page.items):
        print(f"… {page.total - len(page.items)} more offers (--limit)")


def _says(view: SearchView) -> str:
    """How it stands in a line."""
    from apps.common.sentences import sentence

    words = str(sentence(view.code, view.params)) if view.code else ""
    if view.state == "queued":
        due = f", its turn about {view.due_at:%H:%M:%S} UTC" if view.due_at is not None else ""
        return f"waits; {view.ahead} before it{due}. {words}".strip()
    return f"{view.state}: {view.files} files of {view.users} users. {words}".strip()
