"""Is all there that a container states? Decoders forgive what people want to know: libsndfile plays what is left of a cut WAV as if it were whole, and
skips damaged Ogg pages in silence.

WAV (RIFF, RF64, BW64), Wave64 and AIFF: the sound's chunk against the file's end. Ogg (RFC 3533): every page's checksum, and nothing between pages.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from apps.domain.audio import tagblocks
from apps.domain.audio.flac import ReadAt

_MAX_TAGS_BYTES: Final = 64 << 20
_MOST_CHUNKS: Final = 10_000
_SLACK_BYTES: Final = 4096
"""Writers that count headers into the sound are off by tens of bytes."""
_UNKNOWN_32: Final = 0x7FFF_F000
"""Programs that write into a pipe state this or more (sox 0x7FFFF000 and up, ffmpeg 0xFFFFFFFF), or nothing."""
_W64_DATA: Final = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_PAGE_HEAD: Final = 27
_LAST: Final = 4
"""Flag of the page that ends its stream."""
_WINDOW: Final = 1 << 18
_REVERSED: Final = bytes(int(f"{one:08b}"[::-1], 2) for one in range(256))


def container_fault(read_at: ReadAt, size: int) -> str | None:
    """What is wrong in a few words for the row's params; None: nothing that can be told without decoding, or a container not known here."""
    start = tagblocks.skip_leading(read_at, end=size, limit=_MAX_TAGS_BYTES) or 0
    head = read_at(start, 16)
    if head[:4] == b"OggS":
        return _ogg_fault(read_at, start, size)
    sound = None
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        sound = _riff_sound(read_at, start + 12, size)
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        sound = next(
            ((at, long) for name, at, long in _chunks(read_at, start + 12, size, "big") if name == b"SSND"), None
        )
    elif head == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00":
        sound = _w64_sound(read_at, start + 40, size)
    if sound is not None and sound[0] + sound[1] > size + _SLACK_BYTES:
        return "cut_short"
    return None


def _chunks(read_at: ReadAt, at: int, size: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its body begins, its stated length) of a RIFF's or FORM's chunks."""
    for _ in range(_MOST_CHUNKS):
        head = read_at(at, 8)
        if len(head) < 8 or at >= size:
            return
        length = int.from_bytes(head[4:8], "big" if order == "big" else "little")
        yield head[:4], at + 8, length
        at += 8 + length + length % 2


def _riff_sound(read_at: ReadAt, at: int, size: int) -> tuple[int, int] | None:
    wide = 0
    for name, begin, length in _chunks(read_at, at, size, "little"):
        if name == b"ds64":
            wide = int.from_bytes(read_at(begin + 8, 8), "little")
        if name == b"data":
            if length >= _UNKNOWN_32:
                return (begin, wide) if wide < 1 << 62 else None
            return begin, length
    return None


def _w64_sound(read_at: ReadAt, at: int, size: int) -> tuple[int, int] | None:
    for _ in range(_MOST_CHUNKS):
        head = read_at(at, 24)
        length = int.from_bytes(head[16:24], "little")
        if len(head) < 24 or length < 24 or at >= size:
            return None
        if head[:16] == _W64_DATA:
            return (at, length) if length < 1 << 62 else None
        at += -(-length // 8) * 8
    return None


def _ogg_fault(read_at: ReadAt, at: int, size: int) -> str | None:
    """A file that merely lacks its stream's last page is taken as it is: recorded radio ends so."""
    window, begins, ended = b"", 0, False
    while at < size:
        if at < begins or at + _PAGE_HEAD + 255 + 255 * 255 > begins + len(window):
            window, begins = read_at(at, _WINDOW), at
        place = at - begins
        if not window.startswith(b"OggS", place):
            # Behind the last page other programs leave their tags.
            return None if ended and not _another_page(read_at, at, size) else "ogg_page_lost"
        segments = (
            window[place + _PAGE_HEAD : place + _PAGE_HEAD + window[place + 26]] if len(window) > place + 26 else b""
        )
        length = _PAGE_HEAD + len(segments) + sum(segments)
        page = window[place : place + length]
        if len(page) < _PAGE_HEAD or len(segments) < page[26] or len(page) < length:
            return "cut_short"
        if _checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            return "ogg_page_checksum"
        ended = bool(page[5] & _LAST)
        at += length
    return None


def _another_page(read_at: ReadAt, at: int, size: int) -> bool:
    """Is there a page of version 0 further on?"""
    while at < size:
        if b"OggS\x00" in read_at(at, _WINDOW):
            return True
        at += _WINDOW - 4
    return False


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 (polynomial 0x04C11DB7, not reflected, from 0) by zlib's, whose bits run the other way: a hundred times faster than a table here."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")
