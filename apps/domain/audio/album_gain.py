"""Loudness of an album from what was measured of its tracks (ReplayGain 2: one gain for all, from the album as one programme). Pure.

BS.1770-4's gates work on 400 ms blocks. A track keeps how many of its blocks had which level, in bins of 0.1 LU, as EBU R 128 meters do (libebur128's
histogram mode); the album is gated over the union of all tracks' blocks. Averaging the tracks' figures would be another number: a quiet track's blocks may
fall below the album's gate. No block reaches over two tracks: players may play them in any order.

A bin counts as its middle. That is within 0.05 LU for any one block, and was 0.01 LU at most for whole sounds (tests).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BINS_PER_LU: Final = 10
LOWEST_LUFS: Final = -70.0
"""BS.1770-4's absolute gate: quieter blocks never count."""
BINS: Final = 1000
"""Up to +30 LUFS; float sound that is louder counts as that."""
_OFFSET: Final = -0.691
"""BS.1770-4 eq. 2."""
_RELATIVE_GATE: Final = 10**-1.0
"""-10 LU."""


@dataclass(frozen=True, slots=True)
class LevelHistogram:
    """How many 400 ms blocks have which level. `counts[i]`: from LOWEST_LUFS + (first + i) / BINS_PER_LU on. Raises ValueError for what is none."""

    first: int = 0
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.first < 0 or self.first + len(self.counts) > BINS or any(count < 0 for count in self.counts):
            raise ValueError("a histogram counts blocks in 1000 bins")

    def json(self) -> dict[str, object]:
        """As evidence keeps it."""
        return {"first": self.first, "counts": list(self.counts)}


def histogram_of(powers: npt.NDArray[np.float64]) -> LevelHistogram:
    """Of blocks' mean squares (K-weighted, summed over channels as BS.1770-4 says)."""
    loud = powers[powers > 10 ** ((LOWEST_LUFS - _OFFSET) / 10)]
    if not len(loud):
        return LevelHistogram()
    levels = _OFFSET + 10 * np.log10(loud)
    bins = np.clip(np.floor((levels - LOWEST_LUFS) * BINS_PER_LU), 0, BINS - 1).astype(np.int64)
    counts = np.bincount(bins)
    first = int(bins.min())
    return LevelHistogram(first, tuple(int(one) for one in counts[first:]))


def histogram_from(value: object) -> LevelHistogram | None:
    """From evidence; None for anything that `json` did not make."""
    if not isinstance(value, Mapping):
        return None
    first, counts = value.get("first"), value.get("counts")
    if not isinstance(first, int) or not isinstance(counts, list) or not all(isinstance(one, int) for one in counts):
        return None
    try:
        return LevelHistogram(first, tuple(counts))
    except ValueError:
        return None


def gated_loudness(parts: Sequence[LevelHistogram]) -> float | None:
    """Integrated loudness in LUFS over the union of the parts' blocks; None: nothing is above the absolute gate."""
    total = np.zeros(BINS)
    for part in parts:
        total[part.first : part.first + len(part.counts)] += part.counts
    middles = LOWEST_LUFS + (np.arange(BINS) + 0.5) / BINS_PER_LU
    powers = 10 ** ((middles - _OFFSET) / 10)
    blocks = float(total.sum())
    if not blocks:
        return None
    gate = float(total @ powers) / blocks * _RELATIVE_GATE
    kept = np.where(powers > gate, total, 0.0)
    return _OFFSET + 10 * math.log10(float(kept @ powers) / float(kept.sum()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLevels:
    """What was measured of a track. `levels` None: by an older analysis that kept none."""

    levels: LevelHistogram | None
    true_peak_dbtp: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumLevels:
    """An album as one programme."""

    loudness_lufs: float
    true_peak_dbtp: float
    """Of its loudest track."""


def album_levels(tracks: Sequence[TrackLevels]) -> AlbumLevels | None:
    """Of all tracks of an album. None if one was not measured, or nothing is heard. A silent track counts with no block."""
    levels = [one.levels for one in tracks if one.levels is not None]
    if not tracks or len(levels) < len(tracks):
        return None
    loudness = gated_loudness(levels)
    peaks = [one.true_peak_dbtp for one in tracks if one.true_peak_dbtp is not None]
    return AlbumLevels(loudness_lufs=loudness, true_peak_dbtp=max(peaks)) if loudness is not None and peaks else None
