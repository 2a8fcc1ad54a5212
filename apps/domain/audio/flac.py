"""FLAC's header as far as payload identity needs it: STREAMINFO, the metadata chain, a frame's sync.

Source: RFC 9639 §8 (metadata blocks) and §9.1 (frame header). Pure: reading is injected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.domain.errors import DomainError

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, length)`: the bytes there, fewer only at the end of the file."""

MARKER = b"fLaC"
STREAMINFO_BYTES = 34
PREAMBLE_BYTES = 42
"""`fLaC` (4) + metadata block header (4) + STREAMINFO (34)."""
PREAMBLE_HEAD = MARKER + bytes([0x80, 0x00, 0x00, STREAMINFO_BYTES])
"""The canonical preamble's first 8 bytes: the is-last bit is always set, so that `preamble + payload` is a valid FLAC file by itself
and twins with different metadata blocks have equal preambles."""
_FORBIDDEN_BLOCK = 127
_BLOCKS = (0, 192, 576, 1152, 2304, 4608, 0, 0, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
_RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_BITS = (0, 8, 12, 0, 16, 20, 24, 32)
_WINDOW_BYTES = 1 << 20
_MAX_BLOCKS = 65_536
"""A chain of empty blocks costs one read each; the 64 MiB limit alone would allow 16 million. Real files have under a dozen."""


class PreambleError(DomainError):
    """The bytes in front of a payload are not what its format allows."""

    default_code = "preamble_invalid"


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """STREAMINFO (RFC 9639 §8.2), all claims of whoever wrote it until the audio has been decoded."""

    min_block: int
    """Samples per channel in the smallest block, the last one excluded."""
    max_block: int
    min_frame: int
    """Bytes of the smallest frame; 0 = unknown."""
    max_frame: int
    rate: int
    """Hz."""
    channels: int
    bits: int
    """Bits per sample."""
    total_samples: int
    """Samples per channel; 0 = unknown."""
    md5: bytes
    """16 bytes: MD5 of the interleaved little-endian PCM; all zero = unknown."""


def decode_streaminfo(body: bytes) -> StreamInfo:
    """Read the 34 bytes of a STREAMINFO block. Raises PreambleError on a wrong length, rate 0, or block sizes under 16."""
    if len(body) != STREAMINFO_BYTES:
        raise PreambleError("A FLAC STREAMINFO block has 34 bytes.", length=len(body))
    packed = int.from_bytes(body[10:18], "big")
    info = StreamInfo(
        min_block=int.from_bytes(body[0:2], "big"),
        max_block=int.from_bytes(body[2:4], "big"),
        min_frame=int.from_bytes(body[4:7], "big"),
        max_frame=int.from_bytes(body[7:10], "big"),
        rate=packed >> 44,
        channels=(packed >> 41 & 0x7) + 1,
        bits=(packed >> 36 & 0x1F) + 1,
        total_samples=packed & 0xF_FFFF_FFFF,
        md5=body[18:34],
    )
    if info.rate == 0 or info.bits < 4 or not 16 <= info.min_block <= info.max_block:
        raise PreambleError("This FLAC STREAMINFO block states impossible values.", rate=info.rate, bits=info.bits)
    return info


def parse_streaminfo(preamble: bytes) -> StreamInfo:
    """Read a canonical 42-byte FLAC preamble. Raises PreambleError on anything else."""
    if len(preamble) != PREAMBLE_BYTES or not preamble.startswith(PREAMBLE_HEAD):
        raise PreambleError("A FLAC preamble is exactly fLaC and one last STREAMINFO block.", length=len(preamble))
    return decode_streaminfo(preamble[8:])


def read_chain(read_at: ReadAt, start: int, *, end: int, limit: int) -> tuple[bytes, int] | None:
    """Walk the metadata blocks of the `fLaC` marker at `start`.

    Returns (canonical preamble, offset just after the is-last block), or None if the chain breaks a rule: first block not a 34-byte
    STREAMINFO with possible values, a second STREAMINFO, the forbidden type 127, or an end beyond `end` or beyond `limit`.
    """
    position = start + len(MARKER)
    preamble = b""
    for _ in range(_MAX_BLOCKS):
        header = read_at(position, 4)
        if len(header) < 4:
            return None
        kind, length = header[0] & 0x7F, int.from_bytes(header[1:4], "big")
        if (kind == 0) == bool(preamble) or kind == _FORBIDDEN_BLOCK:
            return None
        if kind == 0:
            body = read_at(position + 4, STREAMINFO_BYTES) if length == STREAMINFO_BYTES else b""
            try:
                decode_streaminfo(body)
            except PreambleError:
                return None
            preamble = PREAMBLE_HEAD + body
        position += 4 + length
        if position > end or position > limit:
            return None
        if header[0] & 0x80:
            return preamble, position
    return None


def find_frame(window: bytes) -> int | None:
    """Offset of the first frame header in `window` whose CRC-8 is right, or None."""
    position = window.find(b"\xff")
    while position != -1:
        if _parse_frame_header(window[position : position + 16]) is not None:
            return position
        position = window.find(b"\xff", position + 1)
    return None


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """What a frame header says; 0 where it refers to STREAMINFO."""

    block: int
    """Samples per channel in this frame."""
    variable: bool
    """Blocking strategy: the header counts samples, not frames."""
    number: int
    """Of this frame, or of its first sample."""
    rate: int
    channels: int
    bits: int


def first_frame(window: bytes) -> FrameFacts | None:
    """The first frame whose header is right in `window`; None if there is none."""
    at = find_frame(window)
    return None if at is None else _parse_frame_header(window[at : at + 16])


def _parse_frame_header(head: bytes) -> FrameFacts | None:
    """RFC 9639 §9.1: sync code, no reserved value, coded number, CRC-8 over all of it."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 0x0F
    channel_code, bits_code = head[3] >> 4, head[3] >> 1 & 0x7
    if block_code == 0 or rate_code == 15 or channel_code > 10 or bits_code == 3 or head[3] & 1:
        return None
    block_at = 4 + _coded_number_bytes(head[4])
    rate_at = block_at + {6: 1, 7: 2}.get(block_code, 0)
    length = rate_at + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= length or _crc8(head[:length]) != head[length]:
        return None
    stated_rate = int.from_bytes(head[rate_at:length], "big")
    return FrameFacts(
        block=int.from_bytes(head[block_at:rate_at], "big") + 1 if block_code in (6, 7) else _BLOCKS[block_code],
        variable=bool(head[1] & 1),
        number=_coded_number(head[4:block_at]),
        rate=stated_rate * {12: 1000, 14: 10}.get(rate_code, 1) if rate_code >= 12 else _RATES[rate_code],
        channels=channel_code + 1 if channel_code < 8 else 2,
        bits=_BITS[bits_code],
    )


def frame_sizes(read_at: ReadAt, start: int, end: int) -> tuple[int, int] | None:
    """(smallest, largest) frame in bytes of the frames from `start` to `end`; None if no frame begins at `start`.

    Frames are told apart by sync code, CRC-8 and the number that must follow (chance hits: under 2^-30 per byte), without decoding.
    """
    frame = _parse_frame_header(read_at(start, 16))
    if frame is None:
        return None
    sync = b"\xff\xf9" if frame.variable else b"\xff\xf8"
    smallest, largest, position = end - start, 0, start
    window_at, window = start, b""
    search = start + 2
    while True:
        at = window.find(sync, search - window_at) if search < window_at + len(window) else -1
        if at == -1 or (at + 16 > len(window) and window_at + len(window) < end):
            keep = window_at + at if at != -1 else max(search, window_at + len(window) - 1)
            if at == -1 and window_at + len(window) >= end:
                break
            window_at, search = keep, max(search, keep)
            window = read_at(window_at, min(_WINDOW_BYTES, end - window_at))
            if len(window) < 2:
                break
            continue
        following = _parse_frame_header(window[at : at + 16])
        if following is not None and following.number == frame.number + (frame.block if frame.variable else 1):
            size = window_at + at - position
            smallest, largest = min(smallest, size), max(largest, size)
            frame, position = following, window_at + at
        search = window_at + at + 2
    return min(smallest, end - position), max(largest, end - position)


def _coded_number(data: bytes) -> int:
    """The UTF-8-like number (RFC 9639 §9.1.5) in all of `data`."""
    if len(data) <= 1:
        return int.from_bytes(data, "big")
    number = data[0] & (0x7F >> len(data))
    for byte in data[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _coded_number_bytes(first: int) -> int:
    """Length of the UTF-8-like number that starts with `first`; an invalid start counts as 1 and fails at the CRC."""
    for count, (mask, value) in enumerate(
        ((0x80, 0), (0xE0, 0xC0), (0xF0, 0xE0), (0xF8, 0xF0), (0xFC, 0xF8), (0xFE, 0xFC), (0xFF, 0xFE))
    ):
        if first & mask == value:
            return count + 1
    return 1


def _crc8(data: bytes) -> int:
    """Polynomial x^8 + x^2 + x + 1, start 0 (RFC 9639 §9.1.8)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x107 if crc & 0x80 else crc << 1
    return crc
