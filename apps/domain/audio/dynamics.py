"""Dynamic range as the TT Dynamic Range meter computes it ("DR14"), while the sound streams by.

Method (Pleasurize Music Foundation, "TT DR Offline Meter", as published in dr14_t.meter's compute_dr14.py): blocks of 3 s; per channel and block
RMS = √(2·Σx²/n) and peak; DR of a channel = −20·log10(√(mean of the squared RMS of the loudest fifth of the blocks) / second-highest peak);
DR of the sound = mean over its channels. At 44.1 kHz a block is 3 × 44,160 samples, a quirk of the original that is kept. A sound of less than
three blocks (the last may be a part of one) has none.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from apps.domain.audio.loudness import Planar

_BLOCK_S: Final = 3
_LOUDEST: Final = 0.2
_LEAST_BLOCKS: Final = 3
_SILENT: Final = 2.0**-24
"""Below this RMS of full scale a channel is silent: its range is 0, as in the original."""


class RangeMeter:
    """Feed it every block in order. `full_scale`: the sample value that is 0 dBFS."""

    def __init__(self, rate: int, channels: int, *, full_scale: float = 1.0) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a sound has a rate and at least one channel")
        self.block = dr_block_samples(rate)
        self._full_scale = full_scale
        self._channels = channels
        self._filled = 0
        self._energy = np.zeros(channels)
        self._peak = np.zeros(channels)
        self._rms: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._peaks: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []

    def feed(self, block: Planar, magnitude: Planar | None = None) -> None:
        """Hear the next block, shape (channels, n); `magnitude`: its absolute values, if the caller has them."""
        if magnitude is None:
            magnitude = np.abs(block)
        at, length = 0, block.shape[1]
        while at < length:
            until = min(length, at + self.block - self._filled)
            part = block[:, at:until]
            self._energy += np.vecdot(part, part)
            np.maximum(self._peak, magnitude[:, at:until].max(axis=1), out=self._peak)
            self._filled += until - at
            at = until
            if self._filled == self.block:
                self._close()

    def result(self) -> float | None:
        """DR in dB, not rounded; None for less than three blocks or silence. Feeding must not go on after it."""
        if self._filled:
            self._close()
        count = len(self._rms)
        if count < _LEAST_BLOCKS:
            return None
        rms = np.sort(np.array(self._rms), axis=0) / self._full_scale
        peaks = np.sort(np.array(self._peaks), axis=0) / self._full_scale
        loudest = rms[-max(1, math.floor(count * _LOUDEST)) :]
        level = np.sqrt((loudest**2).mean(axis=0))
        second = peaks[-2]
        heard = (level > _SILENT) & (second > 0)
        if not heard.any():
            return None
        ranges = np.zeros(self._channels)
        ranges[heard] = 20 * np.log10(second[heard] / level[heard])
        return float(ranges.mean())

    def _close(self) -> None:
        self._rms.append(np.sqrt(2 * self._energy / self._filled))
        self._peaks.append(self._peak)
        self._energy, self._peak, self._filled = np.zeros(self._channels), np.zeros(self._channels), 0


def dr_block_samples(rate: int) -> int:
    """Samples per channel of one 3 s block."""
    return _BLOCK_S * (rate + 60 if rate == 44_100 else rate)
