"""By what the library's list is ordered and searched: one text per file, comparable byte by byte on every database.

Both databases compare it by code points (SQLite's BINARY, Postgres' collation "C"), so a page ends and begins at the same row everywhere, and "begins
with" is a range of the index.
"""

from __future__ import annotations

import unicodedata

SORT_KEY_CHARS = 240
_NAME_CHARS = 90
"""Of artist and of album each; the rest is for disc, track and title."""
_LAST = "\U0010ffff"


def sort_key(*, artist: str, album: str, disc: int | None, track: int | None, title: str) -> str:
    """Casefolded `artist album ddd-tttt title`, at most 240 characters. `artist`: the album's where there is one, so that an album stands together.

    Unknown artists sort last (U+FFFD), so that a library without tags does not begin with what nobody can name.
    """
    parts = [folded(artist)[:_NAME_CHARS] or "\ufffd", folded(album)[:_NAME_CHARS]]
    parts.append(f"{min(max(disc or 0, 0), 999):03d}-{min(max(track or 0, 0), 9999):04d}")
    parts.append(folded(title))
    return " ".join(part for part in parts if part)[:SORT_KEY_CHARS]


def folded(text: str) -> str:
    """Text for comparison: compatibility forms unified (NFKC), case folded, only printable characters, single spaces."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(one if one.isprintable() else " " for one in plain).split())


def prefix_range(text: str) -> tuple[str, str]:
    """(from, to): the keys that begin with `text` are those ≥ from and < to."""
    start = folded(text)[:SORT_KEY_CHARS]
    return start, start + _LAST
