"""Clipped samples: runs of three and more at full scale on the same side, while the sound streams by.

Three is what Audacity's "Find Clipping" begins with: one or two samples at the rail are a well-used range, a plateau is a cut-off wave.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from apps.domain.audio.loudness import Planar

RUN: Final = 3
"""Shortest run that counts."""


CLIP_LEVEL: Final = 1 - 2.0**-15
"""Of full scale: the highest positive 16-bit sample. Finer masters are made of 16-bit ones; 8-bit sound reaches it on its negative side only."""


class ClippingMeter:
    """Feed it every block in order. `level`: magnitude in the samples' own unit from which a sample is at the rail."""

    def __init__(self, channels: int, *, level: float) -> None:
        self._level = level
        self._open = np.zeros((2, channels), dtype=np.int64)
        """Length of the run that each side of each channel ended with."""
        self._clipped = 0
        self._samples = 0

    def feed(self, block: Planar, *, highest: float | None = None) -> None:
        """Hear the next block, shape (channels, n); `highest`: its highest magnitude, if the caller has it."""
        self._samples += block.size
        if highest is None:
            highest = float(np.abs(block).max()) if block.size else 0.0
        if highest < self._level:
            self._close_all()
            return
        for channel, row in enumerate(block):
            self._take(0, channel, row >= self._level)
            self._take(1, channel, row <= -self._level)

    def clipped_ppm(self) -> int:
        """Samples in runs, per million of all channels' samples."""
        self._close_all()
        return round(1e6 * self._clipped / self._samples) if self._samples else 0

    def _take(self, side: int, channel: int, at_rail: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        open_run = int(self._open[side, channel])
        found = np.flatnonzero(at_rail)
        if not len(found) or found[0] != 0:
            self._count(open_run)
            open_run = 0
        if not len(found):
            self._open[side, channel] = 0
            return
        breaks = np.flatnonzero(np.diff(found) > 1)
        lengths = np.diff(np.concatenate([[-1], breaks, [len(found) - 1]]))
        lengths[0] += open_run
        if found[-1] == len(at_rail) - 1:
            self._open[side, channel] = lengths[-1]
            lengths = lengths[:-1]
        else:
            self._open[side, channel] = 0
        self._clipped += int(lengths[lengths >= RUN].sum())

    def _close_all(self) -> None:
        if self._open.any():
            self._clipped += int(self._open[self._open >= RUN].sum())
            self._open[:] = 0

    def _count(self, run: int) -> None:
        if run >= RUN:
            self._clipped += run
