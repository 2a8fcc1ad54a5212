"""Mean power spectrum of a track's segments, in 16-bit steps: what edges and empty bands are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft  # type: ignore[import-untyped]

from apps.domain.audio.segments import Segments

_FFT: Final = 4096

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Welch's estimate (Hann, no overlap), mean over segments and channels. White noise of variance v reads 10 log10 v dB in every bin; plain
    rounding to 16 bits reads -10.8 dB, to 24 bits -59 dB."""

    hz: Floats
    db: Floats

    def between(self, low: float, high: float) -> Floats:
        """The bins' levels from `low` up to `high` Hz; may be empty."""
        return self.db[(self.hz >= low) & (self.hz < high)]


def levels_of(segments: Segments) -> Levels | None:
    """None if there is no segment."""
    if not segments.items:
        return None
    window = np.hanning(_FFT).astype(np.float32)
    size = _FFT if segments.rate <= 48_000 else 2 * _FFT
    if size != _FFT:
        window = np.hanning(size).astype(np.float32)
    power = np.zeros(size // 2 + 1)
    frames = 0
    for one in segments.items:
        whole = one.samples.shape[1] // size * size
        spectra = fft.rfft(one.samples[:, :whole].reshape(-1, size) * window, axis=1)
        power += (spectra.real**2 + spectra.imag**2).sum(axis=0)
        frames += len(spectra)
    power /= frames * float((window**2).sum())
    return Levels(np.arange(size // 2 + 1) * segments.rate / size, 10 * np.log10(power + 1e-12))
