"""A front cover, and how FLAC holds it (RFC 9639 §8.8). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FRONT: Final = 3
"""Kind of picture, the same in FLAC and ID3: front cover."""
MAX_BLOCK_BYTES: Final = (1 << 24) - 1
"""Of a FLAC metadata block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A picture that decodes. `mime`: image/jpeg or image/png; `width`, `height` in pixels."""

    data: bytes
    mime: str
    width: int
    height: int

    @property
    def extension(self) -> str:
        """Without its dot."""
        return "jpg" if self.mime == "image/jpeg" else "png"


def flac_picture(cover: Cover) -> bytes | None:
    """Body of a PICTURE block; None for a picture that no block holds."""
    mime = cover.mime.encode("ascii")
    numbers = (cover.width, cover.height, 24, 0, len(cover.data))
    body = b"".join(
        [
            FRONT.to_bytes(4, "big"),
            len(mime).to_bytes(4, "big"),
            mime,
            (0).to_bytes(4, "big"),
            *(number.to_bytes(4, "big") for number in numbers),
            cover.data,
        ]
    )
    return body if len(body) <= MAX_BLOCK_BYTES else None
