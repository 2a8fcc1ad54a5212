"""Names as words, for search fields: each word of a name is kept, and what a person types finds names by how their words begin.

"Beginning of a word" is a range of an index on every database; "somewhere inside" would read every row. Both sides are folded alike: case, accents and
compatibility forms do not matter, and whatever is no letter or digit separates. Scripts that are written without spaces have a word begin at each sign.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from apps.domain.library.sorting import folded

WORD_CHARS: Final = 40
"""Kept of a word."""
MAX_WORDS: Final = 60
"""Kept of a name."""
MAX_ASKED: Final = 8
"""Words of a search that are looked for."""
_LAST: Final = "\U0010ffff"
_RUNS: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana and ideographs."""


def words_of(text: str) -> tuple[str, ...]:
    """The distinct words of a name, at most MAX_WORDS, each at most WORD_CHARS long; () for a name without any sign."""
    kept: dict[str, None] = {}
    for word in _words(text):
        for start in (0, *(at for at in range(1, len(word)) if _UNSPACED.match(word, at))):
            kept.setdefault(word[start : start + WORD_CHARS])
            if len(kept) == MAX_WORDS:
                return tuple(kept)
    return tuple(kept)


def asked_words(text: str) -> tuple[tuple[str, str], ...]:
    """What was typed, as (from, to) for each of its words: a name is found if for every pair it has a word ≥ from and < to. () if nothing was asked."""
    asked = dict.fromkeys(word[:WORD_CHARS] for word in _words(text))
    # A word that another one begins with asks for nothing more: "the them" is "them".
    needed = [one for one in asked if not any(other != one and other.startswith(one) for other in asked)]
    return tuple((one, one + _LAST) for one in sorted(needed, key=len, reverse=True)[:MAX_ASKED])


def _words(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKD", folded(text))
    bare = "".join(one for one in plain if unicodedata.category(one) != "Mn")
    for chunk in unicodedata.normalize("NFC", bare).replace("/", " ").split():
        # A name may be nothing but signs ("!!!", "+/-"): those are its word.
        yield from _RUNS.findall(chunk) or [chunk]
