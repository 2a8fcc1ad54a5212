"""How far up the spectrum of a track reaches, and how steeply it ends.

The edge is the highest frequency at which the average spectrum, smoothed over 1/128 of its width, stands out from what lies above it: a lossy
encoder's or resampler's low-pass leaves a cliff, a natural ending has none. A number for people and for weighing, never a verdict by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.spectrum import AverageSpectrum

_ABOVE_FLOOR_DB: Final = 8.0
"""Sound stands out from the floor by this."""
_LOUDEST_FLOOR_DB: Final = -100.0
"""16-bit dither lies near -125 dBFS in one bin. A floor well above it is sound (hiss, noise), which reaches as far as it reaches."""
_FLOOR_DB: Final = -140.0
"""Below 24-bit noise in one bin: nothing there is sound."""
_SIDE_HZ: Final = 500.0
"""Steepness compares the levels this far below and above the edge."""
HIGH_HZ: Final = 24_500.0
"""What lies above cannot come from a 48 kHz source."""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Measured on the average spectrum."""

    edge_hz: int
    steepness_db: float
    """Fall of the level over 1 kHz around the edge; 0 where the spectrum reaches the end of its range."""
    floor_db: float
    """dBFS per bin of the quietest band of the upper half."""
    high_db: float | None
    """Mean level above 24.5 kHz, dBFS per bin; None at rates that have nothing there."""


def bandwidth_of(spectrum: AverageSpectrum) -> Bandwidth | None:
    """None for silence and for nothing."""
    levels, step = spectrum.levels, spectrum.step_hz
    count = len(levels)
    if count < 16:
        return None
    power = 10 ** (levels / 10)
    smooth = _smoothed(power, max(1, count // 128))
    bands = 10 * np.log10(smooth)
    peak = float(bands[1:].max())
    if peak <= _FLOOR_DB:
        return None
    floor = float(bands[count // 2 : -max(1, count // 256)].min())
    threshold = min(max(floor + _ABOVE_FLOOR_DB, _FLOOR_DB), _LOUDEST_FLOOR_DB, peak - 1.0)
    edge = int(np.flatnonzero(bands >= threshold)[-1])
    side = max(1, round(_SIDE_HZ / step))
    below, above = bands[max(0, edge - side)], bands[min(count - 1, edge + side)]
    high = power[round(HIGH_HZ / step) :] if step * (count - 1) > HIGH_HZ + 1000 else power[:0]
    return Bandwidth(
        edge_hz=round(edge * step),
        steepness_db=round(float(below - above), 1) if edge + side < count else 0.0,
        floor_db=round(floor, 1),
        high_db=round(float(10 * np.log10(high.mean())), 1) if len(high) else None,
    )


def _smoothed(power: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """Running mean over `width` bins, ends included."""
    padded = np.pad(power, (width // 2, width - 1 - width // 2), mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    return np.asarray(np.maximum((sums[width:] - sums[:-width]) / width, 1e-20))
