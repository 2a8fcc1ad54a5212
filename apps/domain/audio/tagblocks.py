"""Where tags that frame a file begin and end: leading ID3v2; trailing ID3v1, APEv1/2, Lyrics3 v1/v2, appended ID3v2.

Only sizes are read here, never contents. Nothing here raises on any bytes.
Not a tag for us, so part of the payload: "Enhanced TAG" (`TAG+`), a leading APE tag, anything inside the sound.

Sources: ID3v2.4 structure §3.1, §3.4; ID3v1 (id3.org); APE tag v2 specification (hydrogenaudio); Lyrics3 v1 and v2.00 (id3.org).
"""

from __future__ import annotations

from apps.domain.audio.flac import ReadAt

MAX_TAGS = 64
"""Tags stripped per side. Real files have up to four; a file that is nothing but tags must not cost a read per 128 bytes."""
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_APE_IS_HEADER = 1 << 29
_LYRICS3V1_MAX = 5100
"""Lyrics3 v1: at most 5100 bytes of text between `LYRICSBEGIN` and `LYRICSEND`."""


def skip_leading(read_at: ReadAt, *, end: int, limit: int) -> int | None:
    """Offset after all ID3v2 tags at the start. None if they pass `end` or `limit`, or are more than MAX_TAGS."""
    position = 0
    for _ in range(MAX_TAGS + 1):
        length = _id3v2_bytes(read_at(position, 10), b"ID3")
        if length is None:
            return position
        position += length
        if position > end or position > limit:
            return None
    return None


def strip_trailing(read_at: ReadAt, *, start: int, end: int, limit: int) -> int | None:
    """Offset where the trailing tags begin (= `end` without any). A tag that would reach before `start` is none.

    None if together they pass `limit` bytes or MAX_TAGS. Order matters where one kind's text may imitate another's marker: the markers that
    stand at the very end (APE, Lyrics3, ID3v2 footer) are asked before ID3v1, whose marker stands 128 bytes before it.
    """
    position = end
    for _ in range(MAX_TAGS + 1):
        tail = read_at(max(start, position - _ID3V1_BYTES), min(_ID3V1_BYTES, position - start))
        if len(tail) < min(_ID3V1_BYTES, position - start):
            return position
        length = (
            _ape_bytes(read_at, tail, start=start, end=position)
            or _lyrics3_bytes(read_at, tail, start=start, end=position)
            or _footer_bytes(read_at, tail, start=start, end=position)
            or (_ID3V1_BYTES if len(tail) == _ID3V1_BYTES and tail.startswith(b"TAG") else 0)
        )
        if length == 0:
            return position
        position -= length
        if end - position > limit:
            return None
    return None


def _id3v2_bytes(head: bytes, magic: bytes) -> int | None:
    """Bytes of the ID3v2 tag whose 10-byte header (or footer, by `magic`) is `head`; None if it is not one."""
    if (
        len(head) < 10
        or head[:3] != magic
        or head[3] == 0xFF
        or head[4] == 0xFF
        or any(byte & 0x80 for byte in head[6:10])
    ):
        return None
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    has_footer = head[3] >= 4 and bool(head[5] & 0x10)
    return 10 + size + (10 if has_footer else 0)


def _footer_bytes(read_at: ReadAt, tail: bytes, *, start: int, end: int) -> int:
    """Bytes of an ID3v2.4 tag that ends with its footer (`3DI`) at `end`, its header being where the footer says; else 0."""
    length = _id3v2_bytes(tail[-10:], b"3DI")
    if length is None or length < 20 or end - length < start:
        return 0
    head = read_at(end - length, 10)
    return length if head[:3] == b"ID3" and head[3:] == tail[-7:] else 0


def _ape_bytes(read_at: ReadAt, tail: bytes, *, start: int, end: int) -> int:
    """Bytes of an APE tag ending at `end`, or 0. A header is counted if it is there, whatever the footer says of it (writers differ)."""
    footer = tail[-_APE_FOOTER_BYTES:]
    if len(footer) < _APE_FOOTER_BYTES or not footer.startswith(b"APETAGEX"):
        return 0
    version, size = int.from_bytes(footer[8:12], "little"), int.from_bytes(footer[12:16], "little")
    is_header = bool(int.from_bytes(footer[20:24], "little") & _APE_IS_HEADER)
    if version not in (1000, 2000) or is_header or size < _APE_FOOTER_BYTES or end - size < start:
        return 0
    header_at = end - size - _APE_FOOTER_BYTES
    header = read_at(header_at, _APE_FOOTER_BYTES) if header_at >= start else b""
    # The is-header bit tells it from the footer of another tag that ends there.
    if header.startswith(b"APETAGEX") and int.from_bytes(header[20:24], "little") & _APE_IS_HEADER:
        return size + _APE_FOOTER_BYTES
    return size


def _lyrics3_bytes(read_at: ReadAt, tail: bytes, *, start: int, end: int) -> int:
    """Bytes of a Lyrics3 tag ending at `end`, or 0."""
    if tail.endswith(b"LYRICS200") and len(tail) >= 15 and tail[-15:-9].isdigit():
        length = int(tail[-15:-9]) + 15
        return length if end - length >= start and read_at(end - length, 11) == b"LYRICSBEGIN" else 0
    if tail.endswith(b"LYRICSEND"):
        reach = min(end - start, _LYRICS3V1_MAX + 20)
        begin = read_at(end - reach, reach).rfind(b"LYRICSBEGIN")
        return reach - begin if begin != -1 else 0
    return 0
