"""A file as mutagen may read it: regular, and only so many bytes of it.

mutagen takes whole tags into memory, several times over: an ID3 tag may state 256 MiB, a cover in MP4 or APE 4 GiB (measured: 60 MiB of ID3 cost a
worker 240 MB, 500 MiB of a cover 1.5 GB). It also opens by name, which waits for ever at a FIFO.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.domain.audio.payload import ReadAt
from workers.gateways.files import reading

MAX_TAG_BYTES = 32 << 20
"""Read of one file for its tags, everything together. Embedded covers of 10 MB are rare, of 20 MB unheard of."""


class TooMuchRead(ValueError):
    """The tags of this file are larger than anybody's."""


class TagFile:
    """The part of a file object that mutagen uses. `read` raises TooMuchRead beyond MAX_TAG_BYTES in all; nothing can be written."""

    def __init__(self, read_at: ReadAt, size: int, *, name: str) -> None:
        self.name = name
        self._read_at = read_at
        self._size = size
        self._position = 0
        self._left = MAX_TAG_BYTES

    def read(self, length: int = -1) -> bytes:
        """As of a file; -1: to the end."""
        there = max(0, self._size - self._position)
        wanted = there if length < 0 else min(length, there)
        if wanted > self._left:
            raise TooMuchRead("tags are too large")
        data = self._read_at(self._position, wanted)
        self._left -= len(data)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file. Raises OSError for a place before its beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, "Invalid argument")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """As of a file."""
        return self._position


@contextmanager
def tag_file(path: Path) -> Iterator[TagFile]:
    """Open for mutagen. Raises FilesError."""
    with reading(path) as (read_at, size):
        yield TagFile(read_at, size, name=str(path))
