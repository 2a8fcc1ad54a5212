"""The analysis filters are those of real transforms: rounding nothing, they give the sound back."""

from __future__ import annotations

import numpy as np
import pytest

from apps.domain.audio.filterbanks import SHAPES, Family, filters
from tests.domain.audio.toy_codec import coded


@pytest.mark.parametrize("family", list(Family))
def test_analysis_and_its_transpose_give_the_sound_back(family: Family) -> None:
    sound = np.random.default_rng(3).standard_normal((16_384, 1))
    middle = slice(4096, 10_240)
    wrong = coded(sound, family, coarseness=0)[middle] - sound[middle]
    # ISO 11172-3's polyphase bank reconstructs to about 90 dB, an MDCT exactly.
    assert np.sqrt((wrong**2).mean()) < (1e-3 if family is Family.MP3 else 1e-9)


@pytest.mark.parametrize("family", list(Family))
def test_a_filter_passes_its_own_frequency_and_no_other(family: Family) -> None:
    shape = SHAPES[family]
    for line in (40, shape.hop // 2, shape.hop - 60):
        row = filters(family, np.array([line]))[0]
        spectrum = np.abs(np.fft.rfft(row, 16_384)) ** 2
        centre = round((line + 0.5) / shape.hop * 8192)
        near = spectrum[max(0, centre - 40) : centre + 40].sum()
        assert near / spectrum.sum() > (0.9 if family is Family.MP3 else 0.99 if family is not Family.OPUS else 0.95)


@pytest.mark.parametrize("family", list(Family))
def test_filters_have_unit_norm(family: Family) -> None:
    rows = filters(family, np.array([0, 17, 18, 100, SHAPES[family].hop - 1]))
    assert np.allclose((rows**2).sum(axis=1), 1)
