"""Where a file's sound came from: the facts that are known beforehand, and the verdict.

`SegmentChooser` (segments.py) hears the decode; its segments and these facts make a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.domain.audio.profile import Codec

Evidence = Mapping[str, str | int | float | bool | None]
Curves = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class TranscodeFacts:
    """What is known of the file besides its samples. Raises ValueError on impossible numbers."""

    codec: Codec | None
    """None: unknown; taken for lossless."""
    bits: int = 0
    """Bits per sample the file states; 0 for lossy codecs."""
    bitrate_kbps: int = 0
    """Stated or average bit rate of a lossy file; 0: unknown."""
    vbr: bool = False
    lame_v: int | None = None
    """The -V number a LAME tag states."""
    lame_lowpass_hz: int = 0
    """The LAME tag's lowpass byte × 100; 0: none."""
    effective_bits: int | None = None
    """Bits per sample that ever move over the whole track; None: not measured, then the segments decide."""

    def __post_init__(self) -> None:
        if min(self.bits, self.bitrate_kbps, self.lame_lowpass_hz, self.effective_bits or 0) < 0:
            raise ValueError("a file's numbers are not negative")


@dataclass(frozen=True, slots=True)
class TranscodeVerdict:
    """What the sound itself says of its origin. There is no "genuine": absence of evidence is told as such."""

    suspect: bool | None
    """None: too little signal to say."""
    code: str
    """mp3_origin, aac_origin, vorbis_origin, opus_origin, mp3_upscaled, upsampled, padded_depth, no_evidence, too_little_signal."""
    score: float
    """Strongest measure divided by its own bar: 1.0 is the bar, whatever decided. Continuous, comparable between files."""
    evidence: Evidence = field(default_factory=dict)
    """Numbers by name, ready for JSON."""
    curves: Curves = field(default_factory=dict)
    """Small, rounded, ready to draw."""
