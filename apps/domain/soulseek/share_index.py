"""What is shared, in memory: found by the words of its path, by its exact path, by its folder. Pure, and never slow for long.

Everything that a peer can ask for goes through here by *exact* virtual path: a path is a key in a table and is never turned into a path of the filesystem, so
there is nothing to climb out of. Entries come in batches from the library's rows; every call does a bounded amount of work, so that the event loop that
serves peers is not held up by a large library.

A search matches when every word is a word of the virtual path (`*ord` matches its end), and no word that begins with "-" is. Words are runs of letters and
digits, compared without case and accents, as Nicotine+ and the official client do it.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

MAX_QUERY_WORDS: Final = 20
MAX_QUERY_CHARS: Final = 500
MAX_LOOKED_AT: Final = 5_000
"""Entries that one search may look at; a query of nothing but common words is answered from the first of them."""
MAX_READ: Final = 400
"""Paths that one search may take apart, where lists of words are not enough (`*ord`)."""
MAX_WILDCARD_WORDS: Final = 200
_PAIR: Final = struct.Struct("<II")
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEntry:
    """A shared file. `audience` empty: everybody; else names of groups (`buddies`) of whom a user must be in one.

    `attributes`: the protocol's codes and values (0 kbps, 1 seconds, 2 VBR, 4 Hz, 5 bits).
    """

    file_id: int
    path: str
    """virtual: `Music\\Artist\\Album\\01 Title.flac`"""
    size: int
    attributes: tuple[tuple[int, int], ...] = ()
    audience: frozenset[str] = frozenset()

    @property
    def folder(self) -> str:
        """Without its name."""
        return self.path.rpartition("\\")[0]

    def visible_to(self, groups: Iterable[str]) -> bool:
        """May a user of these groups have it?"""
        return not self.audience or not self.audience.isdisjoint(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Answer to a search: what the asker may have, and what only others may (shown as locked)."""

    visible: tuple[SharedEntry, ...] = ()
    locked: tuple[SharedEntry, ...] = ()


@dataclass(slots=True)
class _Query:
    wanted: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    unwanted: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareColumns:
    """Everything that is shared, as columns of equal length: a copy for another thread. A path of None is a gap.

    `attributes` are packed pairs of 32-bit little-endian numbers, as the protocol sends them. `audiences` index into `kinds`.
    """

    paths: Sequence[str | None]
    sizes: Sequence[int]
    attributes: Sequence[bytes]
    audiences: bytes
    kinds: tuple[frozenset[str], ...]


class ShareIndex:
    """See the module.

    Files are kept in columns, not as an object each: hundreds of thousands of small objects would make the garbage collector stop the loop for longer than
    anything that peers can do.
    """

    def __init__(self) -> None:
        self._paths: list[str | None] = []
        self._sizes = array("q")
        self._files = array("q")
        self._attributes: list[bytes] = []
        self._audiences = bytearray()
        self._kinds: list[frozenset[str]] = [frozenset()]
        self._dead = 0
        self._by_path: dict[str, int] = {}
        self._by_file: dict[int, str | tuple[str, ...]] = {}
        self._by_folder: dict[str, dict[str, int]] = {}
        self._by_word: dict[str, array[int]] = {}

    # ---- filling

    def put(self, entries: Iterable[SharedEntry]) -> None:
        """Add or replace, by path. Call it with a hundred at a time: about 3 ms."""
        for entry in entries:
            slot = self._by_path.get(entry.path)
            if slot is not None:
                self._forget_file(self._files[slot], entry.path)
            else:
                slot = len(self._paths)
                self._paths.append(entry.path)
                self._sizes.append(0)
                self._files.append(0)
                self._attributes.append(b"")
                self._audiences.append(0)
                self._by_path[entry.path] = slot
                self._by_folder.setdefault(entry.folder, {})[entry.path] = slot
                for word in set(words_of(entry.path)):
                    self._by_word.setdefault(word, array("I")).append(slot)
            self._sizes[slot], self._files[slot] = entry.size, entry.file_id
            packed = b"".join(_PAIR.pack(code, min(max(value, 0), 0xFFFF_FFFF)) for code, value in entry.attributes)
            self._attributes[slot] = packed
            self._audiences[slot] = self._kind_of(entry.audience)
            others = self.paths_of(entry.file_id)
            self._by_file[entry.file_id] = (*others, entry.path) if others else entry.path

    def drop(self, paths: Iterable[str]) -> int:
        """Take out by path; how many were there."""
        dropped = 0
        for path in paths:
            slot = self._by_path.pop(path, None)
            if slot is None:
                continue
            name = path.rpartition("\\")[0]
            folder = self._by_folder[name]
            del folder[path]
            if not folder:
                del self._by_folder[name]
            self._forget_file(self._files[slot], path)
            # The lists of words keep the dead slot: taking it out of that of "flac" would cost a look at all its files.
            self._paths[slot] = None
            self._dead += 1
            dropped += 1
        return dropped

    @property
    def worn(self) -> bool:
        """So much was dropped that a new index should be filled, in batches, and take this one's place."""
        return self._dead > max(1000, len(self._by_path))

    # ---- asking

    def at(self, path: str) -> SharedEntry | None:
        """The file under exactly this path: same case, same characters. There is no other way to a file."""
        slot = self._by_path.get(path)
        return None if slot is None else self._entry(slot)

    def paths_of(self, file_id: int) -> tuple[str, ...]:
        """Under which paths a file is shared."""
        found = self._by_file.get(file_id, ())
        return (found,) if isinstance(found, str) else found

    def search(
        self, query: str, *, groups: Sequence[str] = (), excluded: Iterable[str] = (), limit: int = 100
    ) -> Found:
        """What matches, at most `limit` of each kind. `excluded`: phrases that the server wants to see in no answer."""
        asked = _read(query)
        if not asked.wanted and not asked.endings:
            return Found()
        phrases = [plain for plain in (_plain(one) for one in excluded) if plain.strip()]
        visible: list[SharedEntry] = []
        locked: list[SharedEntry] = []
        most = MAX_READ if asked.endings else MAX_LOOKED_AT
        for entry in islice(self._candidates(asked), most):
            if len(visible) >= limit:
                break
            if asked.endings and not _ends(asked, words_of(entry.path)):
                continue
            if phrases and _says(entry.path, phrases):
                continue
            if entry.visible_to(groups):
                visible.append(entry)
            elif len(locked) < limit:
                locked.append(entry)
        return Found(visible=tuple(visible), locked=tuple(locked))

    def folder(self, path: str, *, groups: Sequence[str] = ()) -> tuple[SharedEntry, ...]:
        """The files right in a folder that a user may have, by name."""
        slots = self._by_folder.get(path, {})
        found = (self._entry(slot) for _, slot in sorted(slots.items()))
        return tuple(one for one in found if one is not None and one.visible_to(groups))

    def folders(self) -> tuple[str, ...]:
        """Every folder with files in it, sorted."""
        return tuple(sorted(self._by_folder))

    def counts(self) -> tuple[int, int]:
        """(folders, files)."""
        return len(self._by_folder), len(self._by_path)

    def entries(self) -> Iterator[SharedEntry]:
        """Everything, in the order in which it came. For small libraries and tests: it makes an object for each file."""
        for slot in range(len(self._paths)):
            entry = self._entry(slot)
            if entry is not None:
                yield entry

    def columns(self) -> ShareColumns:
        """Everything, as a copy that another thread may read while this index goes on."""
        return ShareColumns(
            paths=self._paths.copy(),
            sizes=self._sizes[:],
            attributes=self._attributes.copy(),
            audiences=bytes(self._audiences),
            kinds=tuple(self._kinds),
        )

    def file_ids(self) -> frozenset[int]:
        """The library's numbers of all that is shared."""
        return frozenset(self._by_file)

    # ---- inside

    def _candidates(self, asked: _Query) -> Iterator[SharedEntry]:
        """Entries with all wanted words (or a word with the wanted ending) and no unwanted one. Slots in the lists only rise, so a word is looked up in a
        list by halving: nothing is said of a path again that the lists know."""
        lists: list[array[int]] = []
        for word in asked.wanted:
            slots = self._by_word.get(word)
            if slots is None:
                return
            lists.append(slots)
        unwanted = [slots for word in asked.unwanted if (slots := self._by_word.get(word)) is not None]
        rarest: Iterable[int]
        if lists:
            lists.sort(key=len)
            rarest, others = lists[0], lists[1:]
        else:
            ending = asked.endings[0]
            found = [word for word in self._by_word if word.endswith(ending)][:MAX_WILDCARD_WORDS]
            rarest, others = dict.fromkeys(slot for word in found for slot in self._by_word[word]), []
        for looked_at, slot in enumerate(rarest):
            if looked_at >= MAX_LOOKED_AT:
                return
            if all(_has(one, slot) for one in others) and not any(_has(one, slot) for one in unwanted):
                entry = self._entry(slot)
                if entry is not None:
                    yield entry

    def _entry(self, slot: int) -> SharedEntry | None:
        path = self._paths[slot]
        if path is None:
            return None
        return SharedEntry(
            file_id=self._files[slot],
            path=path,
            size=self._sizes[slot],
            attributes=tuple(_PAIR.iter_unpack(self._attributes[slot])),
            audience=self._kinds[self._audiences[slot]],
        )

    def _kind_of(self, audience: frozenset[str]) -> int:
        if audience not in self._kinds:
            self._kinds.append(audience)
        return self._kinds.index(audience)

    def _forget_file(self, file_id: int, path: str) -> None:
        left = tuple(one for one in self.paths_of(file_id) if one != path)
        if left:
            self._by_file[file_id] = left
        else:
            self._by_file.pop(file_id, None)


def _has(slots: array[int], slot: int) -> bool:
    at = bisect_left(slots, slot)
    return at < len(slots) and slots[at] == slot


def words_of(text: str) -> tuple[str, ...]:
    """Its words, in order, without case and accents."""
    return tuple(_WORD.findall(_plain(text)))


def _plain(text: str) -> str:
    flat = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in flat if not unicodedata.combining(one))


def _read(query: str) -> _Query:
    found = _Query()
    for part in query[:MAX_QUERY_CHARS].split()[:MAX_QUERY_WORDS]:
        if part.startswith("-"):
            found.unwanted.update(words_of(part[1:]))
        elif part.startswith("*"):
            found.endings.extend(words_of(part[1:])[:1])
        else:
            found.wanted.extend(words_of(part))
    return found


def _ends(asked: _Query, words: Sequence[str]) -> bool:
    return all(any(word.endswith(ending) for word in words) for ending in asked.endings)


def _says(path: str, phrases: Sequence[str]) -> bool:
    """Whether a path has one of the phrases, as a piece of its text or as its words in order."""
    plain = _plain(path)
    words = f" {' '.join(_WORD.findall(plain))} "
    return any(phrase in plain or f" {' '.join(_WORD.findall(phrase))} " in words for phrase in phrases)


def attributes_of(facts: Mapping[str, int | bool | None]) -> tuple[tuple[int, int], ...]:
    """The protocol's attributes from measured facts: `lossless`, `bitrate_kbps`, `length_s`, `vbr`, `rate`, `bits`. What is unknown is left out.

    Lossless files tell length, rate and depth; lossy ones bit rate, length and VBR: what other clients write and read.
    """
    told: list[tuple[int, int]] = []

    def tell(code: int, value: int | None) -> None:
        if value is not None:
            told.append((code, int(value)))

    if facts.get("lossless"):
        tell(1, facts.get("length_s"))
        tell(4, facts.get("rate"))
        tell(5, facts.get("bits"))
    else:
        tell(0, facts.get("bitrate_kbps"))
        tell(1, facts.get("length_s"))
        tell(2, facts.get("vbr"))
    return tuple(told)
