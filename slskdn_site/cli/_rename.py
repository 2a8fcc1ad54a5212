"""`./slskdn library rename …`: which names a template would give, giving them, and taking that back."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.library.selectors_rename import MoveView, RenamingView


def register_rename(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand."""
    what = "Show which names a template would give to files; --apply gives them, --undo takes that back."
    parser = commands.add_parser("rename", help=what, description=what)
    parser.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="a folder or file of the library (default: all of it)"
    )
    parser.add_argument("--template", default="", metavar="T", help="default: library.template of slskdn.yml")
    deed = parser.add_mutually_exclusive_group()
    deed.add_argument("--dry-run", action="store_true", help="only show old and new names (the default)")
    deed.add_argument("--apply", action="store_true", help="rename what can be renamed; nothing is ever replaced")
    deed.add_argument("--undo", default="", metavar="ID", help="put back what a renaming renamed")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a file, and the sums last")
    parser.set_defaults(run=_rename)


def _rename(args: argparse.Namespace) -> int:
    """Exit status 1 if something stays that was to be renamed (or put back)."""
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.domain.library.renaming import RenamingState
    from apps.library.services_rename import rename_apply_ask, rename_ask, rename_undo_ask
    from slskdn_site.config import load_config

    if args.undo:
        renaming_id = _id_of(args.undo)
        rename_undo_ask(renaming_id, send=False)
    else:
        # Not resolved: roots keep the names that people gave them, links included.
        path = os.fsencode(os.path.abspath(Path(args.path).expanduser())) if args.path else b""  # noqa: PTH100
        renaming_id = rename_ask(template=args.template or load_config().library.template, path=path, send=False)
    view = _run(renaming_id)
    if args.apply and view.state is RenamingState.PLANNED and view.lines:
        rename_apply_ask(renaming_id, send=False)
        view = _run(renaming_id)
    _show(view, json_lines=args.json)
    return 1 if view.state is RenamingState.FAILED or view.blocked + view.failed + view.stuck else 0


def _run(renaming_id: uuid.UUID) -> RenamingView:
    """Here and now, task after task. Another worker may have it: then its work is waited for by whoever calls again."""
    from apps.domain.library.renaming import RENAMING_OPEN
    from apps.library.selectors_rename import renaming_view
    from workers.renaming import rename_step

    done = -1
    while True:
        rename_step(renaming_id)
        view = renaming_view(renaming_id)
        assert view is not None, renaming_id
        if view.state not in RENAMING_OPEN or view.done == done:
            return view
        done = view.done


def _show(view: RenamingView, *, json_lines: bool) -> None:
    from apps.common.sentences import sentence
    from apps.domain.library.renaming import RenamingState

    for line in _lines(view.id):
        if json_lines:
            print(json.dumps(dataclasses.asdict(line), default=str))
            continue
        said = f"  {sentence(line.code, line.params)} [{line.code}]" if line.code else ""
        print(f"{'=' if line.code else ' '} {line.old}" + (f"\n  -> {line.new}" if line.new else "") + said)
    if json_lines:
        print(json.dumps(dataclasses.asdict(view), default=str))
        return
    if view.code:
        print(f"{sentence(view.code, view.params)} [{view.code}]", file=sys.stderr)
    sums = f"{view.looked} files: {view.named} have their name, {view.planned} get another ({view.beside} more beside them), {view.blocked} stay"
    match view.state:
        case RenamingState.PLANNED:
            sums += ". Nothing was changed; --apply does it."
        case RenamingState.DONE:
            sums += f". {view.moved} renamed, {view.failed} not. Take it back: ./slskdn library rename --undo {view.id}"
        case RenamingState.UNDONE:
            sums += f". {view.returned} put back, {view.stuck} not."
        case _:
            sums += f". It is {view.state.value}."
    print(sums, file=sys.stderr)


def _lines(renaming_id: uuid.UUID) -> Iterator[MoveView]:
    from apps.library.selectors_rename import move_list

    cursor = None
    while True:
        page = move_list(renaming_id, cursor=cursor, limit=200)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _id_of(text: str) -> uuid.UUID:
    from apps.library.services_rename import RenameRefused

    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise RenameRefused("There is no renaming of this id.", code="renaming_unknown") from error
