"""MP3 made from an MP3 of a lower bit rate: the first encoder's lowpass is still there, below the one this bit rate would have.

Between the two lowpasses the second encoder had nothing to encode, so that band is empty: it lies tens of dB below the sound just under the edge, and
under the rounding noise that a 16-bit source would have brought. Sound that fades by itself fades slowly; that is what the measure tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from apps.domain.audio.levels import Levels

LAME_LOWPASS_HZ: Final = {
    320: 20_500, 256: 20_000, 224: 19_500, 192: 18_600, 160: 17_500, 128: 16_500, 112: 15_500, 96: 15_000, 80: 13_500, 64: 11_000
}  # fmt: skip
"""Lowpass of LAME 3.9x and 3.100 by constant bit rate (kbps, 44.1 kHz stereo), the lower where versions differ."""
LAME_V_LOWPASS_HZ: Final = (19_500, 19_000, 18_500, 18_000, 17_500, 16_500, 15_500, 14_500, 12_500, 9_500)
"""The same for -V0 … -V9."""
LOWEST_EDGE_HZ: Final = 10_000
"""Older edges than this are not looked for: little is sold as an upscale from below 64 kbps, and old recordings end there by themselves."""
CONTRAST_BAR_DB: Final = 22.0
"""Measured on 24 pieces: LAME 192 to 320, V0 and V2 from lossless at most 20 dB, upscales of them 19 to 71, nine of ten above 42."""
_LEAST_KBPS, _WORST_V = 160, 4
"""Below, encoders themselves drop everything above 16 kHz in quiet passages (ISO 11172-3's last scale factor band has no factor of its own)."""
_BELOW: Final = (700.0, 200.0)
_GAP: Final = 300.0
_SPREAD_HZ: Final = 250.0


@dataclass(frozen=True, slots=True)
class UpscaleEvidence:
    """Where the sound breaks off, and how deep."""

    edge_hz: int
    expected_hz: int
    """Lowpass of this file's own encoder."""
    contrast_db: float
    """Level just below the edge minus the highest level between edge and expected lowpass."""
    rest_db: float
    """That highest level."""

    @property
    def score(self) -> float:
        """1.0 is the bar."""
        return self.contrast_db / CONTRAST_BAR_DB


def expected_lowpass(*, bitrate_kbps: int, vbr: bool, lame_v: int | None, lame_lowpass_hz: int, rate: int) -> int:
    """Hz up to which this file's encoder keeps sound: what its tag states, else what its setting does in LAME.

    0: unknown, or so low a rate that an edge means nothing.
    """
    if lame_v is not None:
        low = lame_v > _WORST_V
    else:
        low = 0 < bitrate_kbps < _LEAST_KBPS
    if low or rate < 44_100:
        return 0
    top = int(rate / 2 * 0.96)
    if lame_lowpass_hz:
        return min(lame_lowpass_hz, top)
    if lame_v is not None:
        return min(LAME_V_LOWPASS_HZ[min(max(lame_v, 0), 9)], top)
    if bitrate_kbps <= 0:
        return 0
    # An average of VBR says less than a constant rate: a step lower is expected.
    reached = [kbps for kbps in LAME_LOWPASS_HZ if kbps <= bitrate_kbps * (0.85 if vbr else 1.02)]
    return min(LAME_LOWPASS_HZ[max(reached)], top) if reached else 0


def find_upscale(levels: Levels, *, expected_hz: int) -> UpscaleEvidence | None:
    """The edge with the greatest contrast to the emptiness above it; None if there is no room below the expected lowpass."""
    step = float(levels.hz[1])
    width = max(1, round(_SPREAD_HZ / step))
    smooth = np.convolve(levels.db, np.ones(width) / width, "same")
    end = int((expected_hz - _GAP) / step)
    first = int(LOWEST_EDGE_HZ / step)
    far, near, gap = (round(hz / step) for hz in (*_BELOW, _GAP))
    if end - gap - width <= first:
        return None
    edges = np.arange(first, end - gap - width)
    running = np.concatenate([[0.0], np.cumsum(smooth)])
    below = (running[edges - near] - running[edges - far]) / (far - near)
    highest = np.maximum.accumulate(smooth[:end][::-1])[::-1]
    rest = highest[edges + gap]
    at = int(np.argmax(below - rest))
    return UpscaleEvidence(
        edge_hz=round(float(levels.hz[edges[at]])),
        expected_hz=expected_hz,
        contrast_db=float(below[at] - rest[at]),
        rest_db=float(rest[at]),
    )
