"""The sound meter as a whole: every shape of sound gives figures or None, nothing raises, and evidence is plain JSON."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.audio.analysis import ANALYSER_VERSION, Block, Measures, SoundMeter, effective_bits, sound_analysis
from apps.domain.audio.profile import Codec
from apps.domain.audio.transcode import TranscodeFacts, examine


def measured(block: Block, *, rate: int = 44_100, cut: int = 30_011) -> Measures:
    meter = SoundMeter(rate, block.shape[1])
    for at in range(0, len(block), cut):
        meter.feed(block[at : at + cut])
    return meter.measures()


def noise(frames: int, channels: int = 2, *, seed: int = 1, level: float = 0.1) -> npt.NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def test_the_unit_of_the_samples_changes_nothing() -> None:
    short = np.clip(np.round(noise(200_000) * 32768), -32768, 32767).astype(np.int16)
    one, wide, real = (
        measured(block)
        for block in (short, short.astype(np.int32) << 16, (short / np.float32(32768)).astype(np.float32))
    )
    for other in (wide, real):
        assert other.loudness.integrated_lufs == pytest.approx(one.loudness.integrated_lufs, abs=1e-4)
        assert other.true_peak_dbtp == pytest.approx(one.true_peak_dbtp, abs=1e-4)
        assert other.dynamic_range == pytest.approx(one.dynamic_range, abs=1e-4) if one.dynamic_range else True
        assert other.clipped_ppm == one.clipped_ppm
        assert np.allclose(other.spectrum.levels, one.spectrum.levels, atol=1e-3)
    assert (one.moving_bits, wide.moving_bits, real.moving_bits) == (16, 16, None)


@pytest.mark.parametrize("frames", [0, 1, 100, 5000])
@pytest.mark.parametrize("channels", [1, 2, 6, 8, 9])
@pytest.mark.parametrize("rate", [1000, 8000, 44_100, 192_000, 768_000])
def test_tiny_sounds_of_every_shape_are_measured(frames: int, channels: int, rate: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(noise(frames, channels), rate=rate)
    assert (found.sample_peak_dbfs is None) == (frames == 0)
    assert found.dynamic_range is None or frames >= 6 * rate / 2
    json.dumps(analysed(found, rate=rate, channels=channels))


def analysed(found: Measures, *, rate: int = 44_100, channels: int = 2, bits: int = 16) -> object:
    verdict = examine(SoundMeter(rate, channels).segments(), TranscodeFacts(codec=Codec.FLAC, bits=bits))
    sound = sound_analysis(found, bits=bits, encoder="x", transcode=verdict)
    assert sound.version == ANALYSER_VERSION
    return sound.evidence()


def test_silence_has_no_levels_and_no_bits() -> None:
    found = measured(np.zeros((100_000, 2), dtype=np.int16))
    assert (found.true_peak_dbtp, found.sample_peak_dbfs, found.dynamic_range, found.bandwidth) == (None,) * 4
    assert found.loudness.integrated_lufs is None
    assert found.clipped_ppm == 0
    assert found.moving_bits == 0
    assert effective_bits(found, bits=16) == 0
    json.dumps(analysed(found))


def test_what_is_no_number_counts_as_silence_and_is_counted() -> None:
    sound = noise(200_000)
    clean = measured(sound.copy())
    sound[1000, 0], sound[2000, 1], sound[3000, 0], sound[4000, 0] = math.nan, math.inf, -math.inf, 3e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(sound)
    assert found.garbage == 4
    assert found.loudness.integrated_lufs == pytest.approx(clean.loudness.integrated_lufs, abs=0.01)
    assert found.true_peak_dbtp is not None and math.isfinite(found.true_peak_dbtp)
    json.dumps(analysed(found, bits=0), allow_nan=False)


def test_float_sound_may_exceed_full_scale() -> None:
    found = measured(
        np.full((1000, 1), 4.0, dtype=np.float32) * np.sin(np.arange(1000) / 20)[:, None].astype(np.float32)
    )
    assert found.sample_peak_dbfs == pytest.approx(20 * math.log10(4), abs=0.01)
    assert found.clipped_ppm > 500_000, "a player cuts it off"


@pytest.mark.parametrize(("depth", "effective"), [(8, 8), (16, 16), (20, 20), (24, 24)])
def test_bits_that_never_move_are_counted(depth: int, effective: int) -> None:
    values = np.random.default_rng(2).integers(-(2 ** (depth - 1)), 2 ** (depth - 1), size=(5000, 2))
    block = (values << (32 - depth)).astype(np.int32)
    found = measured(block)
    assert effective_bits(found, bits=24) == effective
    assert effective_bits(found, bits=0) is None


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([np.int16, np.int32, np.float32]), st.integers(1, 7), st.integers(0, 40_000), st.integers(1, 50_000),
    st.sampled_from([8000, 11_025, 44_100, 96_000, 192_000]), st.integers(0, 2**32), st.booleans(),
)  # fmt: skip
def test_no_bits_whatsoever_raise(
    dtype: type, channels: int, frames: int, cut: int, rate: int, seed: int, wild: bool
) -> None:
    chance = np.random.default_rng(seed)
    raw = chance.bytes(frames * channels * np.dtype(dtype).itemsize)
    block = np.frombuffer(raw, dtype=dtype).reshape(frames, channels)
    if not wild:
        block = np.sort(block, axis=0)
    json.dumps(analysed(measured(block, rate=rate, cut=cut), rate=rate, channels=channels), allow_nan=False)


def test_a_block_of_another_shape_is_refused() -> None:
    meter = SoundMeter(44_100, 2)
    with pytest.raises(ValueError):
        meter.feed(np.zeros((10, 3), dtype=np.int16))
    with pytest.raises(ValueError):
        SoundMeter(0, 2)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_a_block_is_only_read(channels: int, dtype: type) -> None:
    block = (noise(100_000, channels) * (1 if dtype is np.float32 else 1000)).astype(dtype)
    before = block.copy()
    measured(block)
    assert np.array_equal(block, before)
