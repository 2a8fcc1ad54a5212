"""`./slskdn keys …`: API keys, by which programs sign in."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from typing import TYPE_CHECKING

from apps.domain.errors import DomainError

if TYPE_CHECKING:
    from apps.common.selectors import ApiKeyRow

SUMMARY = "API keys for programs: make one (its secret is shown once), list them, revoke one."
ROLES = ("viewer", "operator", "admin")  # apps.common.models.Role, which needs Django; a test compares them


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Make a key. Only its secret is printed to standard output."
    create = commands.add_parser("create", help=what, description=what)
    create.add_argument("name", help="what it is for")
    create.add_argument("--role", choices=ROLES, default="operator", help="what it may do (default: operator)")
    create.add_argument(
        "--from", dest="cidrs", action="append", default=[], metavar="CIDR", help="only from this network; repeatable"
    )
    create.add_argument("--user", default="admin", help="whose key it is (default: admin)")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="All keys.", description="All keys, without their secrets.")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a key")
    listing.set_defaults(run=_list)
    revoke = commands.add_parser("revoke", help="Switch a key off for good.", description="Switch a key off for good.")
    revoke.add_argument("id", help="the key's id, as `keys list` prints it")
    revoke.set_defaults(run=_revoke)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _create(args: argparse.Namespace) -> int:
    _ready()
    from django.contrib.auth.models import User

    from apps.common.models import Role
    from apps.common.services import api_key_create

    user = User.objects.filter(username=args.user).first()
    if user is None:
        raise DomainError(f"There is no user {args.user}.", code="user_unknown")
    row, secret = api_key_create(user, name=args.name, role=Role(args.role), cidrs=args.cidrs)
    print(secret)
    print(f"Key {row.id}, role {row.role}. The secret is not shown again.", file=sys.stderr)
    return 0


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.selectors import api_key_list

    rows = list(api_key_list())
    for row in rows:
        print(json.dumps(_values(row)) if args.json else _line(row))
    if not rows:
        print("No API keys. Make one with: slskdn keys create NAME", file=sys.stderr)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    _ready()
    from apps.common.services import ApiKeyNotFound, api_key_revoke

    try:
        key_id = uuid.UUID(args.id)
    except ValueError as error:
        raise ApiKeyNotFound("There is no such API key.", key_id=args.id[:60]) from error
    api_key_revoke(key_id)
    return 0


def _values(row: ApiKeyRow) -> dict[str, object]:
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "user": row.user,
        "role": row.role.value,
        "from": list(row.cidrs),
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
        "revoked_at": row.revoked_at.isoformat() if row.revoked_at else None,
    }


def _line(row: ApiKeyRow) -> str:
    state = "revoked" if row.revoked_at else "live"
    where = f", only from {', '.join(row.cidrs)}" if row.cidrs else ""
    return f"{row.id}  {row.prefix}…  {state:<7}  {row.role.value:<8}  {row.user}: {row.name}{where}"
