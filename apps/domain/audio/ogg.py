"""Ogg pages and the header packets of what they carry: enough to change a comment packet and to tell that nothing else changed.

Source: RFC 3533 (pages, lacing, CRC), Vorbis I specification §4.2 and annex A, RFC 7845 (Opus), the Ogg FLAC mapping 1.0. Files with more than one
logical stream are not taken: whose comments are meant, and what a renumbering does to the others, is more than tags are worth.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from apps.domain.audio.flac import ReadAt
from apps.domain.errors import DomainError

CAPTURE = b"OggS"
MAX_HEADERS_BYTES = 64 << 20
"""Comments hold pictures; what is larger is a mistake or a trick."""
_MAX_HEADER_PACKETS = 512
_REVERSED = bytes(int(f"{one:08b}"[::-1], 2) for one in range(256))
_NO_PACKET_ENDS = (1 << 64) - 1

Codec = Literal["vorbis", "opus", "flac"]


class OggError(DomainError):
    """`ogg_invalid`; `reason` says what: page, crc, serial, sequence, headers, too_large, codec."""

    default_code = "ogg_invalid"


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `segments`: lacing values; `at`, `length`: the whole page in the file."""

    at: int
    length: int
    flags: int
    granule: int
    serial: int
    sequence: int
    segments: bytes
    body: bytes

    def ends(self) -> int:
        """Packets that end on it."""
        return sum(one < 255 for one in self.segments)


@dataclass(frozen=True, slots=True)
class Headers:
    """The header packets of a file's only stream, and where its sound begins."""

    codec: Codec
    serial: int
    packets: tuple[bytes, ...]
    comment: int
    """Which of the packets holds the comments."""
    audio_at: int
    """Offset of the first page with sound; the file's size if there is none."""
    next_sequence: int


def crc(page: bytes) -> int:
    """CRC-32 of a page whose checksum field is zero (polynomial 0x04c11db7, not reflected), by way of zlib's reflected one."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def read_page(read_at: ReadAt, at: int) -> Page:
    """The page at `at`, its CRC checked. Raises OggError."""
    head = read_at(at, 27)
    if len(head) < 27 or head[:4] != CAPTURE or head[4] != 0:
        raise OggError("There is no Ogg page here.", reason="page", at=at)
    segments = read_at(at + 27, head[26])
    length = sum(segments)
    body = read_at(at + 27 + len(segments), length)
    if len(segments) < head[26] or len(body) < length:
        raise OggError("The last Ogg page is cut off.", reason="page", at=at)
    if crc(head[:22] + bytes(4) + head[26:] + segments + body) != int.from_bytes(head[22:26], "little"):
        raise OggError("An Ogg page is damaged.", reason="crc", at=at)
    return Page(
        at=at,
        length=27 + len(segments) + length,
        flags=head[5],
        granule=int.from_bytes(head[6:14], "little"),
        serial=int.from_bytes(head[14:18], "little"),
        sequence=int.from_bytes(head[18:22], "little"),
        segments=segments,
        body=body,
    )


def page_bytes(page: Page, *, sequence: int) -> bytes:
    """A page under another number."""
    head = b"".join(
        (
            CAPTURE, bytes((0, page.flags)), page.granule.to_bytes(8, "little"), page.serial.to_bytes(4, "little"),
            sequence.to_bytes(4, "little"), bytes(4), bytes((len(page.segments),)),
        )
    )  # fmt: skip
    raw = head + page.segments + page.body
    return raw[:22] + crc(raw).to_bytes(4, "little") + raw[26:]


def pages(read_at: ReadAt, *, start: int, size: int, serial: int) -> Iterator[Page]:
    """Every page from `start` to the end, one at a time. Raises OggError on any other stream, on damage and on bytes between pages."""
    at = start
    while at < size:
        page = read_page(read_at, at)
        if page.serial != serial or page.flags & 0x02:
            raise OggError("This file has more than one Ogg stream.", reason="serial", at=at)
        yield page
        at += page.length


def read_headers(read_at: ReadAt, size: int) -> Headers:
    """The header packets. Raises OggError for what is no file of one Vorbis, Opus or FLAC stream that is whole up to its sound."""
    first = read_page(read_at, 0)
    if not first.flags & 0x02 or first.ends() != 1 or first.segments[-1:] == b"\xff":
        raise OggError("This Ogg stream does not begin with one packet.", reason="headers")
    codec, wanted = _codec(first.body)
    packets, part, at, sequence = [first.body], bytearray(), first.length, first.sequence
    while not _complete(packets, wanted):
        if at >= size:
            raise OggError("The headers of this Ogg stream are cut off.", reason="headers")
        page = read_page(read_at, at)
        if page.serial != first.serial or page.flags & 0x02:
            raise OggError("This file has more than one Ogg stream.", reason="serial", at=at)
        if bool(page.flags & 0x01) != bool(part) or page.sequence != sequence + 1:
            raise OggError("A page of this Ogg stream's headers is missing.", reason="sequence", at=at)
        sequence, at, position = page.sequence, at + page.length, 0
        for lacing in page.segments:
            if _complete(packets, wanted):
                raise OggError("The sound begins on a page of the headers.", reason="headers", at=at)
            part += page.body[position : position + lacing]
            position += lacing
            if len(part) > MAX_HEADERS_BYTES or len(packets) > _MAX_HEADER_PACKETS:
                raise OggError("The headers of this Ogg stream are too large.", reason="too_large")
            if lacing < 255:
                packets.append(bytes(part))
                part.clear()
    if part:
        raise OggError("The sound begins on a page of the headers.", reason="headers", at=at)
    if not packets[1].startswith({"vorbis": b"\x03vorbis", "opus": b"OpusTags", "flac": b"\x04"}[codec]) and not (
        codec == "flac" and packets[1][:1] == b"\x84"
    ):
        raise OggError("The second packet of this Ogg stream is no comment.", reason="headers")
    return Headers(
        codec=codec,
        serial=first.serial,
        packets=tuple(packets),
        comment=1,
        audio_at=at,
        next_sequence=sequence + 1,
    )


def _codec(packet: bytes) -> tuple[Codec, int]:
    """(what it is, number of header packets; 0 = until the last FLAC block)."""
    if packet.startswith(b"\x01vorbis"):
        return "vorbis", 3
    if packet.startswith(b"OpusHead"):
        return "opus", 2
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 13:
        return "flac", 0
    raise OggError("Tags are not written into this kind of Ogg.", reason="codec")


def _complete(packets: list[bytes], wanted: int) -> bool:
    if wanted:
        return len(packets) >= wanted
    return len(packets) > 1 and bool(packets[-1][:1] and packets[-1][0] & 0x80)


def header_pages(headers: Headers, packets: Iterable[bytes]) -> list[bytes]:
    """The stream's header as pages: the first packet alone, the others together, so that the sound begins on a page of its own."""
    first, *rest = packets
    made = [
        Page(0, 0, 0x02, 0, headers.serial, 0, _lacing(first), first),
    ]
    lacing, body = b"".join(_lacing(one) for one in rest), b"".join(rest)
    position, goes_on = 0, False
    for start in range(0, len(lacing), 255):
        segments = lacing[start : start + 255]
        length = sum(segments)
        ends = any(one < 255 for one in segments)
        granule = 0 if ends else _NO_PACKET_ENDS
        made.append(Page(0, 0, int(goes_on), granule, headers.serial, 0, segments, body[position : position + length]))
        position += length
        goes_on = segments[-1] == 255
    return [page_bytes(one, sequence=number) for number, one in enumerate(made)]


def _lacing(packet: bytes) -> bytes:
    return b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,))
