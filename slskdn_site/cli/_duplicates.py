"""`./slskdn library duplicates`: files that are the same music, and the one to keep."""

from __future__ import annotations

import argparse
import dataclasses
import json

KINDS = ("payload", "pcm", "recording", "sound")


def register_duplicates(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand."""
    what = "Files that are the same music: copies of a payload, the same samples, the same recording, or the same sound; the first is the one to keep."
    parser = commands.add_parser("duplicates", help=what, description=what)
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default=KINDS[0],
        help="payload: copies; pcm: same samples; recording: variants; sound: by fingerprint, without a common MBID",
    )
    parser.add_argument("--limit", type=int, default=50, help="groups, at most")
    parser.add_argument("--json", action="store_true", help="print JSON, a line a group")
    parser.set_defaults(run=_duplicates)


def _duplicates(args: argparse.Namespace) -> int:
    from slskdn_site.cli.main import django_setup

    django_setup()
    from apps.common.sentences import sentence
    from apps.domain.library.duplicates import DuplicateKind
    from apps.library.selectors_duplicates import duplicate_groups

    left, cursor, shown = max(1, args.limit), None, 0
    while left:
        page = duplicate_groups(DuplicateKind(args.kind), cursor=cursor, limit=min(left, 100))
        for group in page.items:
            shown += 1
            if args.json:
                print(json.dumps({**dataclasses.asdict(group), "spare_bytes": group.spare_bytes}, default=str))
                continue
            print(f"{group.artist + ' – ' if group.artist else ''}{group.title}  ({group.spare_bytes} bytes to spare)")
            for at, one in enumerate(group.files):
                print(
                    f"  {'*' if at == 0 else ' '} {one.file.path}  {one.file.profile}  {sentence(one.reason.code, one.reason.params)}"
                )
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    if not shown and not args.json:
        print("No duplicates of this kind.")
    return 0
