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
        self._carry = np.zeros((channels, TAPS - 1), dtype=np.float32)
        """What was heard and not interpolated yet; begins with the TAPS - 1 samples before the next stretch's first output."""
        self.sample = 0.0
        """Highest magnitude so far, in the samples' own unit."""
        self._true = 0.0

    def feed(self, block: Planar, magnitude: Planar | None = None) -> None:
        """Hear the next block, shape (channels, n); `magnitude`: its absolute values, if the caller has them."""
        if not block.shape[1]:
            return
        if magnitude is None:
            magnitude = np.abs(block)
        self.sample = max(self.sample, float(magnitude.max()))
        if self._bank is None:
            return
        carried = self._carry.shape[1]
        begin = -(-carried // _STRETCH) * _STRETCH - carried
        # From here on the block's outputs need nothing of the carry.
        if block.shape[1] < begin + TAPS - 1:
            self._carry = np.concatenate([self._carry, block], axis=1)
            if self._carry.shape[1] >= _STRETCH + TAPS - 1:
                self._carry = self._whole_stretches(self._bank, self._carry)
            return
        self._whole_stretches(self._bank, np.concatenate([self._carry, block[:, : begin + TAPS - 1]], axis=1))
        self._carry = self._whole_stretches(self._bank, block[:, begin:], magnitude[:, begin:]).copy()

    def result(self) -> Peaks:
        """Peaks of all that was fed. Feeding must not go on after it."""
        if self._bank is not None and self._carry.any():
            silence = np.zeros((len(self._carry), _STRETCH + TAPS - 1), dtype=np.float32)
            self._whole_stretches(self._bank, np.concatenate([self._carry, silence], axis=1))
        return Peaks(sample=self.sample / self._full_scale, true=max(self.sample, self._true) / self._full_scale)

    def _whole_stretches(self, bank: _Bank, sound: Planar, magnitude: Planar | None = None) -> Planar:
        """Interpolate what may hold the maximum; returns what is left for later (a view)."""
        length = sound.shape[1]
        stretches = (length - TAPS + 1) // _STRETCH
        if stretches < 1:
            return sound
        if magnitude is None:
            magnitude = np.abs(sound)
        floor = max(self._true, self.sample)
        highest = np.maximum.reduceat(magnitude, np.arange(0, length, _STRETCH), axis=1)
        following = np.minimum(
            np.arange(1, stretches + 1), highest.shape[1] - 1
        )  # the last may end with its own stretch
        highest = np.maximum(highest[:, :stretches], highest[:, following])
        channel, stretch = np.nonzero(highest * bank.gain > floor)
        if len(channel):
            windows = np.lib.stride_tricks.sliding_window_view(sound, _STRETCH + TAPS - 1, axis=1)[:, ::_STRETCH]
            self._true = max(self._true, _loudest(bank, windows[channel, stretch], highest[channel, stretch], floor))
        return sound[:, stretches * _STRETCH :]


def _loudest(bank: _Bank, rows: npt.NDArray[np.float32], highest: npt.NDArray[np.float32], floor: float) -> float:
    """The greatest output of these stretches, or `floor` if none is greater. `highest`: magnitude in each row."""
    bend = np.diff(rows, n=2, axis=1)
    steep = np.maximum(bend.max(axis=1), -bend.min(axis=1))
    bound = np.minimum(bank.gain * highest, bank.near * highest + bank.bend * steep)
    order = np.argsort(-bound)
    at, batch = 0, _FIRST_BATCH
    while at < len(order) and bound[order[at]] > floor:
        outputs = rows[order[at : at + batch]] @ bank.toeplitz
        floor = max(floor, float(outputs.max()), -float(outputs.min()))
        at += batch
        batch = _BATCH
    return floor


def factor_of(rate: int) -> int:
    """Oversampling: to at least 192 kHz, as annex 2 asks for (4 × at 48 kHz)."""
    return 4 if rate < 96_000 else 2 if rate < 192_000 else 1


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
