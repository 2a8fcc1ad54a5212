"""Text that came from elsewhere (peers, MusicBrainz, file tags), made harmless to show.

Owns what may reach a person's eye; HTML escaping stays with the templates, paths with `apps.domain.library.naming`.
"""

from __future__ import annotations

import itertools
import unicodedata

MAX_SHOWN_CHARS = 1000
"""As long as the longest title column. Longer text is cut with an ellipsis."""

MAX_SEARCHED_CHARS = 200

MAX_MARKS = 6
"""Combining marks in a row. Vietnamese and Hebrew need up to three; stacks beyond this paint over other rows."""

JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiner: format characters that Persian, Indic scripts and emoji really need."""

_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters that show nothing and so can fake an empty or equal name."""


def display_text(value: object, *, limit: int = MAX_SHOWN_CHARS) -> str:
    """`value` as one line without control, bidirectional or other invisible characters, at most `limit` characters.

    Line breaks and tabs become one space. Not reversible, and not for comparison: two different names may look alike.
    """
    text = "" if value is None else str(value)[: limit * 4]
    shown = " ".join("".join(_shown(character) for character in text).split())
    runs = itertools.groupby(shown, key=lambda character: unicodedata.category(character) in {"Mn", "Me"})
    calm = "".join("".join(itertools.islice(run, MAX_MARKS)) if marks else "".join(run) for marks, run in runs)
    return calm if len(calm) <= limit else calm[: limit - 1] + "…"


def searched(text: str) -> str:
    """What a person typed into a search field, as it may be looked for: no NUL, which Postgres refuses with an error."""
    return text.replace("\0", "")[:MAX_SEARCHED_CHARS].strip()


def _shown(character: str) -> str:
    if character in JOINERS:
        return character
    category = unicodedata.category(character)
    if category in {"Zs", "Zl", "Zp"} or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category in {"Cc", "Cf", "Cs", "Cn", "Co"} or character in _BLANK_LETTERS else character
