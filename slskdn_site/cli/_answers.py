"""How commands answer: one JSON object or lines of text, neither with anything that a terminal takes for more than text."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime

from slskdn_site.logs import one_line


def paged(parser: argparse.ArgumentParser) -> None:
    """A list that is answered page by page: `limit` and `cursor`."""
    parser.add_argument("--limit", type=int, default=50, help="at most so many (200)")
    parser.add_argument("--cursor", default=None, help="the next page, as the last one told")


def answer_print(args: argparse.Namespace, answer: object, lines: Sequence[str]) -> int:
    """`answer` with --json, otherwise the lines; 0. Names of strangers may stand in both."""
    if args.json:
        return json_print(answer)
    print("\n".join(clean(line) for line in lines))
    return 0


def json_print(answer: object) -> int:
    """One JSON object; times as ISO 8601, ids as text; 0."""
    print(json.dumps(answer, default=_plain))
    return 0


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def safe(text: str, most: int = 60) -> str:
    """Words of a stranger for a place in a line."""
    from apps.common.text import display_text

    return display_text(text, limit=most)


def more_print(cursor: str | None) -> None:
    """How the next page is asked for, if there is one."""
    if cursor:
        print(f"More: --cursor {safe(cursor, 400)}")


def clean(text: str) -> str:
    """Words of a stranger, or a name of a file, as one line of plain text that can be written in any case."""
    return one_line(text).encode("utf-8", "replace").decode()
