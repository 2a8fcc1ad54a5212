"""What one decode tells of a sound: its level, its range, its width, its depth, and where it came from.

`SoundMeter` hears every block once and gives it to all meters; blocks become one planar float32 buffer whose length suits all of them, so that
nothing is copied or converted twice. Pure numpy: no file, no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.domain.audio.bandwidth import Bandwidth, bandwidth_of
from apps.domain.audio.clipping import CLIP_LEVEL, ClippingMeter
from apps.domain.audio.dynamics import RangeMeter
from apps.domain.audio.loudness import Loudness, LoudnessMeter, channel_weights
from apps.domain.audio.peaks import PeakMeter
from apps.domain.audio.segments import SegmentChooser, Segments
from apps.domain.audio.spectrum import AverageSpectrum, SpectrumMeter
from apps.domain.audio.transcode import TranscodeVerdict

ANALYSER_VERSION: Final = 2
"""Of everything this package measures. Raise it when a figure changes its meaning: the library is then analysed again, in the background."""
_LOUDEST_SAMPLE: Final = 1e4
"""+80 dBFS. Float files may exceed full scale; beyond this a sample is garbage, like a NaN, and counts as silence."""

Block = npt.NDArray[np.int16] | npt.NDArray[np.int32] | npt.NDArray[np.float32]
"""Shape (frames, channels): int16; int32 with the sound in its upper bits; or float32 with full scale 1."""
Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The figures of one sound. None: silence, or too short to tell."""

    loudness: Loudness
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None
    dynamic_range: float | None
    clipped_ppm: int
    bandwidth: Bandwidth | None
    moving_bits: int | None
    """Bits of the samples that ever move, counted from the top; None for float sound and for silence."""
    garbage: int
    """Samples that were no number, or no sound (beyond +80 dBFS)."""
    spectrum: AverageSpectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAnalysis:
    """One analysed payload. Levels are dB, None: silence, or too short to tell."""

    version: int = ANALYSER_VERSION
    loudness_lufs: float | None
    """Integrated, BS.1770-4."""
    loudness_range_lu: float | None
    """EBU Tech 3342."""
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None
    dynamic_range: float | None
    """DR14, two decimals."""
    clipped_ppm: int
    bandwidth_hz: int | None
    effective_bits: int | None
    """Bits per sample that ever move; None for lossy codecs."""
    wasted_bits: int | None
    """Lowest bits that never move, of those the file states; None for lossy codecs."""
    encoder: str
    """Signature, at most 80 characters; "" if none is stated."""
    measures: Measures
    transcode: TranscodeVerdict

    def evidence(self) -> tuple[Json, Json]:
        """(verdicts, curves) as JSON: what pages show and draw."""
        bandwidth, loudness = self.measures.bandwidth, self.measures.loudness
        verdicts: Json = {
            "version": self.version,
            "loudness": {
                "momentary_max_lufs": _rounded(loudness.momentary_max_lufs),
                "short_term_max_lufs": _rounded(loudness.short_term_max_lufs),
            },
            "bandwidth": None
            if bandwidth is None
            else {
                "edge_hz": bandwidth.edge_hz,
                "steepness_db": bandwidth.steepness_db,
                "floor_db": bandwidth.floor_db,
                "high_db": bandwidth.high_db,
            },
            "depth": {"effective_bits": self.effective_bits, "wasted_bits": self.wasted_bits},
            "garbage_samples": self.measures.garbage,
            "transcode": {
                "suspect": self.transcode.suspect,
                "code": self.transcode.code,
                "score": self.transcode.score,
                "evidence": dict(self.transcode.evidence),
            },
        }
        step_hz, levels = self.measures.spectrum.curve()
        curves: Json = {
            "loudness": loudness.levels.json(),
            "spectrum": {"step_hz": round(step_hz, 3), "levels_db": list(levels)},
            "transcode": {name: list(curve) for name, curve in self.transcode.curves.items()},
        }
        return verdicts, curves


def sound_analysis(measures: Measures, *, bits: int, encoder: str, transcode: TranscodeVerdict) -> SoundAnalysis:
    """Figures and verdict as one value. `bits`: per sample, as the file states; 0 for lossy codecs."""
    effective = effective_bits(measures, bits=bits)
    return SoundAnalysis(
        loudness_lufs=_rounded(measures.loudness.integrated_lufs),
        loudness_range_lu=_rounded(measures.loudness.range_lu),
        true_peak_dbtp=_rounded(measures.true_peak_dbtp),
        sample_peak_dbfs=_rounded(measures.sample_peak_dbfs),
        dynamic_range=_rounded(measures.dynamic_range),
        clipped_ppm=measures.clipped_ppm,
        bandwidth_hz=measures.bandwidth.edge_hz if measures.bandwidth is not None else None,
        effective_bits=effective,
        wasted_bits=bits - effective if effective is not None else None,
        encoder=encoder,
        measures=measures,
        transcode=transcode,
    )


def effective_bits(measures: Measures, *, bits: int) -> int | None:
    """Bits of a lossless file's samples that ever move, 0 for digital silence; None for lossy and float sound."""
    if not bits or measures.moving_bits is None:
        return None
    return min(bits, measures.moving_bits)


class SoundMeter:
    """Feed it every decoded block of one sound in order, then ask for `measures()` and `segments()` once."""

    def __init__(self, rate: int, channels: int) -> None:
        if rate < 1 or channels < 1:
            raise ValueError("a sound has a rate and at least one channel")
        self._rate = rate
        self._channels = channels
        self._meters: _Meters | None = None
        self._chooser = SegmentChooser(rate, channels)
        self._moving: int | None = None
        self._width = 0
        self._garbage = 0
        self._filled = 0

    def feed(self, block: Block) -> None:
        """Hear the next block, shape (n, channels), always of one dtype. Raises ValueError for another number of channels."""
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError("a block has a row per frame and a column per channel")
        if self._meters is None:
            self._meters = _Meters(self._rate, self._channels, dtype=block.dtype)
            self._buffer = np.empty((self._channels, self._meters.unit), dtype=np.float32)
            self._width = 8 * block.dtype.itemsize
        if block.dtype.kind == "f":
            block = self._sound_only(block)
        else:
            self._note_bits(block)
        self._chooser.feed(block)
        at = 0
        while at < len(block):
            taken = min(len(block) - at, self._buffer.shape[1] - self._filled)
            self._buffer[:, self._filled : self._filled + taken] = block[at : at + taken].T
            self._filled += taken
            at += taken
            if self._filled == self._buffer.shape[1]:
                self._meters.feed(self._buffer)
                self._filled = 0

    def measures(self, *, vorbis_order: bool = False) -> Measures:
        """All figures. Feeding must not go on after it. `vorbis_order`: the channels come as Vorbis and Opus order them."""
        meters = self._meters or _Meters(self._rate, self._channels, dtype=np.dtype(np.int16))
        if self._filled:
            meters.feed(self._buffer[:, : self._filled])
            self._filled = 0
        weights = channel_weights(self._channels, vorbis_order=vorbis_order)
        return meters.result(weights, moving_bits=self._moving_bits(), garbage=self._garbage)

    def segments(self) -> Segments:
        """What the transcode examination looks at."""
        return self._chooser.segments()

    def _sound_only(self, block: Block) -> Block:
        """NaN, infinity and absurd values become silence; nothing is copied if there are none."""
        flat = block.reshape(-1)
        if float(flat.max(initial=0.0)) <= _LOUDEST_SAMPLE and float(flat.min(initial=0.0)) >= -_LOUDEST_SAMPLE:
            return block  # a NaN would have come out of both
        sound = np.abs(block) <= _LOUDEST_SAMPLE
        self._garbage += int(block.size - np.count_nonzero(sound))
        return np.where(sound, block, np.float32(0)).astype(np.float32, copy=False)

    def _note_bits(self, block: Block) -> None:
        """All samples or-ed together; once the lowest bit has moved there is nothing more to learn."""
        if self._moving is None:
            self._moving = 0
        if not self._moving & 1:
            self._moving |= int(np.bitwise_or.reduce(block, axis=None)) & ((1 << self._width) - 1)

    def _moving_bits(self) -> int | None:
        if self._moving is None:
            return None
        if not self._moving:
            return 0
        return self._width - ((self._moving & -self._moving).bit_length() - 1)


class _Meters:
    """Every meter for one dtype; a block is (channels, n) float32 in the samples' own unit."""

    def __init__(self, rate: int, channels: int, *, dtype: np.dtype[np.generic]) -> None:
        full_scale = 1.0 if dtype.kind == "f" else 2.0 ** (8 * dtype.itemsize - 1)
        self._loudness = LoudnessMeter(rate, channels, full_scale=full_scale)
        self._peaks = PeakMeter(rate, channels, full_scale=full_scale)
        self._range = RangeMeter(rate, channels, full_scale=full_scale)
        self._clipping = ClippingMeter(channels, level=CLIP_LEVEL * full_scale)
        self._spectrum = SpectrumMeter(rate, channels, full_scale=full_scale)
        self.unit = self._loudness.unit
        self._magnitude = np.empty((channels, self.unit), dtype=np.float32)

    def feed(self, block: npt.NDArray[np.float32]) -> None:
        magnitude = np.abs(block, out=self._magnitude[:, : block.shape[1]])
        highest = float(magnitude.max())
        self._range.feed(block, magnitude)
        self._clipping.feed(block, highest=highest)
        self._peaks.feed(block, magnitude)
        self._loudness.feed(block)
        self._spectrum.feed(block)

    def result(self, weights: tuple[float, ...], *, moving_bits: int | None, garbage: int) -> Measures:
        peaks = self._peaks.result()
        spectrum = self._spectrum.result()
        return Measures(
            loudness=self._loudness.result(weights),
            true_peak_dbtp=_decibels(peaks.true),
            sample_peak_dbfs=_decibels(peaks.sample),
            dynamic_range=self._range.result(),
            clipped_ppm=self._clipping.clipped_ppm(),
            bandwidth=bandwidth_of(spectrum),
            moving_bits=moving_bits,
            garbage=garbage,
            spectrum=spectrum,
        )


def _decibels(factor: float) -> float | None:
    return 20 * math.log10(factor) if factor > 0 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
