"""How files of the library are called on the network, and who may see which folder. Pure.

A virtual path is `Root name\\folder\\file`, made from a row and never taken apart again: what a peer asks for is looked up, letter for letter, in the table of
those that were made. What no peer could say back is replaced here (bytes that are no UTF-8, backslashes and control characters in names), so two files may
come to the same name; the later one then gets its number in brackets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_CHARS: Final = 2000
"""Longer paths are not shared: clients cut them, and would ask for something else."""


class Audience(StrEnum):
    """Who may see a folder."""

    EVERYONE = "everyone"
    BUDDIES = "buddies"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRule:
    """A folder of a root ("" is the root itself) and who may see it and what is below, but for what a longer rule says."""

    root_id: int
    relative_path: bytes
    audience: Audience


@dataclass(frozen=True, slots=True)
class ShareRules:
    """All rules: the longest prefix (of whole components) decides; without one, everybody."""

    by_root: Mapping[int, Mapping[bytes, Audience]] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[FolderRule]) -> ShareRules:
        """From rows. The last of two rules for one folder counts (the database allows only one)."""
        found: dict[int, dict[bytes, Audience]] = {}
        for rule in rules:
            found.setdefault(rule.root_id, {})[rule.relative_path.strip(b"/")] = rule.audience
        return cls(found)

    def audience(self, root_id: int, relative_path: bytes) -> Audience:
        """Of a file or a folder."""
        rules = self.by_root.get(root_id)
        if not rules:
            return Audience.EVERYONE
        path = relative_path.strip(b"/")
        while True:
            found = rules.get(path)
            if found is not None:
                return found
            if not path:
                return Audience.EVERYONE
            path = path.rpartition(b"/")[0]


def root_names(paths: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Names of roots (id, path): the last component; equal ones are numbered in the order of their ids."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for root_id, path in sorted(paths):
        base = _said(path.rstrip("/").rpartition("/")[2].encode("utf-8", "surrogateescape")) or "Music"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base} {number}"
        taken.add(name.casefold())
        names[root_id] = name
    return names


def virtual_path(root_name: str, relative_path: bytes) -> str | None:
    """The name on the network; None: none that peers could say. Components that are empty, `.` or `..` are in no row; a row with one is not shared."""
    parts = relative_path.split(b"/")
    if any(part in (b"", b".", b"..") for part in parts):
        return None
    path = "\\".join((root_name, *(_said(part) for part in parts)))
    return path if len(path) <= MAX_CHARS else None


def numbered(path: str, number: int) -> str:
    """Another name for a second file of the same name: `Folder\\Title [17].flac`."""
    folder, separator, name = path.rpartition("\\")
    stem, dot, suffix = name.rpartition(".")
    named = f"{stem} [{number}]{dot}{suffix}" if stem else f"{name} [{number}]"
    return f"{folder}{separator}{named}"


def _said(part: bytes) -> str:
    text = part.decode("utf-8", "replace")
    return "".join("_" if one == "\\" or one < " " or one == "\x7f" else one for one in text)
