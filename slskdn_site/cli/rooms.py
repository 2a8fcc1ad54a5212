"""`./slskdn rooms …`: chat rooms of the Soulseek network."""

from __future__ import annotations

import argparse
import dataclasses

from slskdn_site.cli._answers import json_print, more_print, paged, safe
from slskdn_site.cli.main import django_setup

SUMMARY = "Chat rooms on Soulseek: list, join, leave, show, say."


def register(parser: argparse.ArgumentParser) -> None:
    """list, join, leave, show, say, each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Your rooms, then the server's, the fullest first."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("--search", default="", help="part of a name")
    listed.add_argument("--refresh", action="store_true", help="ask the server first; the node must run")
    listed.set_defaults(run=show_list)
    words = "Be in a room from now on, after restarts too."
    joined = commands.add_parser("join", help=words, description=words)
    joined.set_defaults(run=join)
    words = "Leave a room; its lines stay."
    left = commands.add_parser("leave", help=words, description=words)
    left.set_defaults(run=leave)
    words = "A room: how it stands, who is there, its lines, the newest last."
    shown = commands.add_parser("show", help=words, description=words)
    shown.set_defaults(run=show)
    words = "Say a line; the node must run."
    said = commands.add_parser("say", help=words, description=words)
    said.set_defaults(run=say)
    for command in (joined, left, shown, said):
        command.add_argument("room")
    said.add_argument("text", nargs="+", help="one line; several words are joined")
    for command in (listed, shown):
        paged(command)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def show_list(args: argparse.Namespace) -> int:
    """All rooms."""
    django_setup()
    from apps.common.sentences import sentence
    from apps.soulseek.selectors_people import room_list, rooms_joined
    from apps.soulseek.services_people import rooms_refresh

    if args.refresh:
        rooms_refresh()
    joined, page = rooms_joined(), room_list(text=args.search, cursor=args.cursor, limit=args.limit)
    if args.json:
        told = {"joined": [dataclasses.asdict(row) for row in joined]}
        return json_print({**told, "items": [dataclasses.asdict(row) for row in page.items], "next": page.next_cursor})
    for row in joined:
        state = "here" if row.here else str(sentence(row.code)) if row.code else "joining"
        print(f"* {safe(row.name):40} {row.members:6}  {state}{f'  [{row.unread}]' if row.unread else ''}")
    for row in page.items:
        print(f"  {safe(row.name):40} {row.members:6}{'  private' if row.private else ''}")
    if not joined and not page.items:
        print(
            "Nothing has this in its name." if args.search else "No rooms are known; the list comes with the session."
        )
    more_print(page.next_cursor)
    return 0


def join(args: argparse.Namespace) -> int:
    """A wish."""
    django_setup()
    from apps.soulseek.services_people import room_join

    name = room_join(args.room)
    return json_print({"joined": name}) if args.json else _say(f"{safe(name)} is joined in a moment.")


def leave(args: argparse.Namespace) -> int:
    """No wish any more."""
    django_setup()
    from apps.soulseek.services_people import room_leave

    left = room_leave(args.room)
    return json_print({"left": left}) if args.json else _say("Left." if left else "You were not in this room.")


def show(args: argparse.Namespace) -> int:
    """One room."""
    django_setup()
    from apps.common.sentences import sentence
    from apps.soulseek.selectors_people import line_page, room_find, room_members

    row, members = room_find(args.room), room_members(args.room)
    page = line_page(args.room, cursor=args.cursor, limit=args.limit)
    if args.json:
        told = {**dataclasses.asdict(row), "users": [dataclasses.asdict(one) for one in members]}
        return json_print({**told, "items": [dataclasses.asdict(one) for one in page.items], "next": page.next_cursor})
    print(f"{safe(row.name)}: {'here' if row.here else str(sentence(row.code)) or 'not in it'}, {row.members} people")
    if members:
        print("  " + ", ".join(safe(one.name) for one in members[:50]))
    for line in reversed(page.items):
        if not line.muted:
            print(f"{line.at:%Y-%m-%d %H:%M}  {'you' if line.ours else safe(line.user)}: {safe(line.text, 4000)}")
    more_print(page.next_cursor)
    return 0


def say(args: argparse.Namespace) -> int:
    """A line."""
    django_setup()
    from apps.soulseek.services_people import room_say

    room_say(args.room, text=" ".join(args.text))
    return json_print({"said": True}) if args.json else _say("Said.")


def _say(text: str) -> int:
    print(text)
    return 0
