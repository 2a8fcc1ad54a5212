"""The average power spectrum of a track, from one windowed look every half second while it streams by.

Levels are dBFS per bin of a Hann window, scaled so that a full-scale sine reads 0 dB at its bin; channels are averaged as powers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft  # type: ignore[import-untyped]

from apps.domain.audio.loudness import Planar

CURVE_POINTS: Final = 400
"""What a picture needs."""
EMPTY_DB: Final = -200.0
"""Stands for no power at all."""
_EVERY_S: Final = 0.5
_BIN_HZ: Final = 12.0
"""Aimed at: 4096 points at 44.1 and 48 kHz."""


@dataclass(frozen=True, slots=True, eq=False)
class AverageSpectrum:
    """`levels[i]` is the level at `i * step_hz`, in dBFS; empty if nothing was heard."""

    step_hz: float
    levels: npt.NDArray[np.float64]

    def curve(self) -> tuple[float, tuple[float, ...]]:
        """(Hz per point, at most CURVE_POINTS levels rounded to 0.1 dB), each the mean power of its bins."""
        count = len(self.levels)
        if count < 2:
            return self.step_hz, ()
        width = math.ceil(count / CURVE_POINTS)
        power = 10 ** (self.levels / 10)
        whole = count // width * width
        means = power[:whole].reshape(-1, width).mean(axis=1)
        return self.step_hz * width, tuple(np.round(_db(means), 1).tolist())


class SpectrumMeter:
    """Feed it every block in order. `full_scale`: the sample value that is 0 dBFS."""

    def __init__(self, rate: int, channels: int, *, full_scale: float = 1.0) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a sound has a rate and at least one channel")
        self._rate = rate
        self.size = 1 << max(6, min(16, round(math.log2(rate / _BIN_HZ))))
        """Samples of one look."""
        self._every = max(self.size, round(_EVERY_S * rate))
        self._window = (np.hanning(self.size + 1)[:-1]).astype(np.float32)
        self._scale = 2 / (float(self._window.sum()) * full_scale)
        self._power = np.zeros(self.size // 2 + 1)
        self._looks = 0
        self._next = 0
        """Samples until the next look begins."""
        self._part = np.zeros((channels, 0), dtype=np.float32)

    def feed(self, block: Planar) -> None:
        """Hear the next block, shape (channels, n)."""
        at, length = 0, block.shape[1]
        while at < length:
            if self._next:
                skipped = min(self._next, length - at)
                self._next -= skipped
                at += skipped
                continue
            need = self.size - self._part.shape[1]
            taken = block[:, at : at + need]
            at += taken.shape[1]
            self._part = np.concatenate([self._part, taken], axis=1) if self._part.shape[1] else taken.copy()
            if self._part.shape[1] == self.size:
                self._look()
                self._next = self._every - self.size

    def result(self) -> AverageSpectrum:
        """The mean over all looks. What is shorter than one look is taken as it is, with silence behind it."""
        step = self._rate / self.size
        if not self._looks and self._part.shape[1]:
            self._part = np.pad(self._part, ((0, 0), (0, self.size - self._part.shape[1])))
            self._look()
        if not self._looks:
            return AverageSpectrum(step_hz=step, levels=np.zeros(0))
        return AverageSpectrum(step_hz=step, levels=_db(self._power / self._looks))

    def _look(self) -> None:
        bins = fft.rfft(self._part * self._window, axis=1)
        power = bins.real.astype(np.float64) ** 2 + bins.imag.astype(np.float64) ** 2
        self._power += power.mean(axis=0) * self._scale**2
        self._looks += 1
        self._part = self._part[:, :0]


def _db(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (EMPTY_DB / 10))))
