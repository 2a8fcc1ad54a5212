"""Names of folders (and albums) that are one disc of several: "CD1", "Foo (Disc 2)", "Foo - CD 02", "Disc Two", "CD1 – Foo". Pure.

A disc's siblings are guessed by their names: the same name with another number in the same spelling, and the bare name, which is the first disc where
somebody named only the others. A title of its own behind the number ("CD1 – Foo", "CD2 – Bar") can't be guessed: `same_set` tells whether two names
that stand beside each other are discs of one set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_DISCS: Final = 30
_BARE_DISCS: Final = 4
"""So many further discs are looked for beside a folder whose name says nothing of discs."""
_WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_NUMBER: Final = rf"(?P<number>\d{{1,2}}(?!\d)|(?:{'|'.join(sorted((*_WORDS, *_ROMAN), key=len, reverse=True))})\b)"
_DISC: Final = re.compile(
    rf"(?i)(?:^|(?<=[\s\-–_.,(\[]))(?P<word>cd|dis[ck]|disque|medium|lp|vinyl)(?P<gap>[\s\-_.#]*){_NUMBER}"
)
_EDGE: Final = " \t-–—_.,:()[]"
_BARE: Final = (
    " (Disc {})",
    " (CD {})",
    " (CD{})",
    " [Disc {}]",
    " CD{}",
    " CD {}",
    " - CD{}",
    " - Disc {}",
    " Disc {}",
)


@dataclass(frozen=True, slots=True)
class DiscName:
    """A name taken apart. `stem`: of the set, "" where the name is of the disc alone; `title`: the disc's own."""

    stem: str
    number: int
    title: str


def disc_name(name: str) -> DiscName | None:
    """None: the name says nothing of discs."""
    found = _found(name)
    if found is None:
        return None
    before, behind = name[: found.start()].strip(_EDGE), name[found.end() :].strip(_EDGE)
    return DiscName(stem=before, number=_value(found["number"]), title=behind)


def siblings(name: str) -> tuple[str, ...]:
    """Names that the other discs may have, without those with titles of their own."""
    found = _found(name)
    if found is None:
        return tuple(name + each.format(number) for number in range(2, _BARE_DISCS + 1) for each in _BARE)
    said = found["number"]
    before, behind = name[: found.start("number")], name[found.end() :]
    others = [before + spelt + behind for number in range(1, MAX_DISCS + 1) for spelt in _spelt(number, said)]
    stem = name[: found.start()].rstrip(_EDGE.replace(")", "").replace("]", ""))
    bare = [stem] if stem and not behind.strip(_EDGE) else []
    return tuple(dict.fromkeys(one for one in [*others, *bare] if one != name))


def same_set(one: str, other: str) -> bool:
    """Whether two names of one folder are different discs of one set: the same stem, whatever the discs' own titles are."""
    mine, theirs = disc_name(one), disc_name(other)
    if mine is None or theirs is None:
        return False
    return mine.stem.casefold() == theirs.stem.casefold() and mine.number != theirs.number


def without_disc(album: str) -> str:
    """An album's name without "(Disc 2)" at its end; of nothing but that the name itself."""
    found = _found(album)
    if found is None or album[found.end() :].strip(_EDGE):
        return album
    return album[: found.start()].rstrip(_EDGE.replace(")", "").replace("]", "")) or album


def _found(name: str) -> re.Match[str] | None:
    """The last place that names a disc: "LP 1 (Disc 2)" is disc 2."""
    found = None
    for found in _DISC.finditer(name):  # noqa: B007  (the last one counts)
        pass
    return found if found is None or 0 < _value(found["number"]) <= 99 else None


def _value(number: str) -> int:
    low = number.casefold()
    if low.isdigit():
        return int(low)
    return (_WORDS.index(low) if low in _WORDS else _ROMAN.index(low)) + 1


def _spelt(number: int, said: str) -> list[str]:
    """A number as the other name spells it."""
    if said.isdigit():
        return [str(number), f"{number:02}"] if number < 10 else [str(number)]
    names = _WORDS if said.casefold() in _WORDS else _ROMAN
    if number > len(names):
        return []
    word = names[number - 1]
    return [word.upper() if said.isupper() else word.capitalize() if said[0].isupper() else word]
