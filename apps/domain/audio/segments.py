"""A few loud, steady stretches of a track, chosen while it is decoded once and before its length is known.

The grid search needs about 24 windows spread over the whole track. The chooser cuts the stream into windows, keeps the best of each stratum
(a run of consecutive windows), and when it holds `CAPACITY` strata joins neighbours two by two: strata grow with the track, memory does not
(40 windows: 5 MB at 44.1 kHz stereo, 23 MB at 192 kHz). A window is about 0.38 s whatever the rate, and starts on a multiple of 10 ms where the
rate has one, so that its place on the 44.1 and 48 kHz grids stays a whole number after resampling.

"Best" is loud and steady above a few kHz: an encoder short of bits there quantises to zero, and a drum hit in silence (short blocks) is worth
less than a dense passage. Pure; a mutable object per decode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

CAPACITY: Final = 40
"""Strata held before neighbours are joined: a long track ends with 20 to 40 windows."""
GRID_SAMPLES: Final = 16_384
"""Samples the grid search takes of each window, at the rate it searches at (44.1 or 48 kHz)."""
_GRID_RATE: Final = 44_100
_BURST_EVERY, _BURST = 512, 66
"""Level is taken of 66 of every 512 samples: an eighth of the work, still 32 looks per window."""
_LEVEL_FLOOR: Final = 0.05
"""16-bit steps; below this a window is digital silence."""

Samples = npt.NDArray[np.int16] | npt.NDArray[np.int32] | npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One window of the track."""

    start: int
    """Index of its first sample in the track."""
    samples: npt.NDArray[np.float32]
    """Shape (1 or 2, window), in 16-bit steps (full scale 32768); 24-bit input is exact."""
    level: float
    """Mean over bursts of the log of the mean absolute second difference; comparable within one track."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """What a chooser kept, in the order of the track."""

    rate: int
    channels: int
    """Of the track; a segment holds the first two at most."""
    frames: int
    """Samples per channel heard in all."""
    items: tuple[Segment, ...]


def window_samples(rate: int) -> int:
    """Window length at `rate` Hz: enough for GRID_SAMPLES at 44.1 kHz with 20 ms to spare for resampling, a multiple of 10 ms."""
    step = max(1, rate // 100)
    if rate == _GRID_RATE:
        return 38 * step
    # Native rates below 44.1 kHz are searched as they are, so a window never holds less than GRID_SAMPLES.
    need = max(GRID_SAMPLES, GRID_SAMPLES * rate / _GRID_RATE) + 2 * step
    return -int(-need // step) * step


class SegmentChooser:
    """Feed it every decoded block in order, then ask for `segments()`. Raises ValueError for a rate or channel count below 1."""

    def __init__(self, rate: int, channels: int) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a track has a rate and at least one channel")
        self._rate = rate
        self._channels = channels
        self._window = window_samples(rate)
        self._kept: list[Segment | None] = []
        self._per_stratum = 1
        self._windows = 0
        self._frames = 0
        self._rest: npt.NDArray[np.generic] | None = None
        self._filled = 0

    def feed(self, block: Samples) -> None:
        """Hear the next block: shape (n, channels) or (n,); int16, int32 (16-bit sound in the upper half) or float (full scale 1). Any n."""
        frames = block if block.ndim == 2 else block[:, None]
        self._frames += len(frames)
        frames = frames[:, :2]
        at = 0
        if self._filled:
            assert self._rest is not None
            take = min(self._window - self._filled, len(frames))
            self._rest[self._filled : self._filled + take] = frames[:take]
            self._filled += take
            at = take
            if self._filled == self._window:
                self._consider(self._rest)
                self._filled = 0
        while len(frames) - at >= self._window:
            self._consider(frames[at : at + self._window])
            at += self._window
        left = len(frames) - at
        if left:
            if self._rest is None or self._rest.dtype != frames.dtype or self._rest.shape[1] != frames.shape[1]:
                self._rest = np.empty((self._window, frames.shape[1]), dtype=frames.dtype)
            self._rest[:left] = frames[at:]
            self._filled = left

    def segments(self) -> Segments:
        """What was kept so far. Digital silence is left out; a track shorter than one window has none."""
        kept = tuple(segment for segment in self._kept if segment is not None)
        return Segments(rate=self._rate, channels=self._channels, frames=self._frames, items=kept)

    def _consider(self, window: npt.NDArray[np.generic]) -> None:
        index = self._windows
        self._windows += 1
        stratum = index // self._per_stratum
        if stratum == len(self._kept):
            if stratum == CAPACITY:
                self._join()
                stratum = index // self._per_stratum
            self._kept.append(None)
        scale = _scale(window.dtype)
        level = _level(window, scale)
        held = self._kept[stratum]
        if level <= float(np.log(_LEVEL_FLOOR)) + 1e-6 or (held is not None and held.level >= level):
            return
        samples = np.array(window.T, dtype=np.float32, order="C")  # always a copy: the block is the decoder's
        samples *= scale
        self._kept[stratum] = Segment(start=index * self._window, samples=samples, level=level)

    def _join(self) -> None:
        pairs = zip(self._kept[::2], self._kept[1::2], strict=True)
        self._kept = [_better(left, right) for left, right in pairs]
        self._per_stratum *= 2


def _better(left: Segment | None, right: Segment | None) -> Segment | None:
    if left is None or right is None:
        return left or right
    return left if left.level >= right.level else right


def _scale(dtype: np.dtype[np.generic]) -> np.float32:
    """Factor from a sample of this type to 16-bit steps."""
    if dtype.kind == "f":
        return np.float32(32_768)
    return np.float32(1) if dtype.itemsize == 2 else np.float32(1 / 65_536)


def _level(window: npt.NDArray[np.generic], scale: np.float32) -> float:
    whole = len(window) // _BURST_EVERY * _BURST_EVERY
    bursts = window[:whole].reshape(-1, _BURST_EVERY, window.shape[1])[:, :_BURST].astype(np.float32)
    bend = bursts[:, 2:] - bursts[:, 1:-1]
    bend -= bursts[:, 1:-1] - bursts[:, :-2]
    np.abs(bend, out=bend)
    level = bend.mean(axis=(1, 2)) * scale
    return float(np.log(np.maximum(level, _LEVEL_FLOOR)).mean())
