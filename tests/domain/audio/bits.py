"""Small files built byte by byte: frames that parse, tags that frame them."""

from __future__ import annotations


def streaminfo(
    *,
    rate: int = 44_100,
    channels: int = 2,
    bits: int = 16,
    total: int = 123_456,
    md5: bytes = bytes(range(16)),
    block: int = 4096,
) -> bytes:
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | total
    return (
        block.to_bytes(2, "big") * 2
        + (14).to_bytes(3, "big")
        + (99).to_bytes(3, "big")
        + packed.to_bytes(8, "big")
        + md5
    )


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            top = crc >> 7 ^ byte >> bit & 1
            crc = (crc << 1 & 0xFF) ^ (0x07 if top else 0)
    return crc


def flac_frame(number: int, body: bytes = b"sound") -> bytes:
    """4096 samples, 44.1 kHz, left/right, 16 bits; only the header is real."""
    head = bytes([0xFF, 0xF8, 0xC9, 0x18, number])
    return head + bytes([_crc8(head)]) + body


FLAC_FRAMES = b"".join(flac_frame(number) for number in range(3))


def flac(*, frames: bytes = FLAC_FRAMES, blocks: list[tuple[int, bytes]] | None = None) -> bytes:
    chain = [(0, streaminfo()), *(blocks or [])]
    made = b"fLaC"
    for at, (kind, body) in enumerate(chain):
        made += bytes([kind | (0x80 if at == len(chain) - 1 else 0)]) + len(body).to_bytes(3, "big") + body
    return made + frames


def mp3_frame(fill: int, *, rate_index: int = 0) -> bytes:
    """MPEG-1 Layer III, 128 kbps, joint stereo: 417 bytes at 44.1 kHz, 384 at 48."""
    length = {0: 417, 1: 384}[rate_index]
    return bytes([0xFF, 0xFB, 0x90 | rate_index << 2, 0x40]) + bytes([fill]) * (length - 4)


MP3_FRAMES = b"".join(mp3_frame(fill) for fill in (0x11, 0x22, 0x33))
# MPEG-2 Layer III, 64 kbps (index 8), 22.05 kHz, mono: 208 bytes
MP3_V2_MONO = b"".join(bytes([0xFF, 0xF3, 0x80, 0xC0]) + bytes([fill]) * 204 for fill in (1, 2, 3))


def information_frame(kind: str) -> bytes:
    frame = bytearray(417)
    frame[:4] = bytes([0xFF, 0xFA if kind.endswith("crc") else 0xFB, 0x90, 0x40])
    at = 38 if kind.endswith("crc") else 36
    word = {"xing": b"Xing", "info": b"Info", "vbri": b"VBRI"}[kind.partition("-")[0]]
    frame[at : at + 8] = word + (15).to_bytes(4, "big")
    return bytes(frame)


def id3v2(body: bytes, *, footer: bool = False) -> bytes:
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    tail = bytes([4, 0, 0x10 if footer else 0]) + size
    return b"ID3" + tail + body + (b"3DI" + tail if footer else b"")


def id3v1(title: bytes = b"title") -> bytes:
    return b"TAG" + title.ljust(30, b"\0")[:30] + bytes(94) + b"\x0c"


def ape(items: bytes, *, version: int = 2000, header: bool = True, claimed: int | None = None) -> bytes:
    size = len(items) + 32 if claimed is None else claimed
    tail = version.to_bytes(4, "little") + size.to_bytes(4, "little") + (1).to_bytes(4, "little")
    front = b"APETAGEX" + tail + (0xA000_0000).to_bytes(4, "little") + bytes(8) if header else b""
    return front + items + b"APETAGEX" + tail + (0x8000_0000 if header else 0).to_bytes(4, "little") + bytes(8)


def lyrics3v2(fields: bytes) -> bytes:
    body = b"LYRICSBEGIN" + fields
    return body + f"{len(body):06d}".encode() + b"LYRICS200"
