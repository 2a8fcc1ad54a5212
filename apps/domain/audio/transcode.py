"""Where a file's sound came from: the facts that are known beforehand, and the verdict.

`SegmentChooser` (segments.py) hears the decode; its segments and these facts make a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.codec_grid import GridTrace
from apps.domain.audio.depth import find_padding
from apps.domain.audio.filterbanks import Family
from apps.domain.audio.levels import Levels, levels_of
from apps.domain.audio.origin import Origin, find_origin
from apps.domain.audio.profile import LOSSLESS, Codec
from apps.domain.audio.segments import Segments
from apps.domain.audio.upsampled import find_upsampled
from apps.domain.audio.upscale import UpscaleEvidence, expected_lowpass, find_upscale

Value = str | int | float | bool | None
Evidence = Mapping[str, Value]
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


_ORIGIN_CODES: Final = {
    Family.MP3: "mp3_origin",
    Family.AAC: "aac_origin",
    Family.AAC_SINE: "aac_origin",
    Family.VORBIS: "vorbis_origin",
    Family.OPUS: "opus_origin",
}
_AROUND: Final = 64
"""Offsets drawn on each side of the dip."""
_DRAWN: Final = 440
"""Points of the whole curve at most; each keeps the deepest of those it stands for."""


def examine(segments: Segments, facts: TranscodeFacts) -> TranscodeVerdict:
    """What the segments of one track say. Never raises for odd sound: too little of it is an answer."""
    evidence: dict[str, Value] = {"segments": len(segments.items)}
    levels = levels_of(segments)
    if levels is None:
        return TranscodeVerdict(None, "too_little_signal", 0.0, evidence)
    lossless = facts.codec is None or facts.codec in LOSSLESS
    origin = find_origin(segments, codec=facts.codec)
    upscale = _upscale(levels, facts, rate=segments.rate)
    upsampled = find_upsampled(levels, rate=segments.rate, bits=facts.bits) if lossless else None
    depth = find_padding(segments, bits=facts.bits, effective_bits=facts.effective_bits) if lossless else None
    curves: Curves = {}
    scores: dict[str, float] = {}
    if origin.trace is not None:
        scores[_ORIGIN_CODES[origin.trace.family]] = origin.score
        evidence |= _grid_evidence(origin, origin.trace)
        curves = _grid_curves(origin.trace)
    if upscale is not None:
        scores["mp3_upscaled"] = upscale.score
        evidence |= {"edge_hz": upscale.edge_hz, "expected_lowpass_hz": upscale.expected_hz}
        evidence |= {"edge_contrast_db": round(upscale.contrast_db, 1), "edge_rest_db": round(upscale.rest_db, 1)}
        evidence["upscale_score"] = round(upscale.score, 4)
    if upsampled is not None:
        scores["upsampled"] = upsampled.score
        evidence |= {"heard_db": round(upsampled.heard_db, 1), "above_db": round(upsampled.above_db, 1)}
        evidence["upsampled_score"] = round(upsampled.score, 4)
    if depth is not None:
        scores["padded_depth"] = depth.score
        evidence |= {"stated_bits": depth.stated_bits, "effective_bits": depth.effective_bits}
        evidence["value_density"] = None if depth.density is None else round(depth.density, 4)
        evidence["depth_score"] = round(depth.score, 4)
    if lossless and origin.trace is None and max(scores.values(), default=0.0) < 1:
        return TranscodeVerdict(None, "too_little_signal", 0.0, evidence, curves)
    # Lossy origin is the graver finding, so it names the file whenever it is one; scores are in that order.
    found = next((code for code, score in scores.items() if score >= 1), None)
    score = round(max(scores.values(), default=0.0), 4)
    return TranscodeVerdict(found is not None, found or "no_evidence", score, evidence, curves)


def _upscale(levels: Levels, facts: TranscodeFacts, *, rate: int) -> UpscaleEvidence | None:
    if facts.codec is not Codec.MP3:
        return None
    expected = expected_lowpass(
        bitrate_kbps=facts.bitrate_kbps,
        vbr=facts.vbr,
        lame_v=facts.lame_v,
        lame_lowpass_hz=facts.lame_lowpass_hz,
        rate=rate,
    )
    return find_upscale(levels, expected_hz=expected) if expected else None


def _grid_evidence(origin: Origin, trace: GridTrace) -> Evidence:
    return {
        "family": trace.family.value,
        "grid_rate": trace.rate,
        "z": round(origin.z, 2),
        "bar": origin.bar,
        "origin_score": round(origin.score, 4),
        "stage": origin.stage,
        "offset": trace.offset,
        "fold": trace.fold,
        "windows": trace.windows,
        "active_coefficients": trace.coefficients,
    } | {f"z_{one.family.value}_{one.rate}": round(one.z, 2) for one in origin.searched}


def _grid_curves(trace: GridTrace) -> dict[str, Sequence[float]]:
    """The dip's surroundings offset by offset, and the whole fold thinned out; depths in deviations."""
    around = np.arange(-_AROUND, _AROUND + 1)
    near = trace.curve[(trace.offset + around) % len(trace.curve)]
    edges = np.linspace(0, len(trace.curve), min(_DRAWN, len(trace.curve)) + 1).astype(np.intp)[:-1]
    return {
        "notch_offset": (trace.offset + around).tolist(),
        "notch_depth": _rounded(near),
        "fold_offset": edges.tolist(),
        "fold_depth": _rounded(np.maximum.reduceat(trace.curve, edges)),
    }


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(one), 2) for one in values]
