"""`./slskdn library trash …` and `library allow|forbid`: what was taken out of the library, putting it back, and which folders may be changed."""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.selectors_trash import TrashView

    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def register(commands: Subcommands) -> None:
    """Subcommands of `library`."""
    what = "What fixes and people took out of the library; put it back, or delete it for good."
    trash = commands.add_parser("trash", help=what, description=what)
    inner = trash.add_subparsers(dest="trash_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="Files in the trash.", description="Files in the trash, newest first.")
    listing.add_argument("--all", action="store_true", help="also what was put back or deleted")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a file")
    listing.set_defaults(run=_list)
    put = inner.add_parser(
        "put",
        help="Take files out of the library.",
        description="Take files out of the library; each can be put back, byte for byte, for as long as the trash is kept.",
    )
    put.add_argument("paths", nargs="+", metavar="PATH")
    put.set_defaults(run=_put)
    restore = inner.add_parser(
        "restore", help="Put files back, byte for byte.", description="Put files back where they were, byte for byte."
    )
    restore.add_argument("ids", nargs="+", metavar="ID")
    restore.add_argument("--numbered", action="store_true", help="if a name is taken, put a number behind it")
    restore.set_defaults(run=_restore)
    purge = inner.add_parser(
        "purge", help="Delete files for good.", description="Delete files for good. There is no undo."
    )
    purge.add_argument("ids", nargs="*", metavar="ID")
    purge.add_argument("--all", action="store_true", help="everything in the trash")
    purge.set_defaults(run=_purge)
    for name, words in (
        ("allow", "Let files of a library folder be replaced, retagged and trashed when you ask for it."),
        ("forbid", "Make a library folder one that is only read again."),
    ):
        change = commands.add_parser(name, help=words, description=words)
        change.add_argument("folder", metavar="DIR", help="as `library roots` names it")
        change.set_defaults(run=_change)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.domain.library.trash import TrashState
    from apps.library.selectors_trash import SHOWN, trash_list, trash_sum
    from apps.remediation.api.serializers import TrashOut
    from apps.remediation.policy import keep_days

    cursor = None
    while True:
        page = trash_list(
            states=tuple(TrashState) if args.all else SHOWN, keep_days=keep_days(), cursor=cursor, limit=200
        )
        for one in page.items:
            print(json.dumps(dict(TrashOut(one).data), default=str) if args.json else _line(one))
        cursor = page.next_cursor
        if cursor is None:
            break
    if not args.json:
        held = trash_sum()
        print(f"{held.files} files, {held.size_bytes} bytes in the trash.", file=sys.stderr)
    return 0


def _line(one: TrashView) -> str:
    from apps.common.sentences import sentence

    until = (
        "until a scan proves the new one"
        if one.keep_until_proven
        else f"until {one.purge_at:%Y-%m-%d}"
        if one.purge_at
        else ""
    )
    said = f": {sentence(one.code, one.params)} [{one.code}]" if one.code else ""
    return f"{one.id}  {one.state.value:<9} {one.reason:<9} {one.path}{said}  {until}".rstrip()


def _put(args: argparse.Namespace) -> int:
    """Exit status 1 if one stays where it is."""
    _ready()
    from apps.common.sentences import message_of
    from apps.domain.errors import DomainError
    from apps.domain.library.trash import TrashReason, TrashState
    from apps.library.selectors import file_at
    from apps.library.services_trash import TrashRefused
    from workers.trash import trash_file

    failed = 0
    for text in args.paths:
        try:
            file_id = file_at(Path(text).expanduser().absolute())
            if file_id is None:
                raise TrashRefused("There is no such file.", code="file_unknown", file=text)
            view = trash_file(file_id, reason=TrashReason.PERSON)
            if view.state is TrashState.TRASHED:
                print(f"{view.id}  {text}")
                continue
            code, said = view.code, message_of(view.code or view.state.value, view.params)
        except DomainError as error:
            code, said = error.code, message_of(error.code, error.params, fallback=error.sentence)
        failed += 1
        print(f"{text}  {said} [{code}]", file=sys.stderr)
    return 1 if failed else 0


def _restore(args: argparse.Namespace) -> int:
    """Exit status 1 if one could not be put back."""
    _ready()
    from apps.common.sentences import message_of
    from apps.domain.errors import DomainError
    from apps.domain.library.trash import TrashState
    from workers.trash import trash_restore

    failed = 0
    for text in args.ids:
        try:
            view = trash_restore(_id_of(text), numbered=args.numbered)
            if view.state is TrashState.RESTORED:
                print(f"{text}  back at {view.restored_to or view.path}")
                continue
            code, said = view.code, message_of(view.code or view.state.value, view.params)
        except DomainError as error:
            code, said = error.code, message_of(error.code, error.params, fallback=error.sentence)
        failed += 1
        print(f"{text}  {said} [{code}]", file=sys.stderr)
    return 1 if failed else 0


def _purge(args: argparse.Namespace) -> int:
    """Exit status 1 if nothing was deleted."""
    _ready()
    from apps.domain.library.trash import TrashState
    from apps.library.selectors_trash import trash_list
    from workers.trash import trash_purge

    if bool(args.ids) == args.all:
        print("Name the files, or --all.", file=sys.stderr)
        return 2
    ids = [_id_of(text) for text in args.ids]
    cursor = None
    while args.all:
        page = trash_list(states=[TrashState.TRASHED], cursor=cursor, limit=200)
        ids += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    gone = sum(trash_purge(one) is not None for one in ids)
    print(f"{gone} of {len(ids)} files are deleted.")
    return 0 if gone or not ids else 1


def _id_of(text: str) -> uuid.UUID:
    from apps.library.services_trash import TrashRefused

    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise TrashRefused("Nothing of this id is in the trash.", code="trash_unknown") from error


def _change(args: argparse.Namespace) -> int:
    """Exit status 1 if it is no folder of the library."""
    _ready()
    from apps.library.selectors import root_list
    from apps.library.services_trash import root_changes_allow

    wanted = {args.folder, str(Path(args.folder).expanduser().absolute())}
    root = next((one for one in root_list() if one.path in wanted), None)
    if root is None:
        print("This is no folder of the library; `library roots` lists them.", file=sys.stderr)
        return 1
    root_changes_allow(root.id, allowed=args.command == "allow")
    print(f"{root.path}: {'files may be changed when you ask for it' if args.command == 'allow' else 'only read'}.")
    return 0
