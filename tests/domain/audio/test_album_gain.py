"""An album gated as one programme from its tracks' histograms: the same as gating all of its blocks at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.album_gain import (
    BINS,
    AlbumLevels,
    LevelHistogram,
    TrackLevels,
    album_levels,
    gated_loudness,
    histogram_from,
    histogram_of,
)
from apps.domain.audio.loudness import _integrated
from tests.domain.audio.test_loudness import TECH_3341, measured, sine


def power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


@pytest.mark.parametrize("name", TECH_3341)
def test_the_standards_cases_read_the_same_from_the_histogram(name: str) -> None:
    parts, expected = TECH_3341[name]
    made = measured(sine(parts))
    assert gated_loudness([made.levels]) == pytest.approx(expected, abs=0.1)
    assert made.integrated_lufs is not None
    assert gated_loudness([made.levels]) == pytest.approx(made.integrated_lufs, abs=0.06)


def test_an_album_is_its_tracks_in_a_row_and_not_the_mean_of_their_figures() -> None:
    """Tech 3341's case 3 cut into three tracks: the quiet ones fall below the album's gate."""
    tracks = [measured(sine([part])) for part in ((-36, 10), (-23, 60), (-36, 10))]
    assert gated_loudness([one.levels for one in tracks]) == pytest.approx(-23, abs=0.1)
    powers = [
        (10 ** ((one.integrated_lufs or 0) / 10), seconds) for one, seconds in zip(tracks, (10, 60, 10), strict=True)
    ]
    mean = 10 * math.log10(sum(each * seconds for each, seconds in powers) / 80)
    assert abs(mean - -23) > 1


LEVELS = st.lists(st.floats(-90, 5), min_size=1, max_size=200)


@given(st.lists(LEVELS, min_size=1, max_size=5))
def test_gating_histograms_is_gating_all_blocks(tracks: list[list[float]]) -> None:
    """But for blocks that lie within half a bin of a gate."""
    blocks = np.array([power(level) for track in tracks for level in track])
    exact = _integrated(blocks)
    found = gated_loudness([histogram_of(np.array([power(level) for level in track])) for track in tracks])
    assert (found is None) == (exact is None)
    loud = blocks[blocks > power(-70)]
    if exact is None or found is None:
        return
    gate = 10 * math.log10(float(loud.mean())) - 0.691 - 10
    near = [level for track in tracks for level in track if abs(level - gate) < 0.11]
    if not near:
        assert found == pytest.approx(exact, abs=0.0501)


def test_histograms_of_programmes_are_exact_to_a_hundredth() -> None:
    random = np.random.default_rng(4)
    blocks = 10 ** ((random.normal(-20, 6, 5000) + 0.691) / 10)
    exact = _integrated(blocks)
    found = gated_loudness([histogram_of(part) for part in np.split(blocks, 10)])
    assert exact is not None and found == pytest.approx(exact, abs=0.01)


@given(st.lists(st.floats(-200, 200), max_size=50))
def test_a_histogram_survives_its_json(levels: list[float]) -> None:
    made = histogram_of(np.array([power(level) for level in levels]))
    assert histogram_from(made.json()) == made
    assert sum(made.counts) == sum(level > -70 + 1e-9 for level in levels) or any(
        abs(level + 70) < 1e-6 for level in levels
    )


@pytest.mark.parametrize(
    "value",
    [None, 3, [], {}, {"first": "0", "counts": []}, {"first": 0, "counts": ["1"]}, {"first": -1, "counts": [1]}, {"first": BINS, "counts": [1]}, {"first": 0, "counts": [-1]}],
)  # fmt: skip
def test_what_is_no_histogram_is_none(value: object) -> None:
    assert histogram_from(value) is None


def test_an_album_needs_every_track() -> None:
    loud = TrackLevels(levels=histogram_of(np.array([power(-10.03)] * 9)), true_peak_dbtp=-1.0)
    silent = TrackLevels(levels=LevelHistogram(), true_peak_dbtp=None)
    older = TrackLevels(levels=None, true_peak_dbtp=-3.0)
    found = album_levels([loud, silent])
    assert found == AlbumLevels(loudness_lufs=pytest.approx(-10.03, abs=0.05), true_peak_dbtp=-1.0)
    assert album_levels([loud, older]) is None
    assert album_levels([]) is None
    assert album_levels([silent, silent]) is None
