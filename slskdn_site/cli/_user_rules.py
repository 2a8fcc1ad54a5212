"""`./slskdn users rules …`: buddies, the ignored, the banned, groups. The same services as the API."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from slskdn_site.cli._answers import answer_print
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:
    from apps.soulseek.models import UserRule


def register(parser: argparse.ArgumentParser) -> None:
    """add, list, remove; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "Make a rule: a user's name, a pattern for whole names, or a range of addresses."
    add = commands.add_parser("add", help=words, description=words)
    add.add_argument("effect", choices=("buddy", "ignore", "ban", "group"))
    add.add_argument("pattern", help="the name; with --match: the pattern, or a range such as 192.0.2.0/24")
    add.add_argument("--match", choices=("user", "regex", "cidr"), default="user", help="default: user")
    add.add_argument("--group", default="", help="the upload group, for `group`")
    add.add_argument("--note", default="", help="why")
    add.add_argument("--replace", action="store_true", help="other effects of the same match go")
    add.set_defaults(run=make)
    words = "All rules, newest first."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("--effect", choices=("buddy", "ignore", "ban", "group"), default="")
    listed.set_defaults(run=show)
    words = "Take rules away."
    remove = commands.add_parser("remove", help=words, description=words)
    remove.add_argument("ids", nargs="+", type=int, metavar="ID", help="as `list` tells them")
    remove.set_defaults(run=drop)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def make(args: argparse.Namespace) -> int:
    """A rule."""
    django_setup()
    from apps.soulseek.services_sharing import rule_add

    rule = rule_add(
        effect=args.effect,
        match=args.match,
        pattern=args.pattern,
        group=args.group,
        note=args.note,
        replace=args.replace,
    )
    return answer_print(args, facts(rule), [_line(rule)])


def show(args: argparse.Namespace) -> int:
    """All of them: they are few."""
    django_setup()
    from apps.soulseek.selectors_sharing import rules_query

    rows = list(rules_query(effect=args.effect))
    return answer_print(args, {"items": [facts(row) for row in rows]}, [_line(row) for row in rows] or ["No rules."])


def drop(args: argparse.Namespace) -> int:
    """1 when one was not there."""
    django_setup()
    from apps.soulseek.services_sharing import rule_remove

    removed = [rule_id for rule_id in args.ids if rule_remove(rule_id)]
    answer_print(args, {"removed": removed}, [f"{len(removed)} removed."])
    return 0 if len(removed) == len(args.ids) else 1


def facts(row: UserRule) -> dict[str, object]:
    """As JSON."""
    return {
        "id": row.id,
        "effect": row.effect,
        "match": row.match,
        "pattern": row.pattern,
        "group": row.group,
        "note": row.note,
        "created_at": row.created_at.isoformat(),
    }


def _line(row: UserRule) -> str:
    group = f" {row.group}" if row.group else ""
    return f"{row.id:>5}  {row.effect}{group}  {row.match}  {row.pattern}  {row.note}".rstrip()
