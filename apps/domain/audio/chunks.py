"""Chunks of RIFF/WAVE and AIFF files: where each is. Sizes alone are read here.

Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF); Audio Interchange File Format 1.3 (IFF, big-endian). Chunks are padded to even
lengths; the pad byte is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps.domain.audio.flac import ReadAt
from apps.domain.errors import DomainError

MAX_CHUNKS = 4096
"""Real files have under a hundred."""
_KINDS = {b"WAVE": b"RIFF", b"AIFF": b"FORM", b"AIFC": b"FORM"}
TAG_NAMES = {b"RIFF": (b"id3 ", b"ID3 "), b"FORM": (b"ID3 ", b"id3 ")}
"""The chunk that holds an ID3 tag; the first is what is written."""


class ChunksError(DomainError):
    """`chunks_invalid`; `reason` says what: form, cut_off, too_many, too_large."""

    default_code = "chunks_invalid"


@dataclass(frozen=True, slots=True)
class Chunk:
    """`at`: of its eight-byte head; `length`: of its content."""

    name: bytes
    at: int
    length: int

    @property
    def end(self) -> int:
        """After its pad byte."""
        return self.at + 8 + self.length + (self.length & 1)


@dataclass(frozen=True, slots=True)
class ChunkList:
    """A file's chunks. `end`: of the form; what stands behind it belongs to nobody and is kept."""

    magic: bytes
    """RIFF or FORM."""
    kind: bytes
    """WAVE, AIFF, AIFC."""
    order: Literal["little", "big"]
    chunks: tuple[Chunk, ...]
    end: int

    def tags(self) -> tuple[Chunk, ...]:
        """Those that hold ID3 tags."""
        return tuple(one for one in self.chunks if one.name in TAG_NAMES[self.magic])


def read_chunks(read_at: ReadAt, size: int) -> ChunkList:
    """The chunks of a WAVE or AIFF file. Raises ChunksError for anything else and for one whose sizes do not add up."""
    head = read_at(0, 12)
    magic, kind = head[:4], head[8:12]
    if _KINDS.get(kind) != magic:
        raise ChunksError("This is not a WAVE or AIFF file.", reason="form")
    order: Literal["little", "big"] = "little" if magic == b"RIFF" else "big"
    end = 8 + int.from_bytes(head[4:8], order)
    if end > size + (size & 1):
        raise ChunksError("This file is shorter than it says.", reason="cut_off")
    end = min(end, size)
    found, at = list[Chunk](), 12
    while at + 8 <= end:
        head = read_at(at, 8)
        chunk = Chunk(name=head[:4], at=at, length=int.from_bytes(head[4:8], order))
        if at + 8 + chunk.length > end:
            raise ChunksError("A chunk of this file is cut off.", reason="cut_off", at=at)
        found.append(chunk)
        if len(found) > MAX_CHUNKS:
            raise ChunksError("This file has more chunks than any file.", reason="too_many")
        at = chunk.end
    if at < end:
        raise ChunksError("The last chunk of this file is cut off.", reason="cut_off", at=at)
    return ChunkList(magic=magic, kind=kind, order=order, chunks=tuple(found), end=end)
