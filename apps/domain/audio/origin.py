"""Two-stage search for lossy origin over a track's segments.

Stage 1 looks for every family with few windows and filters. A clear dip is an answer, a plainly flat curve too. In between, stage 2 looks again for
the families in doubt, with twice the windows and three times the filters, and has its own bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from apps.domain.audio.codec_grid import GridTrace, Window, search, windows_of, without_emphasis
from apps.domain.audio.filterbanks import SHAPES, Family
from apps.domain.audio.profile import LOSSLESS, Codec
from apps.domain.audio.segments import Segment, Segments

CLEAR_Z: Final = 8.0
"""Stage 1: from here on the dip is an answer."""
DOUBT_Z: Final = 3.9
"""Stage 1: below, the curve is flat: sound that never met the codec. Genuine tracks (296 files of 24 pieces): median 3.6, four of five below 3.9."""
SURE_Z: Final = 7.0
"""Stage 2's bar. Measured on the same files: genuine at most 4.7; the one transcode that came this far 21 (a loop-based
tracker). Made harder (14 dB quieter, or cut at 5.5 kHz before encoding), weak ones reach 10 to 18, the weakest stay below."""
_DOUBTED: Final = 2
"""Families that stage 2 looks at again at most."""
_STAGE_1: Final = dict.fromkeys(Family, (12, 32)) | {Family.VORBIS: (16, 36)}
"""Windows and filters. Vorbis needs more: its grid moves."""
_STAGE_1_HIGH: Final = dict.fromkeys(Family, (12, 16)) | {Family.VORBIS: (16, 18)}
"""Above 48 kHz, where every family is looked for at two rates, half the filters. (Fewer windows instead would make flat curves less flat.) Genuine 96 kHz
(16 files): 3.2 to 4.5, with all filters 3.4 to 4.5; MP3, AAC, Vorbis and Opus brought to 96 and 192 kHz (31 files): all found, at 1.3 times the bar and more."""
_HIGH_RATE: Final = 48_000
_STAGE_2: Final = (24, 96)
_MIN_WINDOWS: Final = 2

_NATIVE: Final = (Family.MP3, Family.AAC, Family.AAC_SINE, Family.VORBIS)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What both stages say."""

    trace: GridTrace | None
    """The family that explains the sound best; None: nothing to look at."""
    z: float
    """Deepest dip of all families in the stage that decided."""
    stage: int
    bar: float
    searched: tuple[GridTrace, ...]
    """Stage 1's traces, one per family and rate."""

    @property
    def score(self) -> float:
        """Depth of the deepest dip divided by the bar of the stage that decided."""
        return self.z / self.bar


class _Views:
    """The track's windows at each rate, made when first asked for. Mutable, lives as long as one examination."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._made: dict[tuple[int, int, bool], list[Window]] = {}

    def windows(self, family: Family, *, rate: int, count: int) -> list[Window]:
        celt = family is Family.OPUS
        key = (rate, count, celt)
        if key not in self._made:
            chosen = loudest(self._segments.items, count=count)
            windows = windows_of(chosen, rate=self._segments.rate, target=rate)
            self._made[key] = without_emphasis(windows) if celt else windows
        return self._made[key]


def find_origin(segments: Segments, *, codec: Codec | None) -> Origin:
    """Search the families that make sense for a file of this codec."""
    views = _Views(segments)
    traces = []
    first = _STAGE_1 if segments.rate <= _HIGH_RATE else _STAGE_1_HIGH
    for family, rate in searches(segments.rate, codec=codec):
        windows, lines = first[family]
        traces.append(search(family, views.windows(family, rate=rate, count=windows), rate=rate, count=lines))
    heard = sorted((one for one in traces if one.windows >= _MIN_WINDOWS), key=lambda one: one.z, reverse=True)
    if not heard:
        return Origin(None, 0.0, 1, CLEAR_Z, tuple(traces))
    best = heard[0]
    if best.z >= CLEAR_Z or best.z < DOUBT_Z:
        return Origin(_named(heard), best.z, 1, CLEAR_Z, tuple(traces))
    windows, lines = _STAGE_2
    again = [
        search(one.family, views.windows(one.family, rate=one.rate, count=windows), rate=one.rate, count=lines)
        for one in heard[:_DOUBTED]
        if one.z >= DOUBT_Z
    ]
    return Origin(_named(again), max(one.z for one in again), 2, SURE_Z, tuple(traces))


def _named(traces: Sequence[GridTrace]) -> GridTrace:
    """The trace to name. Banks of one hop answer each other's sound, so among them the matching window wins: the deepest dip where the grid stays."""
    best = max(traces, key=lambda one: one.z)
    rivals = [one for one in traces if one.rate == best.rate and SHAPES[one.family] == SHAPES[best.family]]
    steady = max(rivals, key=lambda one: one.fixed_z)
    return steady if steady.fixed_z >= SURE_Z else best


def searches(rate: int, *, codec: Codec | None) -> tuple[tuple[Family, int], ...]:
    """Families to look for and the rates at which to look.

    From 48 kHz on the track is also brought back to 44.1 kHz, and above 48 kHz to 48 kHz: most lossy sound was made there. Opus always decodes to
    48 kHz. A lossy file carries its own codec's grid, and banks of equal hop answer each other's: only the families of other hops are looked for then.
    """
    native: tuple[Family, ...] = _NATIVE
    opus = rate >= 32_000
    if codec is not None and codec not in LOSSLESS:
        match codec:
            case Codec.MP3:
                native = (Family.AAC, Family.AAC_SINE, Family.VORBIS)
            case Codec.AAC | Codec.VORBIS:
                native = (Family.MP3,)
            case Codec.OPUS:
                opus = False
            case _:
                return ()
    rates = [min(rate, 48_000)]
    if rate > 44_100:
        rates.append(44_100)
    found = [(family, one) for one in rates for family in native]
    if opus:
        found.append((Family.OPUS, 48_000))
    return tuple(found)


def loudest(items: Sequence[Segment], *, count: int) -> list[Segment]:
    """The loudest of each of `count` runs of neighbours: spread over the track."""
    if len(items) <= count:
        return list(items)
    runs = np.array_split(np.arange(len(items)), count)
    return [items[max(run.tolist(), key=lambda at: items[at].level)] for run in runs]
