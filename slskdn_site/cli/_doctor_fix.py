"""`./slskdn doctor fix|undo|fixes`: have issues mended, follow that, and take fixes back."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.remediation.selectors import RemediationView

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def register(commands: Subcommands) -> None:
    """Subcommands of `doctor`."""
    what = "Have issues mended: missing tracks fetched, bad files replaced, tags written, copies removed."
    fix = commands.add_parser("fix", help=what, description=f"{what} Workers do it; `doctor undo` takes it back.")
    fix.add_argument("ids", type=int, nargs="+", metavar="ISSUE")
    fix.add_argument("--beside", action="store_true", help="place better files beside the old ones, which stay")
    fix.add_argument(
        "--no-backup", action="store_true", help="keep old files only until a scan has proven the new ones"
    )
    fix.add_argument("--json", action="store_true", help="print JSON, a line an issue")
    fix.set_defaults(run=_fix)
    what = "Take fixes back: what they changed becomes as it was, byte for byte."
    undo = commands.add_parser("undo", help=what, description=what)
    undo.add_argument("ids", nargs="+", metavar="ISSUE|FIX", help="an issue (its newest fix), or a fix's own id")
    undo.add_argument("--keep-new", action="store_true", help="leave the file that the fix brought, beside the old one")
    undo.set_defaults(run=_undo)
    listing = commands.add_parser("fixes", help="Fixes, newest first.", description="Fixes, newest first.")
    listing.add_argument("--issue", type=int, default=None, metavar="ISSUE")
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a fix")
    listing.set_defaults(run=_fixes)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _fix(args: argparse.Namespace) -> int:
    """Exit status 1 if nothing could be begun."""
    _ready()
    from apps.common.sentences import sentence
    from apps.remediation.api.serializers import FixOutcomeOut
    from apps.remediation.policy import configured_policy
    from apps.remediation.services import FixPolicy, issues_fix

    policy = configured_policy()
    outcomes = issues_fix(
        args.ids,
        policy=FixPolicy(
            replace_existing=policy.replace_existing and not args.beside,
            backup_before_replace=policy.backup_before_replace and not args.no_backup,
        ),
    )
    for one in outcomes:
        if args.json:
            print(json.dumps(dict(FixOutcomeOut(one).data), default=str))
        elif one.remediation is None:
            print(f"{one.issue:>8}  {sentence(one.code, one.params)} [{one.code}]", file=sys.stderr)
        else:
            job = f", job {one.job}" if one.job else ""
            print(f"{one.issue:>8}  {'begun' if one.created else 'under way'}: fix {one.remediation}{job}")
    return 0 if any(one.remediation for one in outcomes) else 1


def _undo(args: argparse.Namespace) -> int:
    """Exit status 1 if one could not be taken back."""
    _ready()
    from apps.common.sentences import message_of
    from apps.domain.errors import DomainError
    from apps.remediation.selectors import remediations_latest
    from apps.remediation.services import RemediationRefused, remedy_undo_ask

    failed = 0
    for text in args.ids:
        try:
            if text.isascii() and text.isdigit():
                found = remediations_latest([int(text)]).get(int(text))
                if found is None:
                    raise RemediationRefused("This issue has no fix.", code="remediation_unknown")
                chosen = found.id
            else:
                chosen = _id_of(text)
            state = remedy_undo_ask(chosen, keep_new=args.keep_new)
            print(f"{text}  {state.value}")
        except DomainError as error:
            failed += 1
            print(
                f"{text}  {message_of(error.code, error.params, fallback=error.sentence)} [{error.code}]",
                file=sys.stderr,
            )
    return 1 if failed else 0


def _id_of(text: str) -> uuid.UUID:
    from apps.remediation.services import RemediationRefused

    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise RemediationRefused("There is no such fix.", code="remediation_unknown") from error


def _fixes(args: argparse.Namespace) -> int:
    _ready()
    from apps.remediation.api.serializers import RemediationOut
    from apps.remediation.selectors import remediation_list

    cursor, left = None, max(1, args.limit)
    while left > 0:
        page = remediation_list(issue_id=args.issue, cursor=cursor, limit=min(left, 200))
        for one in page.items:
            print(json.dumps(dict(RemediationOut(one).data), default=str) if args.json else _line(one))
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return 0


def _line(one: RemediationView) -> str:
    from apps.common.sentences import sentence
    from apps.common.text import display_text

    name = display_text(" – ".join(part for part in (one.artist, one.title or one.path) if part), limit=200)
    said = sentence(one.code, one.params)
    return f"{one.id}  {one.issue:>8}  {one.action.value:<16} {one.state.value:<8} {name}" + (
        f": {said}" if said.what else ""
    )
