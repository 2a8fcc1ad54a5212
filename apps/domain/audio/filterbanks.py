"""Analysis filters of the lossy codecs: one coefficient of a codec's transform as one FIR filter.

A codec's encoder turns a frame into coefficients and rounds them. Correlating a signal with a coefficient's filter at the right sample gives that
coefficient back. Rows are unit-norm filters in correlation form, c[t] = sum_i x[t + i] f[i]: white noise of variance v gives coefficients of
variance v, whatever the bank.

Sources: MP3: ISO/IEC 11172-3 §2.4.3.4 and Annex C (polyphase window Table C.1, 36-point MDCT, alias reduction Table B.9). AAC: ISO/IEC 13818-7 §11
(MDCT of 2048, sine or Kaiser-Bessel-derived window, alpha 4). Vorbis: Vorbis I specification §4.3.1 and §1.3.2 (power-sine window). Opus: RFC 6716 §4.3.7
(CELT's MDCT of 1920 with an overlap of 120 samples) and §4.3.7.2 (de-emphasis).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.data.iso11172 import WINDOW_HALF, WINDOW_UNIT

Floats = npt.NDArray[np.float64]

CELT_EMPHASIS: Final = 0.8500061035
"""RFC 6716 §4.3.7.2: the decoder's output is y[n] = x[n] + 0.85 y[n - 1]; x is what CELT's MDCT saw."""
_ALIAS: Final = np.array([-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037])
"""ISO 11172-3 Table B.9: c_i of the eight butterflies."""
_SLOT: Final = 32
_LINES: Final = 18


class Family(StrEnum):
    """A transform that leaves its grid in decoded sound."""

    MP3 = "mp3"
    AAC = "aac"
    """KBD window (alpha 4)."""
    AAC_SINE = "aac_sine"
    VORBIS = "vorbis"
    """Long blocks of 2048: every encoder's choice from 32 kHz on."""
    OPUS = "opus"
    """CELT frames of 20 ms; the signal must be at 48 kHz with the de-emphasis undone."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Samples between two frames, and length of a filter."""

    hop: int
    length: int


SHAPES: Final = {
    Family.MP3: Shape(576, 512 + 35 * _SLOT),
    Family.AAC: Shape(1024, 2048),
    Family.AAC_SINE: Shape(1024, 2048),
    Family.VORBIS: Shape(1024, 2048),
    Family.OPUS: Shape(960, 1920),
}


def filters(family: Family, lines: npt.NDArray[np.intp]) -> Floats:
    """Filters of these coefficients (0 … hop - 1, from low to high): shape (len(lines), length)."""
    match family:
        case Family.MP3:
            rows = _hybrid(lines)
        case Family.OPUS:
            rows = _mdct(_celt_window(), lines)
        case Family.AAC:
            rows = _mdct(_kbd_window(2048, 4.0), lines)
        case Family.AAC_SINE:
            rows = _mdct(_sine_window(2048), lines)
        case Family.VORBIS:
            rows = _mdct(_power_sine_window(2048), lines)
    rows /= np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return rows


def _mdct(window: Floats, lines: npt.NDArray[np.intp]) -> Floats:
    hop = len(window) // 2
    place = np.arange(2 * hop) + 0.5 + hop / 2
    rows: Floats = window * np.cos(np.pi / hop * np.outer(lines + 0.5, place))
    return rows


def _sine_window(length: int) -> Floats:
    return np.sin(np.pi * (np.arange(length) + 0.5) / length)


@lru_cache(maxsize=2)
def _kbd_window(length: int, alpha: float) -> Floats:
    kaiser = np.cumsum(np.kaiser(length // 2 + 1, np.pi * alpha))
    half = np.sqrt(kaiser[:-1] / kaiser[-1])
    return np.concatenate([half, half[::-1]])


def _power_sine_window(length: int) -> Floats:
    return np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2)


def _celt_window(hop: int = 960, overlap: int = 120) -> Floats:
    rise = _power_sine_window(2 * overlap)[:overlap]
    flat, silent = np.ones(hop - overlap), np.zeros((hop - overlap) // 2)
    return np.concatenate([silent, rise, flat, rise[::-1], silent])


@lru_cache(maxsize=1)
def _prototype() -> Floats:
    half = np.array(WINDOW_HALF, dtype=np.float64) * WINDOW_UNIT
    return np.concatenate([half, half[-2:0:-1]])


def _hybrid(lines: npt.NDArray[np.intp]) -> Floats:
    """Polyphase subband, 36-point MDCT over its slots, and the alias butterfly with the neighbouring subband, as one filter."""
    band, line = np.divmod(lines, _LINES)
    rows = _subband_lines(band, line)
    scale = 1 / np.sqrt(1 + _ALIAS**2)
    # Lower edge: line m pairs with line 17 - m of the subband below; upper edge the other way round (§C.1.5.3.3.5).
    low = np.flatnonzero((line < 8) & (band > 0))
    high = np.flatnonzero((line >= _LINES - 8) & (band < 31))
    for at, step, sign, pair in ((low, -1, -1.0, line[low]), (high, 1, 1.0, _LINES - 1 - line[high])):
        if len(at):
            other = _subband_lines(band[at] + step, _LINES - 1 - line[at])
            rows[at] = rows[at] * scale[pair, None] + sign * (_ALIAS * scale)[pair, None] * other
    return rows[:, ::-1].copy()


def _subband_lines(band: npt.NDArray[np.intp], line: npt.NDArray[np.intp]) -> Floats:
    """Convolution form, without butterflies."""
    taps = np.arange(512)
    subband = _prototype() * np.cos(np.pi / 64 * np.outer(2 * band + 1, taps - 16))
    slots = np.arange(36)
    window = np.sin(np.pi / 36 * (slots + 0.5))
    weights = window * np.cos(np.pi / 72 * np.outer(2 * line + 1, 2 * slots + 1 + _LINES))
    # Odd slots of odd subbands are inverted (frequency inversion, §C.1.5.3.3.4).
    weights[np.ix_(np.flatnonzero(band & 1), np.flatnonzero(slots & 1))] *= -1
    rows = np.zeros((len(band), SHAPES[Family.MP3].length))
    for slot in range(36):
        lag = (35 - slot) * _SLOT  # an earlier slot lies further back
        rows[:, lag : lag + 512] += weights[:, slot, None] * subband
    return rows
