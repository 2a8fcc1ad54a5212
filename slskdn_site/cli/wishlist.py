"""`./slskdn wishlist …`: what waits for somebody who has it. The same services as the API."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import TYPE_CHECKING

from slskdn_site.cli._answers import paged

if TYPE_CHECKING:
    from apps.soulseek.selectors_hunts import HuntView

SUMMARY = "What waits for a source on Soulseek: list, add, edit, remove, search-now."


def register(parser: argparse.ArgumentParser) -> None:
    """list, add, edit, remove, search-now; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Wishes, newest first."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument(
        "--show", choices=("all", "jobs", "words", "asking"), default="all", help="which (default: all)"
    )
    paged(listed)
    listed.set_defaults(run=_list)
    words = "Look for words again and again, at the pace the server asks for."
    added = commands.add_parser("add", help=words, description=words)
    added.add_argument("words", nargs="+", metavar="WORD")
    added.add_argument("--auto", action="store_true", help="download what is found by itself")
    added.add_argument("--lossless", action="store_true", help="lossless files only")
    added.set_defaults(run=_add)
    words = "Change a wish; new words are looked for at once."
    edited = commands.add_parser("edit", help=words, description=words)
    edited.add_argument("id", type=uuid.UUID)
    edited.add_argument("--words", default=None)
    edited.add_argument("--auto", action=argparse.BooleanOptionalAction, default=None, help="download by itself")
    edited.add_argument("--lossless", action=argparse.BooleanOptionalAction, default=None, help="lossless files only")
    edited.set_defaults(run=_edit)
    words = "Wish no more; what is being fetched stays."
    removed = commands.add_parser("remove", help=words, description=words)
    removed.add_argument("id", type=uuid.UUID)
    removed.set_defaults(run=_remove)
    words = "Look for it at once."
    now = commands.add_parser("search-now", help=words, description=words)
    now.add_argument("id", type=uuid.UUID)
    now.set_defaults(run=_now)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON")


def _list(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.selectors_hunts import wish_page

    page = wish_page(show="" if args.show == "all" else args.show, cursor=args.cursor, limit=max(1, args.limit))
    if args.json:
        from apps.soulseek.api.hunts import HuntOut

        print(json.dumps({"items": HuntOut(page.items, many=True).data, "next": page.next_cursor}, default=str))
        return 0
    for one in page.items:
        _line(one)
    if page.next_cursor:
        print(f"… more: --cursor {page.next_cursor}")
    if not page.items:
        print("Nothing is wished for.")
    return 0


def _add(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_wishlist import wish_add

    return _told(wish_add(" ".join(args.words), auto_download=args.auto, lossless=args.lossless), as_json=args.json)


def _edit(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_wishlist import wish_edit

    wish_edit(args.id, words=args.words, auto_download=args.auto, lossless=args.lossless)
    return _told(args.id, as_json=args.json)


def _remove(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_wishlist import wish_remove

    wish_remove(args.id)
    print(json.dumps({"removed": str(args.id)}) if args.json else "Removed.")
    return 0


def _now(args: argparse.Namespace) -> int:
    _setup()
    from apps.soulseek.services_hunt import hunt_search_now

    hunt_search_now(args.id)
    return _told(args.id, as_json=args.json)


def _told(hunt_id: uuid.UUID, *, as_json: bool) -> int:
    from apps.soulseek.api.hunts import HuntOut
    from apps.soulseek.selectors_hunts import hunt_view

    view = hunt_view(hunt_id)
    if view is None:
        return 1
    if as_json:
        print(json.dumps(HuntOut(view).data, default=str))
    else:
        _line(view)
    return 0


def _line(view: HuntView) -> None:
    from apps.common.text import display_text
    from apps.soulseek.hunt_words import hunt_says

    how = "by itself" if view.auto_download else "you pick"
    print(f"{view.id}  {view.state:9}  {display_text(view.title, limit=80)}  ({how})  {hunt_says(view)}")


def _setup() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()
