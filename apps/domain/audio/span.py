"""Which bytes of a file are its payload: the encoded sound without tags.

Rules, in order (a file that breaks one is taken whole, format `file`, offset 0, no preamble):

1. Leading ID3v2 tags are skipped, repeatedly. Trailing ID3v1, APE, Lyrics3 and appended ID3v2 tags are cut, repeatedly, in any order.
2. `fLaC` next: the metadata chain is walked; the payload starts after the is-last block. A frame header with a right CRC-8 must begin
   within 64 KiB of there. The preamble is exactly 42 bytes: `fLaC`, the STREAMINFO header *with its is-last bit set*, STREAMINFO's 34
   bytes verbatim. Rate, channels and bits are STREAMINFO's.
3. A known other container's magic next: taken whole.
4. Else the first two chained MPEG Layer III headers within 64 KiB: the payload starts at the first of them, unless that frame is a
   Xing, Info or VBRI frame; then it is the preamble (untrusted, at most one frame) and the payload starts after it. Rate and channels are
   those of the payload's first frame; bits is 0. Whatever stands further inside is payload.
5. Skipping more than 64 MiB at the front, or cutting more than 64 MiB at the end, or more than 64 tags on a side: taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.domain.audio import flac, mpeg, tagblocks
from apps.domain.audio.flac import ReadAt

MAX_SKIP_BYTES = 64 << 20
"""Most that tags may take on one side. Embedded pictures reach tens of MiB; a larger skip is a mistake or a trick."""
SYNC_SEARCH_BYTES = 64 << 10
"""How far behind the tags the first frame may begin: padding and small junk, not another container's header."""

_OTHER_MAGICS = (
    b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"OggS", b"MAC ", b"wvpk", b"MPCK", b"MP+", b"TTA1", b"TTA2", b"DSD ", b"FRM8",
    b"\x30\x26\xb2\x75", b"\x1a\x45\xdf\xa3", b"tBaK", b"OFR ", b"OptimFRO", b"caff", b"MThd", b".snd", b"\x0b\x77", b"ajkg", b"#!AMR",
    b"ADIF", b"Extended Module: ", b"IMPM", b".RMF", b"FLV", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3",
)  # fmt: skip
"""Containers and codecs that are taken whole, so that chance headers inside them are never looked for."""


class PayloadFormat(StrEnum):
    """What the payload's bytes are; the name is hashed into the root. (`pcm` is reserved.)"""

    FLAC = "flac"
    MP3 = "mp3"
    FILE = "file"
    """The whole file, tags included."""


@dataclass(frozen=True, slots=True)
class PayloadFacts:
    """What the root binds besides the bytes. 0 = unknown. Raises ValueError if a number does not fit its field."""

    format: PayloadFormat
    payload_bytes: int
    rate: int = 0
    """Hz."""
    channels: int = 0
    bits: int = 0
    """Bits per sample."""

    def __post_init__(self) -> None:
        if not 0 <= self.payload_bytes < 1 << 64:
            raise ValueError("payload_bytes must fit 64 bits")
        if any(not 0 <= number < 1 << 32 for number in (self.rate, self.channels, self.bits)):
            raise ValueError("rate, channels and bits must fit 32 bits")


@dataclass(frozen=True, slots=True)
class PayloadSpan:
    """Where the payload lies in one file, and the preamble that makes it playable again."""

    offset: int
    """First payload byte in this file."""
    length: int
    """Payload bytes."""
    preamble: bytes
    """FLAC: 42 bytes; MP3: nothing or one information frame; file: nothing. Not covered by the root."""
    format: PayloadFormat
    rate: int = 0
    channels: int = 0
    bits: int = 0

    @property
    def facts(self) -> PayloadFacts:
        """What the root binds."""
        return PayloadFacts(self.format, self.length, self.rate, self.channels, self.bits)

    @property
    def end(self) -> int:
        """Offset after the last payload byte."""
        return self.offset + self.length


def find_span(read_at: ReadAt, size: int) -> PayloadSpan:
    """Find the payload of a file of `size` bytes. Any bytes have an answer; raises only what `read_at` raises."""
    whole = PayloadSpan(offset=0, length=size, preamble=b"", format=PayloadFormat.FILE)
    start = tagblocks.skip_leading(read_at, end=size, limit=MAX_SKIP_BYTES)
    if start is None:
        return whole
    end = tagblocks.strip_trailing(read_at, start=start, end=size, limit=MAX_SKIP_BYTES)
    if end is None:
        return whole
    head = read_at(start, 32)
    if head.startswith(flac.MARKER):
        return _flac_span(read_at, start, end) or whole
    if head.startswith(_OTHER_MAGICS) or head[4:8] == b"ftyp":
        return whole
    return _mp3_span(read_at, start, end) or whole


def find_span_in_bytes(data: bytes) -> PayloadSpan:
    """`find_span` over bytes in memory."""
    return find_span(lambda offset, length: data[offset : offset + length], len(data))


def _flac_span(read_at: ReadAt, start: int, end: int) -> PayloadSpan | None:
    chain = flac.read_chain(read_at, start, end=end, limit=MAX_SKIP_BYTES)
    if chain is None:
        return None
    preamble, offset = chain
    if flac.find_frame(read_at(offset, min(SYNC_SEARCH_BYTES + 16, end - offset))) is None:
        return None
    info = flac.parse_streaminfo(preamble)
    return PayloadSpan(offset, end - offset, preamble, PayloadFormat.FLAC, info.rate, info.channels, info.bits)


def _mp3_span(read_at: ReadAt, start: int, end: int) -> PayloadSpan | None:
    window = read_at(start, min(SYNC_SEARCH_BYTES + 2 * mpeg.MAX_FRAME_BYTES + 4, end - start))
    at = mpeg.find_chain(window, search=SYNC_SEARCH_BYTES)
    if at is None or start + at > MAX_SKIP_BYTES:
        return None
    first = mpeg.parse_header(window[at : at + 4])
    assert first is not None
    preamble = b""
    if mpeg.is_information_frame(window[at : at + first.length]):
        preamble = window[at : at + first.length]
        at += first.length
        first = mpeg.parse_header(window[at : at + 4])
        assert first is not None
    offset = start + at
    return PayloadSpan(offset, end - offset, preamble, PayloadFormat.MP3, first.rate, first.channels)
