"""The search for a codec's frame grid in decoded sound.

Theory. An encoder rounds the coefficients of its own transform, taken on its own frame grid, and many become zero. Analysed with the same
transform at the same sample offset, the decoded sound has those zeros again (plus the rounding to 16 bits); one sample beside, they are smeared out.
So: run some coefficients' filters at EVERY sample offset (FFT convolution), average log(|c| + eps) over coefficients and windows, fold by the hop, and
look for a dip one sample wide. Sound that never went through this codec gives a smooth curve. No training, no cutoff frequency, and it works
whatever the bit rate as long as something was rounded to zero. (Herre & Schug, AES 109 (2000), "Analysis of decompressed audio - the inverse decoder";
Derrien, JAES 67 (2019).)

Stereo: left, right, mid and side are analysed together, because the encoder rounded either pair. Vorbis moves its grid by multiples of 128 samples
wherever short blocks come in, so its windows are also folded modulo 128, each with its own place.

Out of reach: sound whose speed was changed afterwards (the grid is stretched) and lossy sound rounded so finely that nothing became zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft  # type: ignore[import-untyped]

from apps.domain.audio.filterbanks import CELT_EMPHASIS, SHAPES, Family, filters
from apps.domain.audio.segments import GRID_SAMPLES, Segment

EPS: Final = 0.35
"""16-bit steps added to every coefficient: a rounded-to-zero one reads about 0.3 (plain rounding) to 0.6 (dithered), not 0."""
ACTIVE: Final = 2.2 * EPS
"""Geometric mean of |c| + EPS above which a coefficient carries sound in a window."""
_SOUND_STEPS: Final = 2.0
"""Level (16-bit steps) from which a coefficient is worth a filter."""
_LOWEST_HZ, _FIRST_HZ, _HIGHEST_HZ = 1500.0, 5000.0, 20_000.0
"""Filters are taken from the second to the third; down to the first if too few there carry sound. Measured: a line's dip deepens with frequency
(MP3 at 320 kbps: 0.02 at 1 kHz, 0.3 at 10, 0.5 to 1.4 at 18), because encoders round more coarsely where ears hear less."""
_MIN_ACTIVE: Final = 3
_AT_ONCE: Final = 12
_SAMPLED: Final = 37
"""Of so many offsets one is looked at to see whether a filter carries sound; prime, so that every part of a frame is."""
_LOG_ACTIVE: Final = float(np.log(ACTIVE))
_NEAR, _FAR = 5, 16
"""The dip's neighbourhood: 5 to 16 samples away on both sides."""
_MOVING_DIP, _MOST_DIP = 2.0, 12.0
_VORBIS_STEP: Final = 128
"""Vorbis I §4.3.1: with blocks of 256 and 2048 the grid moves by a quarter of their sum or a multiple of 128."""

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One window's spectrum at the rate the search runs at."""

    start: int
    """Place of its first sample on that rate's grid."""
    spectrum: npt.NDArray[np.complex64]
    """rfft of GRID_SAMPLES samples: shape (1 or 2, GRID_SAMPLES // 2 + 1)."""


@dataclass(frozen=True, slots=True, eq=False)
class GridTrace:
    """What the search of one family gave."""

    family: Family
    rate: int
    z: float
    """Depth of the deepest dip in robust standard deviations of the curve."""
    fixed_z: float
    """The same for a grid that stays where it is; equal to `z` but for Vorbis."""
    offset: int
    """Where the grid lies: samples from the track's first one, modulo the fold; -1: none."""
    fold: int
    windows: int
    """Windows that carried sound."""
    coefficients: int
    """Filters that carried sound, averaged over windows and channels."""
    curve: Curve
    """Dip depth at every offset, in the same deviations: shape (fold,)."""


def windows_of(segments: Sequence[Segment], *, rate: int, target: int) -> list[Window]:
    """Windows for a search at `target` Hz out of segments at `rate` Hz; empty if segments are too short or 10 ms are no whole samples.

    Resampling is exact for periodic sound: the spectrum is cut or padded. The 10 ms at both ends that the seam disturbs are tapered and left out.
    """
    if rate == target:
        return [
            Window(one.start, fft.rfft(one.samples[:, :GRID_SAMPLES], axis=1))
            for one in segments
            if one.samples.shape[1] >= GRID_SAMPLES
        ]
    if rate % 100 or target % 100:
        return []
    step_in, step_out = rate // 100, target // 100
    ramp = np.sin(np.pi / 2 * (np.arange(step_in, dtype=np.float32) + 0.5) / step_in) ** 2
    ready = []
    for one in segments:
        steps = one.samples.shape[1] // step_in
        if one.start % step_in or (steps - 2) * step_out < GRID_SAMPLES:
            continue
        sound = one.samples[:, : steps * step_in].copy()
        sound[:, :step_in] *= ramp
        sound[:, -step_in:] *= ramp[::-1]
        spectrum = fft.rfft(sound, axis=1)
        bins = steps * step_out // 2 + 1
        moved = np.zeros((len(sound), bins), dtype=np.complex64)
        shared = min(bins, spectrum.shape[1])
        moved[:, :shared] = spectrum[:, :shared]
        there = fft.irfft(moved, steps * step_out, axis=1)[:, step_out : step_out + GRID_SAMPLES]
        there *= np.float32(step_out / step_in)
        start = one.start // step_in * step_out + step_out
        ready.append(Window(start, fft.rfft(there, axis=1)))
    return ready


def without_emphasis(windows: Sequence[Window]) -> list[Window]:
    """The same windows before Opus' de-emphasis: x[n] = y[n] - 0.85 y[n - 1] (circular; one sample is wrong by it)."""
    turn = np.exp(-2j * np.pi * np.arange(GRID_SAMPLES // 2 + 1) / GRID_SAMPLES)
    response = (1 - CELT_EMPHASIS * turn).astype(np.complex64)
    return [Window(one.start, one.spectrum * response) for one in windows]


def search(family: Family, windows: Sequence[Window], *, rate: int, count: int) -> GridTrace:
    """Look for one family's grid with up to `count` of its filters, spread over the coefficients that carry sound."""
    shape = SHAPES[family]
    lines = _lines_with_sound(windows, hop=shape.hop, rate=rate, count=count)
    nothing = GridTrace(family, rate, 0.0, 0.0, -1, shape.hop, 0, 0, np.zeros(shape.hop))
    if len(lines) < _MIN_ACTIVE:
        return nothing
    bank = np.conj(fft.rfft(filters(family, lines).astype(np.float32), GRID_SAMPLES, axis=1))
    usable = (GRID_SAMPLES - shape.length) // shape.hop * shape.hop
    folds: list[Curve] = []
    active = 0
    looks = 0
    for window in windows:
        curve, carried, channels = _window_curve(window, bank, hop=shape.hop, usable=usable)
        if channels:
            folds.append(np.roll(curve, window.start % shape.hop))
            active += carried
            looks += channels
    if not folds:
        return nothing
    curve = standardised(depths(np.mean(folds, axis=0)))
    fold, fixed_z = shape.hop, float(curve.max())
    if family is Family.VORBIS:
        moving = _moving_grid(folds)
        if moving.max() > curve.max():
            curve, fold = moving, _VORBIS_STEP
    offset = int(curve.argmax())
    z, coefficients = float(curve[offset]), round(active / looks)
    return GridTrace(family, rate, z, fixed_z, offset, fold, len(folds), coefficients, curve)


def depths(curve: Curve) -> Curve:
    """How far each offset lies below the mean of its neighbourhood; circular."""
    kernel = np.zeros(2 * _FAR + 1)
    kernel[: _FAR - _NEAR + 1] = kernel[-(_FAR - _NEAR + 1) :] = 1 / (2 * (_FAR - _NEAR + 1))
    around = np.concatenate([curve[-_FAR:], curve, curve[:_FAR]])
    return np.convolve(around, kernel, "valid") - curve


def standardised(depth: Curve) -> Curve:
    """Depths in robust standard deviations (1.4826 × MAD; never below 1e-4)."""
    middle = float(np.median(depth))
    spread = 1.4826 * float(np.median(np.abs(depth - middle))) + 1e-4
    return (depth - middle) / spread


def _lines_with_sound(windows: Sequence[Window], *, hop: int, rate: int, count: int) -> npt.NDArray[np.intp]:
    """Up to `count` coefficients between the lowest and highest Hz that typically carry sound, evenly spread."""
    if not windows:
        return np.zeros(0, dtype=np.intp)
    edges = np.arange(hop + 1) * (GRID_SAMPLES // 2) // hop
    total = np.zeros(hop)
    for window in windows:
        power = (window.spectrum.real**2 + window.spectrum.imag**2).max(axis=0)
        total += np.log(np.add.reduceat(power, edges[:-1])[:hop] / np.diff(edges) + 1e-9)
    level = np.exp(total / len(windows) / 2) / np.sqrt(GRID_SAMPLES)
    centre = (np.arange(hop) + 0.5) / hop * rate / 2
    lines = np.flatnonzero((level > _SOUND_STEPS) & (centre > _LOWEST_HZ) & (centre < _HIGHEST_HZ))
    above = int(np.count_nonzero(centre[lines] > _FIRST_HZ))
    lines = lines[-max(above, count) :]
    if len(lines) <= count:
        return lines
    return lines[np.linspace(0, len(lines) - 1, count).astype(np.intp)]


def _window_curve(window: Window, bank: npt.NDArray[np.complex64], *, hop: int, usable: int) -> tuple[Curve, int, int]:
    """Sum of log(|c| + EPS) over frames and filters at each offset, per filter and frame, over left, right, mid and side; filters that carried
    sound, and channels that had any."""
    total = np.zeros(hop)
    carried = channels = 0
    sums: dict[int, npt.NDArray[np.float32]] = {}
    found: dict[int, int] = {}
    # A few filters at a time: the arrays stay in the cache and are not given back to the system after each use.
    for at in range(0, len(bank), _AT_ONCE):
        for channel, coefficients in enumerate(_channels(window, bank[at : at + _AT_ONCE], usable)):
            heights = np.abs(coefficients, out=coefficients)
            heights += np.float32(EPS)
            heard = np.log(heights[:, ::_SAMPLED]).mean(axis=1) > _LOG_ACTIVE
            sums[channel] = sums.get(channel, np.float32(0)) + _log_sum(heights[heard] if not heard.all() else heights)
            found[channel] = found.get(channel, 0) + int(np.count_nonzero(heard))
    for channel, values in sums.items():
        if found[channel] < _MIN_ACTIVE:
            continue
        curve = _folded(values, hop)
        total += curve - np.median(curve)
        carried += found[channel]
        channels += 1
    return total / max(carried, 1), carried, channels


def _log_sum(heights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sum of the rows' logarithms; destroys them. Four rows are multiplied before each logarithm: (10^6)^4 still fits a float32."""
    for _ in range(2):
        half = len(heights) // 2
        if half:
            heights[:half] *= heights[-half:]
            heights = heights[: len(heights) - half]
    logs: npt.NDArray[np.float32] = np.log(heights, out=heights).sum(axis=0)
    return logs


def _folded(values: npt.NDArray[np.float32], hop: int) -> Curve:
    """Mean over frames. The first and last frame are faded, so that the curve has no seam between its last and first offset."""
    frames = values.reshape(-1, hop).astype(np.float64)
    rise = (np.arange(hop) + 0.5) / hop
    frames[0] *= rise
    frames[-1] *= 1 - rise
    folded: Curve = frames.sum(axis=0) / (len(frames) - 1)
    return folded


def _channels(window: Window, bank: npt.NDArray[np.complex64], usable: int) -> list[npt.NDArray[np.float32]]:
    sides = [fft.irfft(bank * one, GRID_SAMPLES, axis=1)[:, :usable] for one in window.spectrum]
    if len(sides) == 1:
        return sides
    left, right = sides
    mid, side = left + right, left - right
    half = np.float32(np.sqrt(0.5))
    mid *= half
    side *= half
    return [left, right, mid, side]


def _moving_grid(folds: Sequence[Curve]) -> Curve:
    """For a grid that moves by multiples of 128 between windows: the logarithm of the mean likelihood ratio of a dip of _MOVING_DIP deviations at one
    unknown place of each residue, averaged over windows."""
    ratios = []
    for fold in folds:
        z = np.minimum(standardised(depths(fold)), _MOST_DIP).reshape(-1, _VORBIS_STEP)
        ratios.append(np.log(np.exp(_MOVING_DIP * z).mean(axis=0)))
    return standardised(np.mean(ratios, axis=0))
