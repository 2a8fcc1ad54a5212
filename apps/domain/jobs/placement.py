"""Where a job's file goes when it belongs beside others: a fix keeps an album together, in whatever root it lies. Pure.

Not one of a job's constraints: nobody asks for it from outside, it is written with the job by whoever fixes something. Without one, files go below
the library's root by its template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from apps.domain.library.paths import PathKey, PathKeyError

ANY_TRACK: Final = "*"
"""Key of a placement for the only track of a job."""


def track_key(medium: int, position: int) -> str:
    """Key of a track's placement."""
    return f"{medium}-{position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A folder of a library root (b"" = the root itself), and the name's stem; an empty stem: the template's last part."""

    root_id: int
    folder: bytes
    stem: bytes = b""

    def __post_init__(self) -> None:
        """Raises PathKeyError for what would leave the root."""
        PathKey(root_id=self.root_id, relative=b"/".join([*([self.folder] if self.folder else []), self.stem or b"x"]))
        if b"/" in self.stem:
            raise PathKeyError("A stem is the name of a file.", stem=self.stem.hex())

    def relative(self, template_path: bytes) -> bytes:
        """The file's path below the root; `template_path`: where the template would put it (its ending is kept)."""
        name = template_path.rpartition(b"/")[2]
        if self.stem:
            _, dot, ending = name.rpartition(b".")
            name = self.stem[: 255 - len(ending) - 1] + dot + ending
        return b"/".join([self.folder, name]) if self.folder else name

    def to_json(self) -> dict[str, object]:
        """The row's form. Paths are bytes: hex."""
        return {"root": self.root_id, "folder": self.folder.hex(), "stem": self.stem.hex()}

    @classmethod
    def from_json(cls, value: object) -> Beside | None:
        """None for what is no placement."""
        if not isinstance(value, Mapping):
            return None
        root, folder, stem = value.get("root"), value.get("folder"), value.get("stem")
        if not isinstance(root, int) or not isinstance(folder, str) or not isinstance(stem, str):
            return None
        try:
            return cls(root_id=root, folder=bytes.fromhex(folder), stem=bytes.fromhex(stem))
        except (ValueError, PathKeyError):
            return None


def placement_of(stored: Mapping[str, object], *, medium: int, position: int) -> Beside | None:
    """The placement of one track, if there is one."""
    return Beside.from_json(stored.get(track_key(medium, position), stored.get(ANY_TRACK)))
