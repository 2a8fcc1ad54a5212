"""The sound of a file whose tags lie inside its payload: a digest of everything that makes its sound, and of nothing that tags may change.

Where the payload is the whole file (`file` format), new tags are a new payload root. That the sound is the same is then proven by this digest, taken
before and after. It covers more than the sound where that costs nothing, so that a writer that loses something else is caught too:

    MP4      every mdat box in order; moov and all other boxes but moov.udta, moov.meta, meta and free ones, with chunk offsets (stco, co64) told as
             positions in the mdat boxes' contents, so that a moov that grew gives the same digest only if every sample is still where it was
    Ogg      the header packets but the comments; of every page of sound its lacing, granule position, flags and body
    WAVE     every chunk but the ID3 tag's, and what stands behind the form            AIFF  likewise
    ASF      header objects but descriptions, metadata and padding (file size aside); all of the data and index objects
    WavPack, APE, Musepack      all bytes but a trailing APEv2 and ID3v1 tag

Hashed with BLAKE3, each part under its name and length. Memory is bounded whatever the file says; hostile bytes raise SoundUnknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from blake3 import blake3

from apps.domain.audio import tagblocks
from apps.domain.audio.chunks import ChunksError, read_chunks
from apps.domain.audio.flac import ReadAt
from apps.domain.audio.ogg import OggError, pages, read_headers
from apps.domain.errors import DomainError

_READ_BYTES = 1 << 20
_MAX_BOXES = 20_000
_MAX_DEPTH = 8
_MAX_OBJECTS = 4096
_MAX_TAIL_BYTES = 64 << 20


class SoundUnknown(DomainError):
    """`sound_unknown`: this file's sound can't be told from its tags; `reason` says why."""

    default_code = "sound_unknown"


class Container(StrEnum):
    """Files whose tags lie inside the payload and can be written."""

    MP4 = "mp4"
    OGG = "ogg"
    WAVE = "wave"
    AIFF = "aiff"
    ASF = "asf"
    WAVPACK = "wavpack"
    APE = "ape"
    MUSEPACK = "musepack"


@dataclass(frozen=True, slots=True)
class SoundDigest:
    """What `sound_digest` gives."""

    container: Container
    digest: bytes
    """32 bytes."""


_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_ASF_TAGS = frozenset(
    bytes.fromhex(one)
    for one in (
        "3326b2758e66cf11a6d900aa0062ce6c",  # content description
        "40a4d0d207e3d21197f000a0c95ea850",  # extended content description
        "eacbf8c5af5b77488467aa8c44fa4cca",  # metadata
        "941c23449894d149a1411d134e457054",  # metadata library
        "74d40618dfca0945a4ba9aabcb96aae8",  # padding
    )
)


def container_of(read_at: ReadAt) -> Container | None:
    """By its first bytes; None: tags are not written into this kind."""
    head = read_at(0, 16)
    if head[4:8] == b"ftyp":
        return Container.MP4
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Container.WAVE
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Container.AIFF
    if head == _ASF_HEADER:
        return Container.ASF
    for magic, kind in (
        (b"OggS", Container.OGG), (b"wvpk", Container.WAVPACK), (b"MAC ", Container.APE), (b"MPCK", Container.MUSEPACK), (b"MP+", Container.MUSEPACK),
    ):  # fmt: skip
        if head.startswith(magic):
            return kind
    return None


def sound_digest(read_at: ReadAt, size: int) -> SoundDigest:
    """See the module. Raises SoundUnknown, and what `read_at` raises."""
    container = container_of(read_at)
    if container is None:
        raise SoundUnknown("Tags are not written into this kind of file.", reason="format")
    made = _Digest(read_at, size)
    try:
        match container:
            case Container.MP4:
                _mp4(made)
            case Container.OGG:
                _ogg(made)
            case Container.WAVE | Container.AIFF:
                _chunks(made)
            case Container.ASF:
                _asf(made)
            case Container.WAVPACK | Container.APE | Container.MUSEPACK:
                sound_end, _ = tail_of(read_at, size)
                made.span(container.value.encode(), 0, sound_end)
    except (OggError, ChunksError) as error:
        raise SoundUnknown(error.sentence, reason=str(error.params.get("reason", error.code))) from error
    return SoundDigest(container=container, digest=made.hasher.digest())


class _Digest:
    """Mutable: a hash that is fed parts of one file."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self.read_at, self.size = read_at, size
        self.hasher: Any = blake3(b"slskdn-sound-1")

    def part(self, name: bytes, content: bytes) -> None:
        """A short part."""
        self.hasher.update(len(name).to_bytes(1, "big") + name + len(content).to_bytes(8, "big") + content)

    def span(self, name: bytes, start: int, end: int) -> None:
        """Bytes of the file. Raises SoundUnknown if they are not there."""
        self.hasher.update(len(name).to_bytes(1, "big") + name + (end - start).to_bytes(8, "big"))
        for block in self.blocks(start, end):
            self.hasher.update(block)

    def blocks(self, start: int, end: int, *, step: int = _READ_BYTES) -> Iterator[bytes]:
        """The bytes from start to end in blocks of `step`, the last one short."""
        for at in range(start, end, step):
            block = self.read_at(at, min(step, end - at))
            if len(block) < min(step, end - at):
                raise SoundUnknown("This file is shorter than it says.", reason="cut_off", at=at)
            yield block


# --- Ogg, chunks -------------------------------------------------------------------------------------------------------------------------


def _ogg(made: _Digest) -> None:
    headers = read_headers(made.read_at, made.size)
    for number, packet in enumerate(headers.packets):
        if number != headers.comment:
            made.part(b"header", packet)
    for page in pages(made.read_at, start=headers.audio_at, size=made.size, serial=headers.serial):
        about = bytes((page.flags,)) + page.granule.to_bytes(8, "big") + page.segments
        made.part(b"page", about)
        made.hasher.update(page.body)


def _chunks(made: _Digest) -> None:
    listed = read_chunks(made.read_at, made.size)
    made.part(b"form", listed.kind)
    tags = listed.tags()
    for one in listed.chunks:
        if one not in tags:
            made.span(one.name, one.at + 8, one.at + 8 + one.length)
    made.span(b"behind", listed.end, made.size)


# --- WavPack, APE, Musepack --------------------------------------------------------------------------------------------------------------


def tail_of(read_at: ReadAt, size: int) -> tuple[int, int]:
    """(where the sound ends, where an ID3v1 tag at the end begins; `size` if there is none): between them an APEv2 tag or nothing.

    Raises SoundUnknown where other tags stand there.
    """
    end = size
    if size >= 128 and read_at(size - 128, 3) == b"TAG" and read_at(size - 32, 8) != b"APETAGEX":
        end = size - 128
    sound_end = tagblocks.strip_trailing(read_at, start=0, end=size, limit=_MAX_TAIL_BYTES)
    if sound_end is None:
        raise SoundUnknown("The tags behind the sound are too large.", reason="too_large")
    if end < size and sound_end == size:
        end = size  # what looked like ID3v1 is part of a larger tag
    if sound_end < end and read_at(end - 32, 8) != b"APETAGEX":
        raise SoundUnknown("Behind the sound stand tags that slskdn does not write.", reason="other_tags")
    if sound_end < end:
        length = int.from_bytes(read_at(end - 32 + 12, 4), "little")
        if end - length - sound_end not in (0, 32):
            raise SoundUnknown("Behind the sound stand tags that slskdn does not write.", reason="other_tags")
    return sound_end, end


# --- ASF ---------------------------------------------------------------------------------------------------------------------------------


def _asf(made: _Digest) -> None:
    at, first = 0, True
    for _ in range(_MAX_OBJECTS):
        if at == made.size:
            return
        guid, length = _asf_object(made, at, made.size)
        if first != (guid == _ASF_HEADER):
            raise SoundUnknown("This ASF file has its header elsewhere.", reason="header")
        if first:
            _asf_header(made, at + 30, at + length)
        else:
            made.span(guid, at + 24, at + length)
        at, first = at + length, False
    raise SoundUnknown("This ASF file has more objects than any file.", reason="too_many")


def _asf_header(made: _Digest, start: int, end: int) -> None:
    at = start
    for _ in range(_MAX_OBJECTS):
        if at == end:
            return
        guid, length = _asf_object(made, at, end)
        if guid == _ASF_HEADER_EXTENSION:
            if length < 46:
                raise SoundUnknown("An object of this ASF file is too short.", reason="cut_off", at=at)
            _asf_header(made, at + 46, at + length)
        elif guid == _ASF_FILE_PROPERTIES:
            made.span(b"file id", at + 24, min(at + 40, at + length))
            made.span(b"file", min(at + 48, at + length), at + length)
        elif guid not in _ASF_TAGS:
            made.span(guid, at + 24, at + length)
        at += length
    raise SoundUnknown("This ASF file has more objects than any file.", reason="too_many")


def _asf_object(made: _Digest, at: int, end: int) -> tuple[bytes, int]:
    head = made.read_at(at, 24)
    length = int.from_bytes(head[16:24], "little")
    if len(head) < 24 or length < 24 or at + length > end:
        raise SoundUnknown("An object of this ASF file is cut off.", reason="cut_off", at=at)
    return head[:16], length


def asf_size_at(read_at: ReadAt) -> int | None:
    """Where the header states the file's size (eight bytes, little-endian); None if it does not. For a file whose digest was taken."""
    at, end = 30, int.from_bytes(read_at(16, 8), "little")
    while at + 24 <= end:
        head = read_at(at, 24)
        length = int.from_bytes(head[16:24], "little")
        if head[:16] == _ASF_FILE_PROPERTIES and length >= 48:
            return at + 40
        at += max(24, length)
    return None


# --- MP4 ---------------------------------------------------------------------------------------------------------------------------------

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"})
_FREE = frozenset({b"free", b"skip", b"wide"})
_REFUSED = {
    b"moof": "fragmented", b"mfra": "fragmented", b"sidx": "fragmented", b"mvex": "fragmented", b"saio": "encrypted", b"iloc": "items",
}  # fmt: skip


def _mp4(made: _Digest) -> None:
    mdats: list[tuple[int, int, int]] = []  # (start, end, position of start in all contents)
    total = 0

    def note(name: bytes, start: int, end: int) -> None:
        nonlocal total
        if name == b"mdat":
            mdats.append((start, end, total))
            total += end - start

    _boxes(made, 0, made.size, note)
    if not mdats:
        raise SoundUnknown("This MP4 file has no sound in it.", reason="mdat")
    for start, end, _ in mdats:
        made.span(b"mdat", start, end)
    count = 0

    def hashed(depth: int, path: tuple[bytes, ...], name: bytes, start: int, end: int) -> None:
        nonlocal count
        count += 1
        if count > _MAX_BOXES or depth > _MAX_DEPTH:
            raise SoundUnknown("This MP4 file is nested deeper than any file.", reason="too_many")
        if name in _REFUSED:
            raise SoundUnknown("Tags are not written into this kind of MP4 file.", reason=_REFUSED[name])
        if name in _FREE or name == b"mdat" or (name in (b"udta", b"meta") and path in ((), (b"moov",))):
            return
        if name in _CONTAINERS:
            made.part(b"box", b"/".join((*path, name)))
            _boxes(made, start, end, lambda inner, a, b: hashed(depth + 1, (*path, name), inner, a, b))
        elif name in (b"stco", b"co64"):
            _offsets(made, mdats, start, end, width=4 if name == b"stco" else 8)
        else:
            made.span(b"/".join((*path, name)), start, end)

    _boxes(made, 0, made.size, lambda name, start, end: hashed(1, (), name, start, end))


def _boxes(made: _Digest, start: int, end: int, take: Callable[[bytes, int, int], None]) -> None:
    """Each box in order: (name, start and end of its content)."""
    at = start
    for _ in range(_MAX_BOXES):
        if at == end:
            return
        head = made.read_at(at, 16)
        length, skip = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, skip = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = end - at
        if len(head) < skip or length < skip or at + length > end:
            raise SoundUnknown("A box of this MP4 file is cut off.", reason="cut_off", at=at)
        take(head[4:8], at + skip, at + length)
        at += length
    raise SoundUnknown("This MP4 file has more boxes than any file.", reason="too_many")


def _offsets(made: _Digest, mdats: list[tuple[int, int, int]], start: int, end: int, *, width: int) -> None:
    """Chunk offsets as positions in the contents of the mdat boxes."""
    count = int.from_bytes(made.read_at(start + 4, 4), "big")
    if end - start < 8 or count * width > end - start - 8:
        raise SoundUnknown("The chunk table of this MP4 file is cut off.", reason="cut_off", at=start)
    made.part(b"offsets", count.to_bytes(8, "big"))
    starts = [one[0] for one in mdats]
    for block in made.blocks(start + 8, start + 8 + count * width):
        told = bytearray()
        for at in range(0, len(block), width):
            offset = int.from_bytes(block[at : at + width], "big")
            inside = mdats[max(0, bisect_right(starts, offset) - 1)]
            if not inside[0] <= offset <= inside[1]:
                raise SoundUnknown("This MP4 file's sound lies elsewhere.", reason="offsets", at=offset)
            told += (inside[2] + offset - inside[0]).to_bytes(8, "big")
        made.hasher.update(bytes(told))
