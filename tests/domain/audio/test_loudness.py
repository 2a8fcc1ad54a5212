"""Loudness against EBU Tech 3341 and 3342: their synthetic cases, made here; and the lifted filter against the recursion itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import signal  # type: ignore[import-untyped]

from apps.domain.audio.loudness import Loudness, LoudnessMeter, channel_weights, k_weighting

RATE = 48_000
Parts = list[tuple[float, float]]


def sine(parts: Parts, *, rate: int = RATE, channels: int = 2, hz: float = 1000.0) -> npt.NDArray[np.float32]:
    """(dBFS peak level, seconds) one after the other, in phase in all channels; shape (channels, n)."""
    levels = np.concatenate([np.full(round(seconds * rate), 10 ** (db / 20)) for db, seconds in parts])
    mono = levels * np.sin(2 * np.pi * hz * np.arange(len(levels)) / rate)
    return np.repeat(mono[None], channels, axis=0).astype(np.float32)


def measured(sound: npt.NDArray[np.float32], *, rate: int = RATE, cut: int = 12_345, **more: object) -> Loudness:
    meter = LoudnessMeter(rate, len(sound))
    for at in range(0, sound.shape[1], cut):
        meter.feed(sound[:, at : at + cut])
    return meter.result(**more)  # type: ignore[arg-type]


TECH_3341: dict[str, tuple[Parts, float]] = {
    "1": ([(-23, 20)], -23),
    "2": ([(-33, 20)], -33),
    "3": ([(-36, 10), (-23, 60), (-36, 10)], -23),
    "4": ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    "5": ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
}


@pytest.mark.parametrize(("parts", "expected"), TECH_3341.values(), ids=TECH_3341)
def test_integrated_loudness_of_the_standards_cases(parts: Parts, expected: float) -> None:
    found = measured(sine(parts)).integrated_lufs
    assert found == pytest.approx(expected, abs=0.1)


def test_case_6_weighs_surround_channels_and_not_the_bass() -> None:
    levels = (
        -28.0,
        -28.0,
        -24.0,
        -10.0,
        -30.0,
        -30.0,
    )  # the standard's five channels, and a loud LFE that must not count
    sound = np.concatenate([sine([(db, 20)], channels=1) for db in levels])
    assert measured(sound).integrated_lufs == pytest.approx(-23, abs=0.1)
    vorbis = sound[[0, 2, 1, 4, 5, 3]]
    found = measured(vorbis, weights=channel_weights(6, vorbis_order=True)).integrated_lufs
    assert found == pytest.approx(-23, abs=0.1)


TECH_3342: dict[str, tuple[Parts, float]] = {
    "1": ([(-20, 20), (-30, 20)], 10),
    "2": ([(-20, 20), (-15, 20)], 5),
    "3": ([(-40, 20), (-20, 20)], 20),
    "4": ([(-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)], 15),
}


@pytest.mark.parametrize(("parts", "expected"), TECH_3342.values(), ids=TECH_3342)
def test_loudness_range_of_the_standards_cases(parts: Parts, expected: float) -> None:
    assert measured(sine(parts)).range_lu == pytest.approx(expected, abs=1.0)


def test_a_full_scale_sine_in_one_channel_reads_minus_three() -> None:
    assert measured(sine([(0, 5)], channels=1, hz=997.0)).integrated_lufs == pytest.approx(-3.01, abs=0.02)


def test_the_coefficients_at_48_khz_are_the_standards_table() -> None:
    shelf, high_pass = k_weighting(48_000)
    expected = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    assert shelf == pytest.approx(expected, abs=1e-9)
    assert high_pass == pytest.approx([1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize("rate", [1000, 8000, 11_025, 22_050, 44_100, 44_056, 48_000, 96_000, 192_000, 384_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_measures_what_the_plain_recursion_gives(rate: int, channels: int) -> None:
    chance = np.random.default_rng(rate)
    sound = (0.1 * chance.standard_normal((channels, round(3.3 * rate))) + 0.2).astype(np.float32)
    weighted = signal.sosfilt(k_weighting(rate), sound.astype(np.float64))
    step = (rate + 5) // 10
    whole = weighted.shape[1] // step * step
    energies = (weighted[:, :whole].reshape(channels, -1, step) ** 2).mean(axis=2)
    steps = np.array(channel_weights(channels)) @ energies
    windows = np.lib.stride_tricks.sliding_window_view(steps, 4).mean(axis=1)
    gated = windows[windows > windows.mean() / 10]
    found = measured(sound, rate=rate, cut=4097).integrated_lufs
    assert found == pytest.approx(-0.691 + 10 * np.log10(gated.mean()), abs=0.001)


def test_how_the_blocks_are_cut_changes_nothing() -> None:
    sound = sine([(-20, 4), (-30, 4)])
    once = measured(sound, cut=10**9)
    for cut in (1, 7, 4800, 38_400, 100_000):
        if cut >= 7 or sound.shape[1] < 10_000:
            again = measured(sound, cut=cut)
            assert again.integrated_lufs == pytest.approx(once.integrated_lufs, abs=1e-4)
            assert again.range_lu == pytest.approx(once.range_lu, abs=1e-3)


@pytest.mark.parametrize("length", [0, 1, 100, 19_199])
def test_what_is_too_short_for_one_window_has_no_loudness(length: int) -> None:
    assert measured(np.full((2, length), 0.5, dtype=np.float32)) == Loudness(None, None, None, None)


def test_silence_has_no_loudness() -> None:
    found = measured(np.zeros((2, 5 * RATE), dtype=np.float32))
    assert (found.integrated_lufs, found.range_lu) == (None, None)


def test_sound_above_full_scale_is_measured() -> None:
    assert measured(sine([(12, 5)])).integrated_lufs == pytest.approx(12, abs=0.1)
