"""Sample peak and true peak (ITU-R BS.1770-4 annex 2): the sound between its samples, by a polyphase interpolator.

Interpolating everything would cost more than all the rest. A stretch of 64 outputs can only hold the maximum if a bound on it exceeds what was
found already; two bounds are used, both proven for any input:
 1. |y| ≤ ‖h‖₁ · max|x|;
 2. |y| ≤ (1 + 2|a|) · max|x| + ‖g‖₁ · max|x''|, where h = linear interpolation + a · (first difference) + g * (second difference).
Stretches are taken from the highest bound down, so the maximum is found early and most of the rest is dismissed. The result is the maximum over
all outputs, exactly.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.loudness import Planar

TAPS: Final = 24
"""Per phase. Annex 2's example has 12; twice as many read a tone near a quarter of the rate and above more exactly (Kaiser, beta 7)."""
_STRETCH: Final = 64
_FIRST_BATCH, _BATCH = 16, 512
_KAISER_BETA: Final = 7.0


@dataclass(frozen=True, slots=True)
class Peaks:
    """As factors of full scale; 0.0 = digital silence."""

    sample: float
    true: float
    """Never below `sample`."""


class PeakMeter:
    """Feed it every block in order. `full_scale`: the sample value that is 0 dBFS."""

    def __init__(self, rate: int, channels: int, *, full_scale: float = 1.0) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a sound has a rate and at least one channel")
        self._full_scale = full_scale
        self._bank = _bank(factor_of(rate))
        self._tail = np.zeros((channels, TAPS - 1), dtype=np.float32)
        self.sample = 0.0
        """Highest magnitude so far, in the samples' own unit."""
        self._true = 0.0

    def feed(self, block: Planar, magnitude: Planar | None = None) -> None:
        """Hear the next block, shape (channels, n); `magnitude`: its absolute values, if the caller has them."""
        if not block.shape[1]:
            return
        if magnitude is None:
            magnitude = np.abs(block)
        highest = float(magnitude.max())
        self.sample = max(self.sample, highest)
        bank = self._bank
        if bank is not None:
            reach = max(highest, float(np.abs(self._tail).max())) * bank.gain
            if reach > max(self._true, self.sample):
                self._interpolate(bank, block)
        self._tail = np.concatenate([self._tail, block[:, -(TAPS - 1) :]], axis=1)[:, -(TAPS - 1) :]

    def result(self) -> Peaks:
        """Peaks of all that was fed. Feeding must not go on after it."""
        if self._bank is not None and self._tail.any():
            self._interpolate(self._bank, np.zeros((len(self._tail), TAPS - 1), dtype=np.float32))
        return Peaks(sample=self.sample / self._full_scale, true=max(self.sample, self._true) / self._full_scale)

    def _interpolate(self, bank: _Bank, block: Planar) -> None:
        floor = max(self._true, self.sample)
        windows, bounds = _windows(np.concatenate([self._tail, block], axis=1))
        bounds *= bank.gain
        picked = np.flatnonzero(bounds > floor)
        rows = windows[picked]
        bend = np.diff(rows, n=2, axis=1)
        second = bank.near * (bounds[picked] / bank.gain) + bank.bend * np.maximum(bend.max(axis=1), -bend.min(axis=1))
        bound = np.minimum(bounds[picked], second)
        order = np.argsort(-bound)
        order = order[: np.searchsorted(-bound[order], -floor)]
        at, batch = 0, _FIRST_BATCH
        while at < len(order) and bound[order[at]] > floor:
            outputs = rows[order[at : at + batch]] @ bank.toeplitz
            floor = max(floor, float(outputs.max()), -float(outputs.min()))
            at += batch
            batch = _BATCH
        self._true = max(self._true, floor)


def factor_of(rate: int) -> int:
    """Oversampling: to at least 192 kHz, as annex 2 asks for (4 × at 48 kHz)."""
    return 4 if rate < 96_000 else 2 if rate < 192_000 else 1


def _windows(sound: Planar) -> tuple[Planar, npt.NDArray[np.float32]]:
    """(rows of _STRETCH + TAPS - 1 samples, one per stretch of every channel; the highest magnitude in each)."""
    channels, length = sound.shape
    stretches = -(-(length - TAPS + 1) // _STRETCH)
    padded = stretches * _STRETCH + TAPS - 1
    if padded > length:
        sound = np.concatenate([sound, np.zeros((channels, padded - length), dtype=np.float32)], axis=1)
    rows = np.lib.stride_tricks.sliding_window_view(sound, _STRETCH + TAPS - 1, axis=1)[:, ::_STRETCH]
    starts = np.arange(0, padded, _STRETCH)
    highest = np.maximum.reduceat(np.abs(sound), starts, axis=1)
    highest = np.maximum(highest[:, :stretches], highest[:, 1 : stretches + 1])
    return rows.reshape(channels * stretches, -1), highest.reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class _Bank:
    """The interpolator's phases between samples, and the constants of the bounds."""

    toeplitz: Planar
    """(_STRETCH + TAPS - 1, _STRETCH × phases)."""
    gain: float
    """Largest ‖h‖₁."""
    near: float
    """1 + 2|a|."""
    bend: float
    """Largest ‖g‖₁."""


@functools.lru_cache(maxsize=4)
def _bank(factor: int) -> _Bank | None:
    if factor == 1:
        return None
    phases = interpolator(factor)
    toeplitz = np.zeros((_STRETCH + TAPS - 1, _STRETCH, len(phases)), dtype=np.float32)
    for out in range(_STRETCH):
        toeplitz[out : out + TAPS, out] = phases.T
    near, bend = 0.0, 0.0
    for number, phase in enumerate(phases, start=1):
        share = number / factor
        rest = phase.copy()
        rest[TAPS // 2 - 1] -= 1 - share
        rest[TAPS // 2] -= share
        # Summed by parts twice: rest = slope · (first difference at the end) + kernel * (second difference), as sum(rest) is 0.
        kernel = np.cumsum(np.cumsum(rest))
        near = max(near, 1 + 2 * abs(float(kernel[-2])))
        bend = max(bend, float(np.abs(kernel[:-2]).sum()))
    return _Bank(
        toeplitz=toeplitz.reshape(_STRETCH + TAPS - 1, -1),
        gain=float(np.abs(phases).sum(axis=1).max()) * (1 + 1e-5),
        near=near * (1 + 1e-5),
        bend=bend * (1 + 1e-5),
    )


def interpolator(factor: int) -> npt.NDArray[np.float64]:
    """(factor - 1, TAPS): impulse responses for the points 1/factor … behind the middle tap; each sums to 1."""
    taps = np.arange(TAPS) - (TAPS // 2 - 1)
    rows = []
    for number in range(1, factor):
        distance = taps - number / factor
        window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1 - (distance / (TAPS / 2)) ** 2))) / np.i0(_KAISER_BETA)
        row = np.sinc(distance) * window
        rows.append(row / row.sum())
    return np.array(rows)
