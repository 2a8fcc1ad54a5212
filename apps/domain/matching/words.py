"""How unlike two titles or names are: 0 the same, 1 nothing in common.

Compared is what people read: compatibility forms unified, case folded, accents and punctuation dropped, "&" is "and", a leading or trailing article is
nothing. What stands in brackets or behind a dash and names a *version* (live, remix, feat. …) is taken out and compared as such: a guest's credit or a
remaster weighs little, another version of the song weighs much, however alike the letters are.

The letters are compared by their longest common subsequence (indel distance), in Hyyrö's bit-parallel form: H. Hyyrö, "Bit-parallel LCS-length
computation revisited" (2004); about 10 µs for a pair of titles.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

MAX_COMPARED_CHARS: Final = 200
_UNRELATED: Final = 0.6
"""Indel distance of English titles that have nothing to do with each other is 0.5–0.7: this and more counts as 1."""
_MINOR: Final = 0.06
"""A version word that does not change the music, on one side only."""
_MAJOR: Final = 0.4
"""One that does."""
_NUMBERS: Final = 0.3
""""Part 1" and "Part 2" differ in one letter, and are two pieces."""

_MINOR_WORDS: Final = {
    "remaster": "remaster", "remastered": "remaster", "remasterizado": "remaster", "bonus": "bonus", "explicit": "explicit", "clean": "explicit",
    "mono": "mono", "stereo": "stereo", "deluxe": "deluxe", "feat": "feat", "ft": "feat", "featuring": "feat", "with": "feat", "album": "album",
    "original": "original", "anniversary": "deluxe", "digital": "digital",
}  # fmt: skip
_MAJOR_WORDS: Final = {
    "live": "live", "remix": "remix", "rmx": "remix", "mix": "mix", "demo": "demo", "instrumental": "instrumental", "acoustic": "acoustic",
    "unplugged": "acoustic", "karaoke": "karaoke", "edit": "edit", "radio": "edit", "extended": "extended", "dub": "dub", "acapella": "acapella",
    "session": "session", "sessions": "session", "take": "take", "reprise": "reprise", "outtake": "take", "rehearsal": "demo", "cover": "cover",
    "alternate": "alternate", "alternative": "alternate",
}  # fmt: skip
_BRACKETS: Final = re.compile(r"[(\[{<（「【]([^()\[\]{}<>（）「」【】]*)[)\]}>）」】]")
_FEAT: Final = re.compile(r"\s(?:feat\.?|ft\.|featuring)\s+(.*)$", re.IGNORECASE)
_DASH: Final = re.compile(r"\s[-–—]\s+([^-–—]+)$")
_ARTICLE_LAST: Final = re.compile(r"^(.*),\s*(the|a|an|die|der|das|le|la|les|el|los)$")
_ARTICLES: Final = frozenset({"the", "a", "an"})
_LEADING_NUMBER: Final = re.compile(r"^\s*(?:\d{1,2}[-.])?\d{1,3}\s*[-._)\s]\s*")


@dataclass(frozen=True, slots=True)
class Words:
    """A text ready to be compared."""

    raw: str
    core: str
    minor: frozenset[str]
    major: frozenset[str]
    numbers: tuple[str, ...]


@functools.lru_cache(maxsize=20_000)
def words_of(text: str) -> Words:
    """See the module. Two texts that are equal for people have equal words."""
    folded = unicodedata.normalize("NFKC", text[:MAX_COMPARED_CHARS]).casefold()
    minor: set[str] = set()
    major: set[str] = set()

    def taken(part: str) -> bool:
        named = _plain(part).split()
        found_minor = {_MINOR_WORDS[one] for one in named if one in _MINOR_WORDS}
        found_major = {_MAJOR_WORDS[one] for one in named if one in _MAJOR_WORDS}
        if found_major == {"mix"} and "original" in found_minor:
            found_major = set()  # "original mix" is the song itself
        minor.update(found_minor)
        major.update(found_major)
        return bool(found_minor or found_major)

    kept = _BRACKETS.sub(lambda match: " " if taken(match[1]) else f" {match[1]} ", folded)
    if guest := _FEAT.search(kept):
        minor.add("feat")
        kept = kept[: guest.start()]
    if (tail := _DASH.search(kept)) and taken(tail[1]):
        kept = kept[: tail.start()]
    if last := _ARTICLE_LAST.match(kept.strip()):
        kept = f"{last[2]} {last[1]}"
    core = _without_article(_plain(kept)) or _without_article(_plain(folded)) or " ".join(folded.split())
    numbers = tuple(sorted(one.lstrip("0") or "0" for one in re.findall(r"\d+", core)))
    return Words(raw=folded, core=core, minor=frozenset(minor), major=frozenset(major), numbers=numbers)


def file_words(name: str) -> str:
    """What a file's name says of the title: no track number before it, underscores as spaces."""
    spaced = name.replace("_", " ")
    return _LEADING_NUMBER.sub("", spaced, count=1).strip() or spaced.strip()


def text_distance(one: str, other: str) -> float:
    """0 … 1; symmetric; 0 for equal texts. An empty text is as far as can be from any other."""
    return _distance(words_of(one), words_of(other))


def name_distance(name: str, title: str) -> float:
    """Of a file's words to a title: "artist - title" counts by its last part where that is nearer."""
    parts = re.split(r"\s+[-–—]\s+", name)
    return min(
        text_distance(name, title), *(text_distance(_LEADING_NUMBER.sub("", part), title) for part in parts[-2:])
    )


def version_words(one: str, other: str) -> tuple[str, ...]:
    """Names of the version words that only one of the two has, the weighty ones first."""
    first, second = words_of(one), words_of(other)
    return (*sorted(first.major ^ second.major), *sorted(first.minor ^ second.minor))


@functools.lru_cache(maxsize=100_000)
def _distance(one: Words, other: Words) -> float:
    if one.raw == other.raw:
        return 0.0
    if not one.core or not other.core:
        return 1.0
    letters = min(1.0, _indel(one.core, other.core) / _UNRELATED)
    versions = _MAJOR * len(one.major ^ other.major) + _MINOR * len(one.minor ^ other.minor)
    numbers = _NUMBERS if one.numbers != other.numbers else 0.0
    return min(1.0, letters + versions + numbers)


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.replace("&", " and "))
    letters = (one for one in apart if not unicodedata.combining(one) and one not in "'’`´.")
    return " ".join("".join(one if one.isalnum() else " " for one in letters).split())


def _without_article(text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first in _ARTICLES and rest else text


def _indel(one: str, other: str) -> float:
    """1 - 2·LCS/(sum of lengths)."""
    if one == other:
        return 0.0
    masks: dict[str, int] = {}
    for index, letter in enumerate(one):
        masks[letter] = masks.get(letter, 0) | 1 << index
    full = (1 << len(one)) - 1
    row = full
    for letter in other:
        hit = row & masks.get(letter, 0)
        row = ((row + hit) | (row - hit)) & full
    common = len(one) - row.bit_count()
    return 1.0 - 2.0 * common / (len(one) + len(other))
