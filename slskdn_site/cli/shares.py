"""`./slskdn shares …`: what is shared and with whom. The same services as the API."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from slskdn_site.cli._answers import answer_print
from slskdn_site.cli.main import django_setup

if TYPE_CHECKING:
    from apps.soulseek.selectors_sharing import ShareFolder, ShareTree

SUMMARY = "What is shared on Soulseek, and with whom."


def register(parser: argparse.ArgumentParser) -> None:
    """list, preview, set, scan-status; each with --json."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    words = "The library's folders, or what is in one, with who may see what."
    listed = commands.add_parser("list", help=words, description=words)
    listed.add_argument("folder", nargs="?", default="", help="a folder of the library, as a path")
    listed.set_defaults(run=show, view="")
    words = "The same as others see it."
    preview = commands.add_parser("preview", help=words, description=words)
    preview.add_argument("view", choices=("everyone", "buddies"))
    preview.add_argument("folder", nargs="?", default="", help="a folder of the library, as a path")
    preview.set_defaults(run=show)
    words = "Say who may see a folder and what is below it; `inherit`: as what is above it."
    setting = commands.add_parser("set", help=words, description=words)
    setting.add_argument("folder", help="a folder of the library, as a path")
    setting.add_argument("audience", choices=("everyone", "buddies", "nobody", "inherit"))
    setting.set_defaults(run=set_audience)
    words = "What the node has in its index, and whether it is reading."
    status = commands.add_parser("scan-status", help=words, description=words)
    status.set_defaults(run=scan_status)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object instead of text")


def show(args: argparse.Namespace) -> int:
    """A folder, or the roots."""
    django_setup()
    from apps.soulseek.selectors_sharing import share_tree
    from apps.soulseek.services_sharing import root_of

    root, path = root_of(args.folder) if args.folder else (None, b"")
    tree = share_tree(root_id=root, path=path, seen_by=args.view)
    lines = [_line(one) for one in tree.folders] + [f"{one.size_bytes:>14}  {one.path}" for one in tree.files]
    return answer_print(args, facts(tree), lines or ["Nothing."])


def set_audience(args: argparse.Namespace) -> int:
    """A rule, or none."""
    django_setup()
    from apps.domain.soulseek.virtual_paths import Audience
    from apps.soulseek.selectors_sharing import share_tree
    from apps.soulseek.services_sharing import root_of, share_set, share_unset

    root, path = root_of(args.folder)
    if args.audience == "inherit":
        share_unset(root, path)
    else:
        share_set(root, path, audience=Audience(args.audience))
    here = share_tree(root_id=root, path=path, files=0).here
    assert here is not None
    return answer_print(args, folder_facts(here), [_line(here)])


def scan_status(args: argparse.Namespace) -> int:
    """As the node said last; 1 when it says nothing."""
    django_setup()
    from apps.soulseek.selectors_sharing import share_status

    status = share_status()
    words = f"{status.files} files in {status.folders} folders are shared."
    lines = [words if status.enabled else "Sharing is switched off (soulseek.share.enabled)."]
    if not status.told:
        lines.append("The node says nothing; these are the last figures it left.")
    if status.reading:
        lines.append(f"The library is being read: {status.read} files so far.")
    elif status.read_s is not None:
        lines.append(f"The library was read in {status.read_s} s; {status.changes} files changed since the node began.")
    answer_print(args, dataclasses.asdict(status), lines)
    return 0 if status.told else 1


def facts(tree: ShareTree) -> dict[str, object]:
    """As JSON."""
    return {
        "here": folder_facts(tree.here) if tree.here is not None else None,
        "folders": [folder_facts(one) for one in tree.folders],
        "files": [{"path": one.path, "size_bytes": one.size_bytes} for one in tree.files],
        "totals": {audience.value: dataclasses.asdict(amount) for audience, amount in tree.totals.items()},
    }


def folder_facts(one: ShareFolder) -> dict[str, object]:
    """As JSON."""
    return {
        "root_id": one.root_id,
        "path": one.key,
        "name": one.name,
        "audience": one.audience.value,
        "own": one.own,
        "mixed": one.mixed,
        **dataclasses.asdict(one.amount),
    }


def _line(one: ShareFolder) -> str:
    mark = " *" if one.own else ""
    mixed = " (others below)" if one.mixed else ""
    return f"{one.audience.value + mark:10} {one.amount.files:>7} files {one.amount.size_bytes:>15} bytes  {one.name}{mixed}"
