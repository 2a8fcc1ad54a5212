"""`./slskdn library …`: bring files into the library's rows so that they can be served, and look at what is there."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slskdn_site.cli._duplicates import register_duplicates
from slskdn_site.cli._library_scans import register_scans
from slskdn_site.cli._rename import register_rename
from slskdn_site.cli._trash import register as register_trash

if TYPE_CHECKING:
    from workers.import_library import ImportedFile

SUMMARY = "Scan and import folders of music, list and rename files of the library."


def register(parser: argparse.ArgumentParser) -> None:
    """Subcommands."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    what = "Import a folder here and now, and say what its files are if you like. Files are only read."
    add = commands.add_parser("add", help=what, description=what)
    add.add_argument("folder", metavar="DIR", help="a folder, or one file")
    add.add_argument("--recording", default="", metavar="MBID", help="the recording that these files are")
    add.add_argument("--release", default="", metavar="MBID", help="the release they belong to")
    add.add_argument("--json", action="store_true", help="print one report at the end")
    add.set_defaults(run=_add)
    listing = commands.add_parser("list", help="The library's files.", description="The library's files.")
    listing.add_argument("--release", default="", metavar="MBID")
    listing.add_argument("--recording", default="", metavar="MBID")
    listing.add_argument("--json", action="store_true", help="print JSON, a line a file")
    listing.set_defaults(run=_list)
    roots = commands.add_parser("roots", help="The library's folders.", description="The library's folders.")
    roots.add_argument("--json", action="store_true", help="print JSON")
    roots.set_defaults(run=_roots)
    register_duplicates(commands)
    register_scans(commands)
    register_trash(commands)
    register_rename(commands)


def _ready() -> None:
    from slskdn_site.cli.main import django_setup

    django_setup()


def _add(args: argparse.Namespace) -> int:
    """Exit status 1 if files were there and every one was refused."""
    _ready()
    from workers.import_library import import_folder
    from workers.reading import NamedAs

    def tell(file: ImportedFile) -> None:
        if not args.json and file.status != "unchanged":
            print(_line(file), flush=True)

    # Not resolved: the root keeps the name the person gave it, links included.
    folder = Path(os.path.abspath(Path(args.folder).expanduser()))  # noqa: PTH100
    wish = NamedAs.of_text(recording=args.recording, release=args.release)
    report = import_folder(folder, wish=wish, on_file=tell)
    if args.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        counts = (
            f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {report.refused} refused"
        )
        print(f"{counts}, {report.missing} gone.", file=sys.stderr)
    return 1 if report.refused and not report.added + report.updated + report.unchanged else 0


def _line(file: ImportedFile) -> str:
    from apps.domain.jobs.sentences import sentence

    reason = f": {sentence(file.code, file.params)} [{file.code}]" if file.code else ""
    return f"{file.status:<9} {file.path}{reason}"


def _list(args: argparse.Namespace) -> int:
    _ready()
    from apps.jobs.services import mbid_of
    from apps.library.selectors import file_list

    release = mbid_of(args.release) if args.release else None
    recording = mbid_of(args.recording) if args.recording else None
    after = 0
    while files := file_list(release_mbid=release, recording_mbid=recording, after_id=after, limit=500):
        for file in files:
            if args.json:
                print(json.dumps(dataclasses.asdict(file), default=str))
            else:
                state = "missing" if file.missing else "verified" if file.verified else "claimed"
                print(f"{file.recording_mbid}  {file.profile:<18} {state:<9} {file.path}")
        after = files[-1].id
    return 0


def _roots(args: argparse.Namespace) -> int:
    _ready()
    from apps.library.selectors import root_list

    roots = root_list()
    if args.json:
        print(json.dumps([dataclasses.asdict(root) for root in roots], default=str))
        return 0
    for root in roots:
        use = "finished albums go here" if root.writable else "read only"
        use += ", scanned" if root.scanned else ""
        use += f"; {root.state_code}" if root.state_code else ""
        print(f"{root.path}  {root.files} files, {root.size_bytes} bytes, {root.missing} gone ({use})")
    return 0
