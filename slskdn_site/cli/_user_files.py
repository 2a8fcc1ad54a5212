"""`./slskdn users list|show|browse|download`: what is known of users, and their files."""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import TYPE_CHECKING, Final

from slskdn_site.cli._answers import json_print, more_print, safe
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:
    from apps.soulseek.selectors_browse import Asking, BrowsePage
    from apps.soulseek.selectors_people import UserView

POLL_S: Final = 0.3


def register_list(parser: argparse.ArgumentParser) -> None:
    """list."""
    parser.add_argument("--search", default="", help="part of a name")
    parser.add_argument("--buddies", action="store_true", help="buddies by name, those who are there first")
    parser.add_argument("--limit", type=int, default=50, help="at most so many (200)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=show_list)


def register_show(parser: argparse.ArgumentParser) -> None:
    """show."""
    parser.add_argument("user")
    parser.add_argument("--ask", action="store_true", help="ask them first (at most 30 s); the node must run")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=show)


def register_browse(parser: argparse.ArgumentParser) -> None:
    """browse."""
    parser.add_argument("user")
    parser.add_argument("--folder", default="", help="a folder of the list, such as Music\\\\Artist")
    parser.add_argument("--search", default="", help="words that a path must have; looks everywhere")
    parser.add_argument("--anew", action="store_true", help="ask them, even when there is a list")
    parser.add_argument("--cursor", default="", help="the next page, as the last one told")
    parser.add_argument("--limit", type=int, default=200, help="at most so many")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=browse)


def register_download(parser: argparse.ArgumentParser) -> None:
    """download."""
    parser.add_argument("user")
    parser.add_argument("folder", help="a folder of the list, such as Music\\\\Artist")
    parser.add_argument("--file", action="append", dest="names", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--deep", action="store_true", help="and the folders below")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.set_defaults(run=download)


def show_list(args: argparse.Namespace) -> int:
    """Who was heard of."""
    django_setup()
    from apps.soulseek.selectors_people import buddies, users_recent

    found = buddies if args.buddies else users_recent
    rows = found(text=args.search, limit=max(1, min(args.limit, 200)))
    if args.json:
        return json_print({"items": [_told(row) for row in rows]})
    for row in rows:
        files = f"{row.files} files" if row.files is not None else ""
        note = f"  ({safe(row.note, 200)})" if row.note else ""
        print(f"{safe(row.name):24} {row.status or '-':8} {files:>14}  {', '.join(_marks(row))}{note}".rstrip())
    if not rows:
        print("Nobody.")
    return 0


def _marks(view: UserView) -> list[str]:
    marks = (("buddy", view.buddy), ("ignored", view.ignored), ("banned", view.banned))
    return [word for word, holds in marks if holds]


def _told(view: UserView) -> dict[str, object]:
    """As JSON: rules have a command of their own."""
    facts = {one.name: getattr(view, one.name) for one in dataclasses.fields(view) if one.name != "rules"}
    return {**facts, "note": view.note}


def show(args: argparse.Namespace) -> int:
    """One user."""
    django_setup()
    from apps.soulseek.selectors_browse import asking
    from apps.soulseek.selectors_people import user_history, user_view
    from apps.soulseek.services_people import user_look

    if args.ask:
        user_look(args.user)
        _awaited("soulseek_user", args.user)
    view, history = user_view(args.user), user_history(args.user)
    if args.json:
        asked = dataclasses.asdict(asking("soulseek_user", args.user))
        return json_print({**_told(view), "history": [dataclasses.asdict(row) for row in history], "asked": asked})
    print(", ".join([f"{safe(view.name)}: {view.status or 'presence not known'}", *_marks(view)]))
    if view.files is not None:
        print(f"{view.files} files in {view.folders} folders")
    if view.info_at is not None:
        print(
            f"{view.upload_slots} upload slots, {view.queue} in the queue{', one is free' if view.free_slots else ''}"
        )
        print(safe(view.description, 2000) or "They say nothing of themselves.")
    print(f"{view.completed} files came from them, {view.failed} did not")
    for row in history:
        print(f"{'<' if row.down else '>'} {row.at:%Y-%m-%d %H:%M} {row.state:10} {safe(row.path, 200)}")
    return 0


def browse(args: argparse.Namespace) -> int:
    """A page of somebody's list."""
    django_setup()
    from apps.soulseek.selectors_browse import browse_page
    from apps.soulseek.services_people import user_browse

    def read() -> BrowsePage:
        return browse_page(args.user, folder=args.folder, text=args.search, cursor=args.cursor, limit=args.limit)

    page = read()
    if args.anew or not page.known:
        user_browse(args.user)
        _awaited("soulseek_browse", args.user)
        page = read()
    if args.json:
        return json_print(dataclasses.asdict(page))
    for branch in page.branches:
        print(f"{branch.size_bytes:>14}  {safe(branch.path, 300)}\\  ({branch.files} files)")
    for file in page.here:
        print(f"{file.size_bytes:>14}  {safe(file.name, 300)}")
    for one in page.found:
        print(f"{one.file.size_bytes:>14}  {safe(one.folder + chr(92) + one.file.name, 400)}")
    more_print(page.next_cursor)
    if not (page.branches or page.here or page.found):
        print("Nothing.")
    return 0


def download(args: argparse.Namespace) -> int:
    """Into the queue."""
    django_setup()
    from apps.soulseek.services_people import files_download

    batch, count = files_download(args.user, folder=args.folder, names=args.names, deep=args.deep)
    if args.json:
        return json_print({"batch": str(batch), "files": count})
    print(f"{count} in the queue: ./slskdn downloads list --user {safe(args.user)}")
    return 0


def _awaited(kind: str, user: str) -> None:
    """Wait for an answer. Raises DomainError with why there is none."""
    from apps.common.sentences import sentence
    from apps.soulseek.selectors_browse import asking
    from apps.soulseek.services_people import Unanswered

    told: Asking = asking(kind, user)
    while told.running:
        time.sleep(POLL_S)
        told = asking(kind, user)
    if told.code:
        raise Unanswered(str(sentence(told.code, told.params)), code=told.code)
