"""What is known of one encoding of one recording: the facts a row keeps, a descriptor carries and a policy weighs."""

from __future__ import annotations

from dataclasses import dataclass

from apps.domain.audio.payload import HASH_BYTES, PayloadFormat
from apps.domain.audio.profile import CodecProfile


@dataclass(frozen=True, slots=True)
class VariantFacts:
    """One file's sound. Measured by our own decode unless its maker says otherwise. Raises ValueError on impossible numbers."""

    profile: CodecProfile
    container: str
    """Lower-case extension-like name: flac, mp3, ogg, mp4, wav …"""
    total_samples: int
    """Samples per channel, counted while decoding."""
    duration_ms: int
    bitrate_bps: int
    """Payload bits per second."""
    payload_root: bytes
    """32 bytes."""
    payload_offset: int
    """First payload byte in this file."""
    payload_bytes: int
    payload_format: PayloadFormat
    preamble: bytes = b""
    bits: int = 0
    """Bits per sample of the source; 0 for lossy codecs."""
    min_block: int = 0
    """FLAC block sizes in samples; 0 elsewhere."""
    max_block: int = 0
    vendor: str = ""
    """Encoder's own words (FLAC vendor string, LAME tag); peer text, never shown raw."""
    pcm_md5: bytes | None = None
    """16 bytes, MD5 of the decoded PCM as STREAMINFO defines it; lossless sources only."""

    def __post_init__(self) -> None:
        counts = (
            self.total_samples, self.duration_ms, self.bitrate_bps, self.payload_offset, self.payload_bytes,
            self.bits, self.min_block, self.max_block,
        )  # fmt: skip
        if min(counts) < 0:
            raise ValueError("a variant's numbers are not negative")
        if len(self.payload_root) != HASH_BYTES or (self.pcm_md5 is not None and len(self.pcm_md5) != 16):
            raise ValueError("payload_root has 32 bytes, pcm_md5 16")
