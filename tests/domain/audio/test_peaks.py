"""Sample and true peak: EBU Tech 3341's true-peak cases, and the skipping against interpolating everything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.audio.peaks import TAPS, PeakMeter, Peaks, factor_of, interpolator


def measured(sound: npt.NDArray[np.float32], *, rate: int = 48_000, cut: int = 10_007) -> Peaks:
    meter = PeakMeter(rate, len(sound))
    for at in range(0, sound.shape[1], cut):
        meter.feed(sound[:, at : at + cut])
    return meter.result()


def everything(sound: npt.NDArray[np.float32], *, rate: int) -> float:
    """The highest of all interpolated values, by plain convolution."""
    rows = interpolator(factor_of(rate)) if factor_of(rate) > 1 else np.zeros((0, TAPS))
    padded = np.pad(sound.astype(np.float64), ((0, 0), (TAPS - 1, TAPS - 1)))
    found = [np.abs(sound).max(initial=0.0)]
    for channel in padded:
        found += [np.abs(np.convolve(channel, row[::-1], mode="valid")).max() for row in rows]
    return float(max(found))


def db(value: float) -> float:
    return float(20 * np.log10(value))


# EBU Tech 3341, cases 15 to 19: a sine of -6 dBFS (0.5) at a quarter, a sixth, an eighth of the rate; 19 is +3 dBFS (1.41).
@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude", "expected"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_true_peak_of_the_standards_sines(divisor: int, degrees: float, amplitude: float, expected: float) -> None:
    n = np.arange(48_000)
    ramp = np.minimum(1.0, np.minimum(n, n[::-1]) / 4800)  # no click at the ends
    sound = (amplitude * ramp * np.sin(2 * np.pi * n / divisor + np.radians(degrees))).astype(np.float32)
    found = db(measured(sound[None]).true)
    assert expected - 0.4 <= found <= expected + 0.2


# Cases 20 to 23: one cycle between samples, phase shifted by 0 to 3 samples of four times the rate.
@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_a_short_burst_is_found_wherever_it_lies_between_the_samples(shift: int) -> None:
    fine = np.zeros(4 * 9600)
    n = np.arange(4 * 4)
    fine[4 * 4800 + shift : 4 * 4800 + shift + 16] = np.sin(2 * np.pi * n / 16)
    spectrum = np.fft.rfft(fine)
    spectrum[len(spectrum) // 4 :] = 0  # band-limited before it is sampled at a quarter of the rate
    coarse = np.fft.irfft(spectrum)[::4].astype(np.float32)
    true = np.abs(np.fft.irfft(spectrum)).max()
    assert abs(db(measured(coarse[None]).true) - db(float(true))) < 0.4


KINDS = ("noise", "loud", "music", "impulse", "alternating", "steps")


def sound_of(kind: str, chance: np.random.Generator, length: int) -> npt.NDArray[np.float64]:
    match kind:
        case "noise":
            return chance.standard_normal(length)
        case "loud":
            return np.clip(3 * chance.standard_normal(length), -1, 1)
        case "music":
            return np.cumsum(chance.standard_normal(length)) * np.exp(-np.arange(length) / max(1, length))
        case "impulse":
            sound = np.zeros(length)
            sound[chance.integers(0, length, size=3)] = chance.standard_normal(3)
            return sound
        case "alternating":
            return (-1.0) ** np.arange(length) * (1 + chance.standard_normal(length) / 50)
        case _:
            return np.repeat(chance.standard_normal(length // 50 + 1), 50)[:length]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(0, 2**32), st.integers(1, 5000), st.integers(1, 3000),
    st.sampled_from([8000, 44_100, 96_000, 192_000]), st.integers(1, 3),
)  # fmt: skip
def test_skipping_never_misses_the_maximum(
    kind: str, seed: int, length: int, cut: int, rate: int, channels: int
) -> None:
    chance = np.random.default_rng(seed)
    sound = np.array([sound_of(kind, chance, length) for _ in range(channels)]).astype(np.float32)
    found = measured(sound, rate=rate, cut=cut)
    assert found.true == pytest.approx(everything(sound, rate=rate), rel=1e-4, abs=1e-9)
    assert found.sample == pytest.approx(float(np.abs(sound).max()), rel=1e-6)


def test_silence_and_nothing_have_no_peak() -> None:
    assert measured(np.zeros((2, 1000), dtype=np.float32)) == Peaks(0.0, 0.0)
    assert PeakMeter(44_100, 2).result() == Peaks(0.0, 0.0)


def test_the_interpolator_keeps_the_level_of_steady_sound() -> None:
    assert np.allclose(interpolator(4).sum(axis=1), 1.0)
    assert np.allclose(interpolator(4)[1], interpolator(4)[1][::-1]), "the middle phase is symmetric"
