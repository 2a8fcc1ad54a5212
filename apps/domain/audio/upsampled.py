"""High rates made from 44.1 or 48 kHz: above the old Nyquist frequency there is nothing but the rounding of the new word length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from apps.domain.audio.levels import Levels

_HEARD_HZ: Final = (16_000.0, 20_000.0)
_ABOVE_HZ: Final = 31_000.0
"""Slow resampling filters still leak at 28 kHz."""
DROP_BAR_DB: Final = 40.0
"""Measured: upsampled by three resamplers 39 to 126 dB (least: a tracker with nothing above 10 kHz); 96 kHz from the source at most 45, but ending 55 dB
and more above the rounding noise."""
_ROOM_DB: Final = 39.0
"""How far above the rounding noise of 24 bits an empty band may lie (dither, a converter's own noise shaping); measured: ffmpeg's resampler 10 to 25."""
_ROOM_16_DB: Final = 6.0
_SOFTNESS_DB: Final = 20.0


@dataclass(frozen=True, slots=True)
class UpsampledEvidence:
    """Levels below and above the audible range's end."""

    heard_db: float
    above_db: float
    floor_db: float
    """Rounding noise of the stated word length."""
    room_db: float

    @property
    def score(self) -> float:
        """The weaker of two: how far the level falls, and how near the floor it ends. 1.0 is the bar."""
        near = 1 + (self.floor_db + self.room_db - self.above_db) / _SOFTNESS_DB
        return max(0.0, min((self.heard_db - self.above_db) / DROP_BAR_DB, near))


def find_upsampled(levels: Levels, *, rate: int, bits: int) -> UpsampledEvidence | None:
    """None for rates up to 64 kHz: there is no band above the old Nyquist frequency then."""
    above = levels.between(_ABOVE_HZ, rate / 2 * 0.92)
    if rate <= 64_000 or not above.size:
        return None
    wide = bits >= 20 or bits == 0
    return UpsampledEvidence(
        heard_db=float(np.median(levels.between(*_HEARD_HZ))),
        above_db=float(np.quantile(above, 0.75)),
        # A float or 32-bit file holds no more than a converter's 24 bits.
        floor_db=20 * (16 - min(bits or 24, 24)) * float(np.log10(2)) - 10.8,
        room_db=_ROOM_DB if wide else _ROOM_16_DB,
    )
