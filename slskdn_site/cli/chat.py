"""`./slskdn chat …`: private messages of the Soulseek network. The same services as the API."""

from __future__ import annotations

import argparse
import dataclasses

from slskdn_site.cli._answers import json_print, more_print, paged, safe
from slskdn_site.cli.main import django_setup

SUMMARY = "Private messages on Soulseek: list, show, send, close, delete."


def register(parser: argparse.ArgumentParser) -> None:
    """list, show, send, close and delete, each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Conversations, the newest first."
    listed = commands.add_parser("list", help=words, description=words)
    listed.set_defaults(run=show_list)
    words = "Messages with one user, the newest last."
    shown = commands.add_parser("show", help=words, description=words)
    shown.add_argument("user")
    shown.add_argument("--read", action="store_true", help="mark them as read")
    shown.set_defaults(run=show)
    words = "Send a message; the node must run. Whoever is away gets it later."
    sent = commands.add_parser("send", help=words, description=words)
    sent.add_argument("user")
    sent.add_argument("text", nargs="+", help="one line; several words are joined")
    sent.set_defaults(run=send)
    words = "Out of the list until something new comes; nothing is deleted."
    closed = commands.add_parser("close", help=words, description=words)
    closed.add_argument("user")
    closed.set_defaults(run=close)
    words = "Delete every message from and to a user, for good."
    deleted = commands.add_parser("delete", help=words, description=words)
    deleted.add_argument("user")
    deleted.set_defaults(run=delete)
    for command in (listed, shown):
        paged(command)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def show_list(args: argparse.Namespace) -> int:
    """Who wrote."""
    django_setup()
    from apps.soulseek.selectors_people import conversation_page

    page = conversation_page(cursor=args.cursor, limit=args.limit)
    if args.json:
        return json_print({"items": [dataclasses.asdict(row) for row in page.items], "next": page.next_cursor})
    for row in page.items:
        fresh = f"[{row.unread}]" if row.unread else ""
        print(
            f"{safe(row.user):24} {fresh:>5} {row.at:%Y-%m-%d %H:%M}  {'' if row.incoming else '> '}{safe(row.text, 100)}"
        )
    if not page.items:
        print("No messages yet.")
    more_print(page.next_cursor)
    return 0


def show(args: argparse.Namespace) -> int:
    """One conversation."""
    django_setup()
    from apps.soulseek.selectors_people import message_page
    from apps.soulseek.services_people import conversation_read

    page = message_page(args.user, cursor=args.cursor, limit=args.limit)
    if args.read:
        conversation_read(args.user)
    if args.json:
        return json_print({"items": [dataclasses.asdict(row) for row in page.items], "next": page.next_cursor})
    for row in reversed(page.items):
        late = " (while you were away)" if row.while_away else ""
        print(f"{row.at:%Y-%m-%d %H:%M}  {'you' if row.ours else safe(row.user)}{late}: {safe(row.text, 4000)}")
    if not page.items:
        print("Nothing was said yet.")
    more_print(page.next_cursor)
    return 0


def send(args: argparse.Namespace) -> int:
    """Say something."""
    django_setup()
    from apps.soulseek.services_people import message_send

    sent = message_send(args.user, text=" ".join(args.text))
    if args.json:
        return json_print(dataclasses.asdict(sent))
    print("Sent." if sent.status != "offline" else "Sent; they are offline, the server keeps it for them.")
    return 0


def close(args: argparse.Namespace) -> int:
    """Out of the list."""
    django_setup()
    from apps.soulseek.services_people import conversation_close

    closed = conversation_close(args.user)
    if args.json:
        json_print({"closed": closed})
    else:
        print("Closed." if closed else "Nothing was said yet.")
    return 0 if closed else 1


def delete(args: argparse.Namespace) -> int:
    """For good."""
    django_setup()
    from apps.soulseek.services_people import conversation_delete

    count = conversation_delete(args.user)
    if args.json:
        json_print({"deleted": count})
    else:
        print(f"{count} deleted." if count else "Nothing was said yet.")
    return 0 if count else 1
