"""How commands answer: one JSON object or lines of text, neither with anything that a terminal takes for more than text."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from slskdn_site.logs import one_line


def answer_print(args: argparse.Namespace, answer: object, lines: Sequence[str]) -> int:
    """`answer` with --json, otherwise the lines; 0. Names of strangers may stand in both."""
    print(json.dumps(answer) if args.json else "\n".join(clean(line) for line in lines))
    return 0


def clean(text: str) -> str:
    """Words of a stranger, or a name of a file, as one line of plain text that can be written in any case."""
    return one_line(text).encode("utf-8", "replace").decode()
