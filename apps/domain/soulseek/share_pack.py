"""Somebody's list of files: read from the wire within bounds, packed for a row, and looked at folder by folder. Pure; meant for threads, not for the loop.

Packed: a head, a compressed index of folders (sorted by path), and chunks of some thousand files, each compressed by itself, one JSON line a file. A page
reads the index and one chunk; only a filter over names reads all chunks, one at a time. Paths stay verbatim: they are what a download asks for.
"""

from __future__ import annotations

import bisect
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from apps.domain.errors import DomainError

MAX_BYTES: Final = 64 << 20
"""A list, decompressed."""
MAX_FILES: Final = 500_000
MAX_FOLDERS: Final = 200_000
MAX_FOLDER_FILES: Final = 5000
"""Files of one folder's own answer."""
MAX_ATTRIBUTES: Final = 16
CHUNK_FILES: Final = 2000
_HEAD: Final = b"slskdn share 1\n"
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_PAIR: Final = struct.Struct("<II")


class BrowseFailed(DomainError):
    """A list of files that can't be taken."""

    default_code = "browse_garbled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """One file: `name` within its folder; attributes as the protocol numbers them (0 kbit/s, 1 seconds, 2 VBR, 4 Hz, 5 bits)."""

    name: str
    size_bytes: int
    attributes: dict[str, int] = field(default_factory=dict)

    @property
    def kbps(self) -> int:
        """0: not told."""
        return self.attributes.get("0", 0)

    @property
    def duration_ms(self) -> int:
        """0: not told."""
        seconds = self.attributes.get("1", 0)
        return seconds * 1000 if seconds < 1_000_000 else 0

    @property
    def hz(self) -> int:
        """0: not told."""
        return self.attributes.get("4", 0)


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder of the index."""

    path: str
    locked: bool
    files: int
    size_bytes: int
    chunk: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """What is directly below a folder of the tree, with everything below that counted in."""

    name: str
    path: str
    folders: int
    files: int
    size_bytes: int
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that a filter found; `cursor` leads on behind it."""

    folder: str
    file: SharedFile
    locked: bool
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePack:
    """A list as its row holds it."""

    blob: bytes
    files: int
    folders: int


# ---- from the wire


def inflated(payload: bytes, *, most: int = MAX_BYTES) -> bytes:
    """Decompressed, `most` bytes at most. Raises BrowseFailed."""
    reader = zlib.decompressobj()
    try:
        body = reader.decompress(payload, most + 1)
    except zlib.error as error:
        raise BrowseFailed("This list of files can't be read.") from error
    if len(body) > most:
        raise BrowseFailed("This list of files is too big.", code="browse_too_big", mib=most >> 20, files=MAX_FILES)
    return body


class _Reader:
    """Reads within a body; BrowseFailed beyond its end."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0
        self.files = 0

    def u32(self) -> int:
        try:
            (value,) = _U32.unpack_from(self.body, self.at)
        except struct.error as error:
            raise BrowseFailed("This list of files ends too early.") from error
        self.at += 4
        return int(value)

    def text(self) -> str:
        size = self.u32()
        data = self.body[self.at : self.at + size]
        if len(data) != size:
            raise BrowseFailed("This list of files ends too early.")
        self.at += size
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")

    def file(self) -> SharedFile:
        self.at += 1
        name = self.text()
        try:
            (size,) = _U64.unpack_from(self.body, self.at)
        except struct.error as error:
            raise BrowseFailed("This list of files ends too early.") from error
        self.at += 8
        extension = self.u32()  # which the name has too
        self.at += extension
        attributes: dict[str, int] = {}
        count = self.u32()
        if count > MAX_ATTRIBUTES:
            raise BrowseFailed("This list of files can't be read.")
        for _ in range(count):
            try:
                key, value = _PAIR.unpack_from(self.body, self.at)
            except struct.error as error:
                raise BrowseFailed("This list of files ends too early.") from error
            self.at += 8
            attributes[str(key)] = value
        # Older clients write sizes above 2 GiB as negative 32-bit numbers.
        return SharedFile(name=name, size_bytes=min(size, (1 << 62) - 1), attributes=attributes)

    def folders(self, *, most_files: int) -> Iterator[tuple[str, list[SharedFile]]]:
        count = self.u32()
        if count > MAX_FOLDERS:
            raise BrowseFailed(
                "This list of files is too big.", code="browse_too_big", mib=MAX_BYTES >> 20, files=MAX_FILES
            )
        for _ in range(count):
            path, here = self.text(), self.u32()
            self.files += here
            if self.files > most_files:
                raise BrowseFailed(
                    "This list of files is too big.", code="browse_too_big", mib=MAX_BYTES >> 20, files=most_files
                )
            yield path, [self.file() for _ in range(here)]


def shares_packed(payload: bytes) -> SharePack:
    """The answer to "show me your files" (compressed, as it came), ready for a row. Takes seconds at its bounds. Raises BrowseFailed."""
    reader = _Reader(inflated(payload))
    packer = _Packer()
    for path, files in reader.folders(most_files=MAX_FILES):
        packer.add(path, files, locked=False)
    if reader.at < len(reader.body):
        reader.u32()
    if reader.at < len(reader.body):
        for path, files in reader.folders(most_files=MAX_FILES):
            packer.add(path, files, locked=True)
    return packer.done()


def folder_read(payload: bytes, *, folder: str) -> tuple[SharedFile, ...]:
    """The answer to "what is in this folder": the files of that folder itself. Raises BrowseFailed."""
    reader = _Reader(inflated(payload, most=8 << 20))
    reader.u32()
    reader.text()
    found: list[SharedFile] = []
    for path, files in reader.folders(most_files=MAX_FOLDER_FILES):
        if path.rstrip("\\") == folder.rstrip("\\"):
            found.extend(files)
    return tuple(sorted(found, key=lambda file: file.name.casefold()))


# ---- packed


class _Packer:
    def __init__(self) -> None:
        self._index: list[tuple[str, int, int, int, int, int]] = []
        self._chunks: list[bytes] = []
        self._lines: list[str] = []
        self._files = 0

    def add(self, path: str, files: Sequence[SharedFile], *, locked: bool) -> None:
        path = path.strip("\\")
        if not path:
            return
        size = sum(one.size_bytes for one in files)
        self._index.append((path, int(locked), len(files), size, len(self._chunks), len(self._lines)))
        self._files += len(files)
        for one in sorted(files, key=lambda file: file.name.casefold()):
            line = [one.name, one.size_bytes, one.attributes]
            self._lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        if len(self._lines) >= CHUNK_FILES:
            self._close()

    def _close(self) -> None:
        if self._lines:
            self._chunks.append(zlib.compress("\n".join(self._lines).encode(), 5))
            self._lines = []

    def done(self) -> SharePack:
        self._close()
        self._index.sort()
        told = {"folders": self._index, "chunks": [len(chunk) for chunk in self._chunks]}
        index = zlib.compress(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode(), 5)
        blob = b"".join((_HEAD, _U32.pack(len(index)), index, *self._chunks))
        return SharePack(blob=blob, files=self._files, folders=len(self._index))


class ShareView:
    """A packed list, looked at. Raises BrowseFailed when it is none."""

    def __init__(self, blob: bytes) -> None:
        if not blob.startswith(_HEAD):
            raise BrowseFailed("This is no packed list.")
        start = len(_HEAD) + 4
        (size,) = _U32.unpack_from(blob, len(_HEAD))
        told = json.loads(zlib.decompress(blob[start : start + size]))
        self._blob = blob
        self.folders: tuple[SharedFolder, ...] = tuple(
            SharedFolder(path, bool(locked), files, size_bytes, chunk, first)
            for path, locked, files, size_bytes, chunk, first in told["folders"]
        )
        self._paths = [one.path for one in self.folders]
        self._offsets: list[tuple[int, int]] = []
        at = start + size
        for length in told["chunks"]:
            self._offsets.append((at, length))
            at += length
        self._open: tuple[int, list[str]] = (-1, [])

    @property
    def files(self) -> int:
        """Of all folders."""
        return sum(one.files for one in self.folders)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(one.size_bytes for one in self.folders)

    def at_or_below(self, path: str) -> list[SharedFolder]:
        """The folder and all below it; "" = everything."""
        if not path:
            return list(self.folders)
        low, high = bisect.bisect_left(self._paths, path), bisect.bisect_right(self._paths, path)
        below = self.folders[bisect.bisect_left(self._paths, path + "\\") : bisect.bisect_left(self._paths, path + "]")]
        return [*self.folders[low:high], *below]

    def exists(self, path: str) -> bool:
        """Whether there is such a folder, or one below it."""
        return not path or bool(self.at_or_below(path))

    def children(self, parent: str) -> list[Branch]:
        """What is directly below, by name."""
        start = len(parent) + 1 if parent else 0
        counts: dict[str, list[int]] = {}
        for one in self.at_or_below(parent):
            if one.path == parent:
                continue
            name = one.path[start:].partition("\\")[0]
            count = counts.setdefault(name, [0, 0, 0, 1])
            count[0] += 1
            count[1] += one.files
            count[2] += one.size_bytes
            count[3] &= int(one.locked)
        return [
            Branch(
                name=name,
                path=f"{parent}\\{name}" if parent else name,
                folders=folders,
                files=files,
                size_bytes=size,
                locked=bool(locked),
            )
            for name, (folders, files, size, locked) in sorted(counts.items(), key=lambda item: item[0].casefold())
        ]

    def files_of(self, path: str) -> list[SharedFile]:
        """Files of one folder."""
        low, high = bisect.bisect_left(self._paths, path), bisect.bisect_right(self._paths, path)
        return [_file(line) for folder in self.folders[low:high] for line in self._lines(folder)]

    def found(self, words: Sequence[str], *, cursor: str = "", limit: int) -> list[Found]:
        """Files whose path has all words, in the order in which their owner lists them; at most `limit`, behind `cursor`."""
        wanted = [word.casefold() for word in words if word]
        found: list[Found] = []
        # As they were packed: each chunk is opened once, however mixed up the owner's folders are.
        order = sorted(
            range(len(self.folders)), key=lambda number: (self.folders[number].chunk, self.folders[number].first)
        )
        first, line_from = _cursor(cursor) or (order[0] if order else 0, 0)
        begin = order.index(first) if first in order else len(order)
        for number in order[begin:]:
            folder = self.folders[number]
            left = [word for word in wanted if word not in folder.path.casefold()]
            if not folder.files:
                continue
            for line_number, line in enumerate(self._lines(folder)):
                if number == first and line_number < line_from:
                    continue
                if left and not all(word in line.casefold() for word in left):
                    continue
                file = _file(line)
                if all(word in file.name.casefold() for word in left):
                    found.append(
                        Found(folder=folder.path, file=file, locked=folder.locked, cursor=f"{number}.{line_number + 1}")
                    )
                    if len(found) >= limit:
                        return found
        return found

    def _lines(self, folder: SharedFolder) -> list[str]:
        if not folder.files:
            return []
        if self._open[0] != folder.chunk:
            at, length = self._offsets[folder.chunk]
            self._open = (folder.chunk, zlib.decompress(self._blob[at : at + length]).decode().split("\n"))
        return self._open[1][folder.first : folder.first + folder.files]


def _file(line: str) -> SharedFile:
    name, size, attributes = json.loads(line)
    return SharedFile(name=name, size_bytes=size, attributes=attributes)


def _cursor(text: str) -> tuple[int, int] | None:
    folder, dot, line = text.partition(".")
    if not (dot and folder.isdecimal() and line.isdecimal() and len(text) < 30):
        return None
    return int(folder), int(line)
