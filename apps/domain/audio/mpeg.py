"""MPEG audio Layer III frame headers, and the one information frame (Xing, Info, VBRI) an encoder or tagger may rewrite at will.

Sources: ISO 11172-3 §2.4.2.3, ISO 13818-3 §2.4.2.3; Xing/LAME: http://gabriel.mp3-tech.org/mp3infotag.html; VBRI: Fraunhofer.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from apps.domain.audio.flac import ReadAt

MAX_FRAME_BYTES = 1441
"""144 × 320,000 / 32,000 + 1 padding slot: MPEG-1 Layer III's longest frame; MPEG-2 and 2.5 stay below."""

_BITRATES_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_V1 = (44_100, 48_000, 32_000)


class MpegVersion(Enum):
    """The two header bits that name the version (1 is reserved)."""

    V2_5 = 0
    V2 = 2
    V1 = 3


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """One Layer III frame header."""

    version: MpegVersion
    rate: int
    """Hz."""
    channels: int
    bitrate_kbps: int
    length: int
    """Bytes of the whole frame, header included."""
    samples: int
    """Samples per channel: 1152 (MPEG-1) or 576."""
    protected: bool
    """A 16-bit CRC follows the header."""

    def chains_with(self, other: FrameHeader) -> bool:
        """True if `other` can follow in one stream. Bit rate and stereo mode may change (VBR, information frames), these may not."""
        return self.version is other.version and self.rate == other.rate

    @property
    def side_info_bytes(self) -> int:
        """Bytes of side information after the header (and CRC)."""
        if self.version is MpegVersion.V1:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17


@functools.lru_cache(maxsize=4096)  # a stream has a handful of different headers, ten thousand times
def parse_header(head: bytes) -> FrameHeader | None:
    """Read the 4 bytes of a frame header; None if they are not a Layer III header with a known length (so not free format either)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version_bits, layer_bits = head[1] >> 3 & 0x3, head[1] >> 1 & 0x3
    bitrate_index, rate_index = head[2] >> 4, head[2] >> 2 & 0x3
    # Layer III only; bit rate 0 is free format, 15 is forbidden; emphasis 2 is reserved and is the commonest false sync.
    if version_bits == 1 or layer_bits != 1 or bitrate_index in (0, 15) or rate_index == 3 or head[3] & 0x3 == 2:
        return None
    version = MpegVersion(version_bits)
    first = version is MpegVersion.V1
    kbps = (_BITRATES_V1 if first else _BITRATES_V2)[bitrate_index]
    rate = _RATES_V1[rate_index] >> {MpegVersion.V1: 0, MpegVersion.V2: 1, MpegVersion.V2_5: 2}[version]
    return FrameHeader(
        version=version,
        rate=rate,
        channels=1 if head[3] >> 6 == 3 else 2,
        bitrate_kbps=kbps,
        length=(144_000 if first else 72_000) * kbps // rate + (head[2] >> 1 & 1),
        samples=1152 if first else 576,
        protected=head[1] & 1 == 0,
    )


def find_chain(window: bytes, *, search: int) -> int | None:
    """Offset (< `search`) of the first frame header in `window` that a second, matching header follows; None if there is none."""
    position = window.find(b"\xff", 0, search)
    while position != -1:
        header = parse_header(window[position : position + 4])
        if header is not None:
            following = parse_header(window[position + header.length : position + header.length + 4])
            if following is not None and header.chains_with(following):
                return position
        position = window.find(b"\xff", position + 1, search)
    return None


def is_information_frame(frame: bytes) -> bool:
    """True if `frame` (whole) carries a Xing, Info or VBRI block instead of sound."""
    header = parse_header(frame[:4])
    return header is not None and (_xing_offset(frame, header) is not None or frame[36:40] == b"VBRI")


def _xing_offset(frame: bytes, header: FrameHeader) -> int | None:
    """Offset of `Xing`/`Info`. The CRC's two bytes are counted by some writers and not by others."""
    base = 4 + header.side_info_bytes
    for offset in (base, base + 2) if header.protected else (base,):
        if frame[offset : offset + 4] in (b"Xing", b"Info"):
            return offset
    return None


def walk_frames(read_at: ReadAt, start: int, end: int) -> Iterator[tuple[int, FrameHeader]]:
    """Each frame (offset, header) from `start` on, as long as the headers chain; stops at the first break, never raises."""
    position = start
    window, window_at = b"", start
    while position + 4 <= end:
        if position + 4 > window_at + len(window):
            window, window_at = read_at(position, min(1 << 20, end - position)), position
        header = parse_header(window[position - window_at : position - window_at + 4])
        if header is None:
            return
        yield position, header
        position += header.length


@dataclass(frozen=True, slots=True)
class Information:
    """What a Xing or Info frame says of the stream; every number is a claim."""

    cbr: bool
    """Written as `Info` instead of `Xing`."""
    frames: int | None
    """Frames after this one."""
    stream_bytes: int | None
    encoder: str
    """LAME's name and version, printable ASCII only; empty if there is none."""
    lame_v: int | None
    """-V number, only where a LAME tag says that it encoded VBR."""
    lowpass_hz: int = 0
    """LAME's low-pass, in steps of 100 Hz; 0 = not stated."""


def read_information(frame: bytes) -> Information | None:
    """Read an information frame (whole); None if it is no Xing or Info frame (VBRI states nothing that we use)."""
    layout = _layout(frame)
    if layout is None:
        return None
    encoder_raw = frame[layout.lame : layout.lame + 9]
    is_lame = encoder_raw[:4] in (b"LAME", b"L3.9") and len(frame) >= layout.lame + 36
    lame_v = None
    if is_lame and layout.quality is not None and frame[layout.lame + 9] & 0x0F in (3, 4, 5, 6):
        quality = int.from_bytes(frame[layout.quality : layout.quality + 4], "big")
        lame_v = (100 - quality) // 10 if 0 < quality <= 100 else None
    return Information(
        cbr=frame[layout.at : layout.at + 4] == b"Info",
        frames=_number(frame, layout.frames),
        stream_bytes=_number(frame, layout.bytes),
        encoder="".join(chr(byte) for byte in encoder_raw if 32 <= byte < 127).strip() if is_lame else "",
        lame_v=lame_v,
        lowpass_hz=100 * frame[layout.lame + 10] if is_lame else 0,
    )


def rebuild_information(preamble: bytes, frame_offsets: Sequence[int], payload_bytes: int) -> bytes:
    """The information frame with its frame count, byte count, seek table, LAME music length and LAME tag CRC made true.

    `frame_offsets` are those of every payload frame, from the payload's start. Encoder delay and padding stay as they are: nothing but the
    encoder knows them. VBRI frames are returned unchanged.
    """
    layout = _layout(preamble)
    if layout is None or not frame_offsets:
        return preamble
    frame = bytearray(preamble)
    total = len(preamble) + payload_bytes
    if layout.frames is not None:
        frame[layout.frames : layout.frames + 4] = min(len(frame_offsets), 0xFFFF_FFFF).to_bytes(4, "big")
    if layout.bytes is not None:
        frame[layout.bytes : layout.bytes + 4] = min(total, 0xFFFF_FFFF).to_bytes(4, "big")
    if layout.toc is not None:
        count = len(frame_offsets)
        table = bytes(
            min(255, 256 * (len(preamble) + frame_offsets[percent * count // 100]) // total) for percent in range(100)
        )
        frame[layout.toc : layout.toc + 100] = table
    if preamble[layout.lame : layout.lame + 4] == b"LAME" and len(frame) >= layout.lame + 36:
        frame[layout.lame + 28 : layout.lame + 32] = min(total, 0xFFFF_FFFF).to_bytes(4, "big")
        frame[layout.lame + 34 : layout.lame + 36] = _crc16(bytes(frame[: layout.lame + 34])).to_bytes(2, "big")
    return bytes(frame)


def neutral_information(first: bytes, *, frames: int, payload_bytes: int) -> bytes:
    """An information frame of our own for a payload that begins with the header `first`: true counts, no delay, no padding.

    For decoders, which otherwise guess a VBR stream's length from its first frame. Raises ValueError if `first` is no Layer III header.
    """
    # No CRC; the highest bit rate, so that the frame has room; no padding slot.
    head = bytes([first[0], first[1] | 1, 0xE0 | first[2] & 0x0C, first[3]])
    header = parse_header(head)
    if header is None:
        raise ValueError("not a Layer III frame header")
    at = 4 + header.side_info_bytes
    counts = min(frames, 0xFFFF_FFFF).to_bytes(4, "big") + min(header.length + payload_bytes, 0xFFFF_FFFF).to_bytes(
        4, "big"
    )
    return (head + bytes(at - 4) + b"Xing" + (3).to_bytes(4, "big") + counts).ljust(header.length, b"\0")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Offsets of an information frame's fields; None where its flags say they are absent."""

    at: int
    frames: int | None
    bytes: int | None
    toc: int | None
    quality: int | None
    lame: int


def _layout(frame: bytes) -> _Layout | None:
    header = parse_header(frame[:4])
    at = _xing_offset(frame, header) if header is not None else None
    if at is None or len(frame) < at + 8:
        return None
    flags, position = int.from_bytes(frame[at + 4 : at + 8], "big"), at + 8
    found: list[int | None] = []
    for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)):
        found.append(position if flags & bit else None)
        position += length if flags & bit else 0
    if position > len(frame):
        return None
    frames, stream_bytes, toc, quality = found
    return _Layout(at=at, frames=frames, bytes=stream_bytes, toc=toc, quality=quality, lame=position)


def _number(frame: bytes, at: int | None) -> int | None:
    return None if at is None else int.from_bytes(frame[at : at + 4], "big")


def _crc16(data: bytes) -> int:
    """CRC-16/ARC (polynomial 8005 reflected, start 0), as LAME's tag uses it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
