"""The front cover of what is filed: into the file, and beside it. A cover never fails a file: what can't be had or kept is logged and left out."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apps.domain.library.covers import Cover
from workers.filing import FilingFacts
from workers.gateways.coverart import CoverArtPort
from workers.gateways.files import STAGED_PREFIX, FilesError, enter_folder, rename_noreplace, translated
from workers.gateways.renames import names_in

log = logging.getLogger(__name__)

_STEMS: Final = frozenset({"cover", "folder", "front", "albumart"})
"""What players take for a folder's cover."""
_ENDINGS: Final = frozenset({"jpg", "jpeg", "png", "webp", "gif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Covers:
    """As configured. `embed`: into FLAC and MP3; `save`: as a file in the album's folder."""

    port: CoverArtPort
    embed: bool
    save: bool

    def of(self, facts: FilingFacts) -> Cover | None:
        """The cover of a track's release; nothing is asked if nobody would use it."""
        if facts.release is None or not (self.embed or self.save):
            return None
        group = facts.release.group.mbid if facts.release.group else None
        return self.port.front(release=facts.release.mbid, group=group)

    def beside(self, cover: Cover | None, *, root: Path, relative: bytes, transfer_id: uuid.UUID) -> None:
        """Save the cover in the folder of the file at `relative`, unless one is there."""
        if cover is None or not self.save:
            return
        try:
            save_cover(cover, root=root, folder=relative.rpartition(b"/")[0])
        except FilesError as error:
            log.warning("cover not saved: transfer=%s code=%s", transfer_id, error.code)


def save_cover(cover: Cover, *, root: Path, folder: bytes) -> bool:
    """Write `cover.jpg` (or .png) into a folder of a library. False: there is a cover already. Nothing is ever replaced. Raises FilesError."""
    if any(_is_cover(name) for name, _ in names_in(root, folder)):
        return False
    staged = STAGED_PREFIX + secrets.token_hex(8).encode() + b".part"
    with translated(folder), contextlib.ExitStack() as stack:
        handle = enter_folder(stack, root, folder.split(b"/") if folder else [], make=False)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(staged, flags, 0o666, dir_fd=handle), "wb") as out:
                out.write(cover.data)
                out.flush()
                os.fsync(out.fileno())
            saved = rename_noreplace(handle, staged, f"cover.{cover.extension}".encode())
            os.fsync(handle)
            return saved
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(staged, dir_fd=handle)


def _is_cover(name: bytes) -> bool:
    stem, _, ending = name.decode("utf-8", "replace").casefold().rpartition(".")
    return stem in _STEMS and ending in _ENDINGS
