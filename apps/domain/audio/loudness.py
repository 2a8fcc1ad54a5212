"""Loudness as ITU-R BS.1770-4 and EBU R 128 define it, measured while the sound streams by.

K-weighting is two second-order sections. They run in blocks of `L` samples as matrix products (the state space of the filter, lifted to blocks:
y = xT + sO, s' = sA + xC), which gives the recursion's own result at the speed of a matrix product. Sums are kept per 100 ms; the gates work on
windows of 400 ms every 100 ms (BS.1770-4, overlap 75 %), loudness range on windows of 3 s every 100 ms (EBU Tech 3342).

Coefficients for any rate: the analogue prototype that yields the standard's 48 kHz table (De Man, "Evaluation of Implementations of the EBU R128
Loudness Measurement", AES 2018; the same figures as libebur128 and ffmpeg).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.album_gain import LevelHistogram, histogram_of

Planar = npt.NDArray[np.float32]
"""Shape (channels, n): one row per channel."""
Matrix = npt.NDArray[np.float32] | npt.NDArray[np.float64]

ABSOLUTE_GATE_LUFS: Final = -70.0
"""BS.1770-4 §2.7: quieter windows are no programme."""
_RELATIVE_GATE_LU: Final = -10.0
_RANGE_GATE_LU: Final = -20.0
"""EBU Tech 3342 §3.1."""
_RANGE_LOW, _RANGE_HIGH = 0.10, 0.95
_OFFSET: Final = -0.691
"""BS.1770-4 eq. 2: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS."""
_SURROUND: Final = 1.41
"""BS.1770-4 table 3: +1.5 dB for channels between 60° and 120° to the side."""
_SLOW_RATE: Final = 100_000
"""Above this rate the high-pass's poles are so near 1 that the recursion needs double precision; the products with samples do not."""
_LOWEST_SHELF_RATE: Final = 4_000
"""Below this rate the shelf (1682 Hz) has no room."""
_SPAN_TARGET: Final = 64
"""Samples of a block of the lifted filter: shorter ones have more steps, longer ones more products (measured: 40 to 70 are equal)."""

_OUTER_TARGET: Final = 24
"""Steps lifted at once in the two outer recursions."""

_NATIVE_WEIGHTS: dict[int, tuple[float, ...]] = {
    1: (1.0,),
    2: (1.0, 1.0),
    3: (1.0, 1.0, 1.0),
    4: (1.0, 1.0, _SURROUND, _SURROUND),
    5: (1.0, 1.0, 1.0, _SURROUND, _SURROUND),
    6: (1.0, 1.0, 1.0, 0.0, _SURROUND, _SURROUND),
    7: (1.0, 1.0, 1.0, 0.0, 1.0, _SURROUND, _SURROUND),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, _SURROUND, _SURROUND),
}
"""FLAC, WAV, and what ffmpeg gives: L R C LFE, surrounds (RFC 9639 §9.1.3). In 7 and 8 channels those behind (beyond 120°) count once."""
_VORBIS_WEIGHTS: dict[int, tuple[float, ...]] = {
    3: (1.0, 1.0, 1.0),
    5: (1.0, 1.0, 1.0, _SURROUND, _SURROUND),
    6: (1.0, 1.0, 1.0, _SURROUND, _SURROUND, 0.0),
    7: (1.0, 1.0, 1.0, _SURROUND, _SURROUND, 1.0, 0.0),
    8: (1.0, 1.0, 1.0, _SURROUND, _SURROUND, 1.0, 1.0, 0.0),
}
"""Vorbis I §4.3.9 and Opus mapping family 1: L C R, surrounds, LFE last."""


def channel_weights(channels: int, *, vorbis_order: bool = False) -> tuple[float, ...]:
    """BS.1770-4's weight of each channel in the order of the decoded samples; layouts nobody named count every channel once."""
    table = {**_NATIVE_WEIGHTS, **_VORBIS_WEIGHTS} if vorbis_order else _NATIVE_WEIGHTS
    return table.get(channels, (1.0,) * channels)


@dataclass(frozen=True, slots=True)
class Loudness:
    """None: silence, or too short to tell (less than 400 ms; less than 3 s for the range and the short term)."""

    integrated_lufs: float | None
    range_lu: float | None
    momentary_max_lufs: float | None
    short_term_max_lufs: float | None
    levels: LevelHistogram = field(default_factory=LevelHistogram)
    """Of the blocks that the gates look at, so that several sounds can be gated as one."""


class LoudnessMeter:
    """Feed it every block in order. `full_scale`: the sample value that is 0 dBFS."""

    def __init__(self, rate: int, channels: int, *, full_scale: float = 1.0) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a sound has a rate and at least one channel")
        self.step = step_samples(rate)
        self._channels = channels
        self._scale = 1 / (full_scale * full_scale * self.step)
        self._lifted = _lifted(rate)
        self.unit = self.step * _steps_per_unit(rate)
        """Blocks of a multiple of this many samples are taken without a copy."""
        self._state: Matrix = np.zeros((channels, 4), dtype=self._lifted.inner.dtype)
        self._rest = np.empty((channels, 0), dtype=np.float32)
        self._steps: list[npt.NDArray[np.float64]] = []

    def feed(self, block: Planar) -> None:
        """Hear the next block, shape (channels, n)."""
        if self._rest.shape[1]:
            block = np.concatenate([self._rest, block], axis=1)
        whole = block.shape[1] // self.unit * self.unit
        self._rest = block[:, whole:].copy()
        if whole:
            self._take(block[:, :whole])

    def result(self, weights: tuple[float, ...] | None = None) -> Loudness:
        """Loudness of all that was fed; `weights` one per channel (None: `channel_weights`). Feeding must not go on after it."""
        if self._rest.shape[1]:
            whole = self._rest.shape[1] // self.step
            padded = np.zeros((self._channels, self.unit), dtype=np.float32)
            padded[:, : self._rest.shape[1]] = self._rest
            self._rest = self._rest[:, :0]
            self._take(padded)
            self._steps[-1] = self._steps[-1][:, :whole]
        if not self._steps:
            return _gated(np.zeros(0))
        return _gated(np.array(weights or channel_weights(self._channels)) @ np.concatenate(self._steps, axis=1))

    def _take(self, block: Planar) -> None:
        weighted, self._state = self._lifted.run(np.ascontiguousarray(block), self._state)
        energies = np.vecdot(weighted.reshape(len(block), -1, self.step), weighted.reshape(len(block), -1, self.step))
        self._steps.append(energies.astype(np.float64) * self._scale)


def step_samples(rate: int) -> int:
    """Samples of the 100 ms that windows move by."""
    return max(1, (rate + 5) // 10)


def _steps_per_unit(rate: int) -> int:
    """So many 100 ms that a unit is 30,000 to 60,000 samples, whose product with any step has a divisor near _SPAN_TARGET."""
    return 8 if rate >= 32_000 else 16 if rate >= 16_000 else 32


def _gated(steps: npt.NDArray[np.float64]) -> Loudness:
    momentary = _windows(steps, 4)
    short_term = _windows(steps, 30)
    return Loudness(
        integrated_lufs=_integrated(momentary),
        range_lu=_range(short_term),
        momentary_max_lufs=_lufs(float(momentary.max())) if len(momentary) else None,
        short_term_max_lufs=_lufs(float(short_term.max())) if len(short_term) else None,
        levels=histogram_of(momentary),
    )


def _windows(steps: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """Mean square of every window of `length` steps."""
    if len(steps) < length:
        return np.zeros(0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(steps, length).mean(axis=1))


def _integrated(windows: npt.NDArray[np.float64]) -> float | None:
    loud = windows[windows > _power(ABSOLUTE_GATE_LUFS)]
    if not len(loud):
        return None
    gate = float(loud.mean()) * 10 ** (_RELATIVE_GATE_LU / 10)
    return _lufs(float(loud[loud > gate].mean()))


def _range(windows: npt.NDArray[np.float64]) -> float | None:
    """EBU Tech 3342: between the 10th and the 95th percentile of what passes the gates, nearest rank as its reference code takes it."""
    loud = windows[windows >= _power(ABSOLUTE_GATE_LUFS)]
    if not len(loud):
        return None
    kept = np.sort(loud[loud >= float(loud.mean()) * 10 ** (_RANGE_GATE_LU / 10)])
    low, high = (kept[math.floor((len(kept) - 1) * share + 0.5)] for share in (_RANGE_LOW, _RANGE_HIGH))
    return 10 * math.log10(float(high) / float(low))


def _lufs(power: float) -> float | None:
    return _OFFSET + 10 * math.log10(power) if power > 0 else None


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


# --- K-weighting ---------------------------------------------------------------------------------------------------------------------


def k_weighting(rate: int) -> npt.NDArray[np.float64]:
    """Second-order sections (scipy's order) of the K-weighting at `rate` Hz: head shelf, then RLB high-pass."""
    sections = []
    if rate >= _LOWEST_SHELF_RATE:
        gain, quality = 3.999843853973347, 0.7071752369554196
        warped = math.tan(math.pi * 1681.974450955533 / rate)
        high = 10 ** (gain / 20)
        band = high**0.4996667741545416
        norm = 1 + warped / quality + warped * warped
        sections.append(
            [
                (high + band * warped / quality + warped * warped) / norm,
                2 * (warped * warped - high) / norm,
                (high - band * warped / quality + warped * warped) / norm,
                1.0,
                2 * (warped * warped - 1) / norm,
                (1 - warped / quality + warped * warped) / norm,
            ]
        )
    quality = 0.5003270373238773
    warped = math.tan(math.pi * 38.13547087602444 / rate)
    norm = 1 + warped / quality + warped * warped
    sections.append(
        [1.0, -2.0, 1.0, 1.0, 2 * (warped * warped - 1) / norm, (1 - warped / quality + warped * warped) / norm]
    )
    if len(sections) == 1:
        sections.insert(0, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    return np.array(sections)


@dataclass(frozen=True, slots=True, eq=False)
class _Lifted:
    """The filter over blocks of `span` samples. Its recursion from block to block is lifted twice more: `group` blocks are one step, and all groups
    of a unit another."""

    span: int
    group: int
    through: Planar
    """(span, span): output by input of the same block."""
    free: Planar
    """(4, span): output by the state before it."""
    drive: Planar
    """(span, 4): what a block adds to the state behind it."""
    inner: Matrix
    """(4 + 4 group, 4 group + 4): from (state, drives of a group) to the states before each of its blocks, and the one behind them."""
    outer: Matrix
    """The same over the groups of a unit."""

    def run(self, block: Planar, state: Matrix) -> tuple[Planar, Matrix]:
        """Filter (channels, n), n a multiple of the unit; (filtered, state behind it)."""
        channels, length = block.shape
        spans = length // self.span
        split = block.reshape(channels * spans, self.span)
        drives: Matrix = split @ self.drive
        if self.inner.dtype == np.float64:
            drives = drives.astype(np.float64)
        states, state = self._states(drives.reshape(channels, spans, 4), state)
        filtered = split @ self.through
        filtered += states.reshape(channels * spans, 4).astype(np.float32, copy=False) @ self.free
        return filtered.reshape(channels, length), state

    def _states(self, drives: Matrix, state: Matrix) -> tuple[Matrix, Matrix]:
        """(states before every block, state behind them all)."""
        channels = len(drives)
        groups = (len(self.outer) - 4) // 4
        at_rest = drives.reshape(-1, 4 * self.group) @ self.inner[4:]
        ends = at_rest[:, -4:].reshape(channels, -1, 4 * groups)
        begins = np.empty_like(ends)
        for unit in range(ends.shape[1]):
            found = np.concatenate([state, ends[:, unit]], axis=1) @ self.outer
            begins[:, unit] = found[:, :-4]
            state = found[:, -4:]
        at_rest[:, :-4] += begins.reshape(-1, 4) @ self.inner[:4, :-4]
        return np.ascontiguousarray(at_rest[:, :-4]), state


@functools.lru_cache(maxsize=16)
def _lifted(rate: int) -> _Lifted:
    unit = step_samples(rate) * _steps_per_unit(rate)
    span = _divisor_near(unit, _SPAN_TARGET)
    group = _divisor_near(unit // span, _OUTER_TARGET)
    sos = k_weighting(rate)
    through, final = _recursion(sos, np.eye(span), np.zeros((2, span, 2)))
    drive = final.transpose(1, 0, 2).reshape(span, 4)
    unit_states = np.eye(4).reshape(4, 2, 2).transpose(1, 0, 2)
    free, final = _recursion(sos, np.zeros((4, span)), unit_states)
    carry = final.transpose(1, 0, 2).reshape(4, 4)
    inner = _spread(carry, group)
    outer = _spread(np.linalg.matrix_power(carry, group), _divisor_near(unit // span // group, _OUTER_TARGET))
    if rate <= _SLOW_RATE:
        inner, outer = inner.astype(np.float32), outer.astype(np.float32)
    single = np.float32
    return _Lifted(span, group, through.astype(single), free.astype(single), drive.astype(single), inner, outer)


def _recursion(
    sos: npt.NDArray[np.float64], sound: npt.NDArray[np.float64], before: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Every row of `sound` (rows, n) through the sections, sample by sample, from the states (sections, rows, 2): (filtered, states behind it).

    Transposed direct form II, as scipy's `sosfilt`; loading `scipy.signal` for these few samples takes every worker half a second.
    """
    filtered, behind = sound.copy(), before.copy()
    for (b0, b1, b2, _, a1, a2), state in zip(sos, behind, strict=True):
        for column in filtered.T:
            fed = column.copy()
            column[:] = b0 * fed + state[:, 0]
            state[:, 0] = b1 * fed - a1 * column + state[:, 1]
            state[:, 1] = b2 * fed - a2 * column
    return filtered, behind


def _divisor_near(number: int, target: int) -> int:
    """The divisor of `number` nearest to `target` by ratio."""
    divisors = (one for one in range(1, min(number, 3 * target) + 1) if number % one == 0)
    return min(divisors, key=lambda one: abs(math.log(one / target)))


def _spread(carry: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """(4 + 4 count, 4 count + 4): from (state, `count` drives) to the states before each step, and the one behind them."""
    powers = [np.eye(4)]
    for _ in range(count):
        powers.append(powers[-1] @ carry)
    spread = np.zeros((4 + 4 * count, 4 * count + 4))
    for later in range(count + 1):
        spread[:4, 4 * later : 4 * later + 4] = powers[later]
        for earlier in range(later):
            spread[4 + 4 * earlier : 8 + 4 * earlier, 4 * later : 4 * later + 4] = powers[later - earlier - 1]
    return spread
