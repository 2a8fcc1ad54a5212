"""How a file in a library is named in rows: root id, relative path as raw bytes, and a text to show.

File names on disk are bytes, not text: they are kept as they are, and what people see is made from them, never the other way round.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from apps.domain.errors import DomainError

MAX_PATH_BYTES = 4096
"""PATH_MAX on Linux."""


class PathKeyError(DomainError):
    """A relative path that leaves its root, or is none."""

    default_code = "library_path_invalid"


@dataclass(frozen=True, slots=True)
class PathKey:
    """One file of one library root. Raises PathKeyError unless `relative` stays inside the root by its own words."""

    root_id: int
    relative: bytes
    """Components joined by `/`, exactly the bytes on disk."""

    def __post_init__(self) -> None:
        parts = self.relative.split(b"/")
        if not self.relative or len(self.relative) > MAX_PATH_BYTES or b"\0" in self.relative:
            raise PathKeyError("A library path has 1 to 4096 bytes and no NUL.", length=len(self.relative))
        if any(part in (b"", b".", b"..") for part in parts):
            raise PathKeyError(
                "A library path is relative and has no empty, . or .. parts.", path=display_text(self.relative)
            )

    @property
    def display(self) -> str:
        """The path as shown to people."""
        return display_text(self.relative)


def display_text(raw: bytes) -> str:
    """Bytes of a path as harmless text: undecodable bytes, control and format characters are shown as `\\xNN` or `\\uNNNN`. Not reversible."""
    text = raw.decode("utf-8", errors="backslashreplace")
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character == "\u200d":
        return character
    return character.encode("unicode_escape").decode("ascii")
