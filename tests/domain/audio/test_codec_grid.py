"""A codec's frame grid is found where it lies, and nowhere in sound that never met the codec."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from apps.domain.audio.codec_grid import GridTrace, search, windows_of, without_emphasis
from apps.domain.audio.filterbanks import CELT_EMPHASIS, SHAPES, Family
from apps.domain.audio.origin import find_origin, searches
from apps.domain.audio.profile import Codec
from apps.domain.audio.segments import SegmentChooser, Segments
from tests.domain.audio.toy_codec import Floats, coded, in_steps
from tests.sound_corpus import piece, resampled

SEEDS = {family: 10 + at for at, family in enumerate(Family)}


def segments(sound: Floats, *, rate: int = 44_100) -> Segments:
    chooser = SegmentChooser(rate, sound.shape[1])
    chooser.feed(in_steps(sound))
    return chooser.segments()


@cache
def lossy(family: Family, *, coarseness: float = 0.5) -> Floats:
    """A few seconds through the family's toy codec, at the family's rate."""
    rate = 48_000 if family is Family.OPUS else 44_100
    sound = piece(SEEDS[family], rate=rate, seconds=4)
    if family is not Family.OPUS:
        return coded(sound, family, coarseness=coarseness)
    before = sound.copy()
    before[1:] -= CELT_EMPHASIS * sound[:-1]
    after = coded(before, family, coarseness=coarseness)
    for at in range(1, len(after)):
        after[at] += CELT_EMPHASIS * after[at - 1]
    return after


def searched(family: Family, sound: Floats) -> GridTrace:
    rate = 48_000 if family is Family.OPUS else 44_100
    windows = windows_of(segments(sound, rate=rate).items, rate=rate, target=rate)
    windows = without_emphasis(windows) if family is Family.OPUS else windows
    return search(family, windows, rate=rate, count=32)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("crop", [0, 333])
def test_the_grid_is_found_at_its_place(family: Family, crop: int) -> None:
    trace = searched(family, lossy(family)[crop:])
    assert trace.z > 15
    assert trace.offset == -crop % SHAPES[family].hop % trace.fold
    assert trace.curve.argmax() == trace.offset
    assert trace.coefficients > 10


@pytest.mark.parametrize("family", list(Family))
def test_sound_that_never_met_the_codec_has_a_flat_curve(family: Family) -> None:
    assert searched(family, piece(SEEDS[family], rate=48_000 if family is Family.OPUS else 44_100, seconds=4)).z < 6


def test_the_grid_survives_gain_mono_and_noise() -> None:
    sound = lossy(Family.AAC)
    rough = 0.7 * sound.mean(axis=1, keepdims=True)
    rough = rough + 10 ** (-80 / 20) * np.random.default_rng(5).standard_normal(rough.shape)
    assert searched(Family.AAC, rough).z > 15


def test_the_grid_is_found_again_after_a_change_of_rate() -> None:
    lifted = resampled(lossy(Family.MP3)[: 44_100 * 3], rate=44_100, to=48_000) * 0.9
    origin = find_origin(segments(lifted, rate=48_000), codec=Codec.FLAC)
    assert origin.trace is not None
    assert (origin.trace.family, origin.trace.rate) == (Family.MP3, 44_100)
    assert origin.score > 1


@pytest.mark.parametrize("family", [Family.MP3, Family.AAC, Family.AAC_SINE, Family.VORBIS])
def test_the_family_that_made_the_grid_is_named(family: Family) -> None:
    origin = find_origin(segments(lossy(family)), codec=Codec.FLAC)
    assert origin.trace is not None
    assert origin.trace.family is family
    assert origin.score > 1


def test_what_is_weak_at_first_sight_is_looked_at_again_with_more() -> None:
    stages = [
        find_origin(segments(lossy(Family.AAC, coarseness=coarseness)), codec=Codec.FLAC).stage
        for coarseness in (0.5, 0.1, 0.05, 0.035, 0.02)
    ]
    assert stages[0] == 1
    assert 2 in stages


def test_a_lossy_file_is_not_accused_of_its_own_codec() -> None:
    assert Family.MP3 not in {family for family, _ in searches(44_100, codec=Codec.MP3)}
    assert {family for family, _ in searches(44_100, codec=Codec.AAC)} == {Family.MP3, Family.OPUS}
    assert Family.OPUS not in {family for family, _ in searches(48_000, codec=Codec.OPUS)}
    assert searches(44_100, codec=Codec.WMA) == ()
    assert find_origin(segments(lossy(Family.AAC)), codec=Codec.AAC).score < 1


@pytest.mark.parametrize(
    ("rate", "expected"), [(22_050, {22_050}), (44_100, {44_100, 48_000}), (96_000, {44_100, 48_000})]
)
def test_every_rate_is_looked_at_where_lossy_sound_is_made(rate: int, expected: set[int]) -> None:
    assert {one for _, one in searches(rate, codec=None)} == expected
