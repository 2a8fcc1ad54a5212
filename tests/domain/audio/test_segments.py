"""Loud windows are chosen while the sound streams by: the same ones however it is cut, never more than fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from apps.domain.audio.segments import CAPACITY, GRID_SAMPLES, SegmentChooser, Segments, window_samples

Ints = npt.NDArray[np.int32]


def noise(frames: int, *, channels: int = 2, seed: int = 1) -> Ints:
    rng = np.random.default_rng(seed)
    loudness = 200 + 3000 * np.abs(np.sin(np.arange(frames) / 90_000))[:, None]
    sound: Ints = (rng.standard_normal((frames, channels)) * loudness).astype(np.int32) << 16
    return sound


def chosen(sound: npt.NDArray[np.generic], *, rate: int = 44_100, block: int = 65_536) -> Segments:
    chooser = SegmentChooser(rate, 1 if sound.ndim == 1 else sound.shape[1])
    for at in range(0, len(sound), block):
        chooser.feed(sound[at : at + block])  # type: ignore[arg-type]
    return chooser.segments()


@pytest.mark.parametrize("block", [997, 16_758, 40_000, 10_000_000])
def test_the_same_windows_are_kept_however_the_sound_is_cut(block: int) -> None:
    sound = noise(44_100 * 30)
    whole, cut = chosen(sound), chosen(sound, block=block)
    assert [one.start for one in whole.items] == [one.start for one in cut.items]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(whole.items, cut.items, strict=True))
    assert cut.frames == len(sound)


def test_a_window_is_the_sound_from_its_start_in_16_bit_steps() -> None:
    sound = noise(44_100 * 5)
    for one in chosen(sound).items:
        there = sound[one.start : one.start + window_samples(44_100)]
        assert np.array_equal(one.samples, (there >> 16).T.astype(np.float32))


def test_every_sample_type_says_the_same() -> None:
    ints = noise(44_100 * 4)
    shorts = (ints >> 16).astype(np.int16)
    floats = (ints / 2**31).astype(np.float32)
    kept = [chosen(one) for one in (ints, shorts, floats, floats.astype(np.float64))]
    for other in kept[1:]:
        assert [one.start for one in other.items] == [one.start for one in kept[0].items]
        assert all(np.array_equal(a.samples, b.samples) for a, b in zip(other.items, kept[0].items, strict=True))


def test_24_bits_survive() -> None:
    sound: Ints = np.random.default_rng(2).integers(-(1 << 23), 1 << 23, (44_100, 1), dtype=np.int32) << 8
    (first, *_) = chosen(sound).items
    assert np.array_equal(np.rint(first.samples[0] * 256).astype(np.int32), sound[: first.samples.shape[1], 0] >> 8)


def test_a_long_track_keeps_a_bounded_number_spread_over_all_of_it() -> None:
    rate, window = 8000, window_samples(8000)
    sound = noise(window * 333, channels=1)
    kept = chosen(sound, rate=rate)
    assert CAPACITY // 2 <= len(kept.items) <= CAPACITY
    starts = np.array([one.start for one in kept.items])
    assert starts[0] < len(sound) * 0.1
    assert starts[-1] > len(sound) * 0.9
    assert np.diff(starts).max() < len(sound) * 0.12


def test_of_neighbours_the_loud_steady_one_is_kept() -> None:
    window = window_samples(44_100)
    sound = noise(window * CAPACITY * 2) >> 6
    loud = [window * (2 * at + at % 2) for at in range(CAPACITY)]
    for start in loud:
        sound[start : start + window] <<= 4
    assert [one.start for one in chosen(sound).items] == loud


def test_silence_and_sound_shorter_than_a_window_have_no_segments() -> None:
    assert chosen(np.zeros((200_000, 2), dtype=np.int32)).items == ()
    assert chosen(noise(window_samples(44_100) - 1)).items == ()
    assert SegmentChooser(44_100, 2).segments().items == ()


def test_one_channel_stays_one_and_of_six_two_are_kept() -> None:
    assert chosen(noise(50_000, channels=1)[:, 0]).items[0].samples.shape[0] == 1
    six = chosen(noise(50_000, channels=6))
    assert six.channels == 6
    assert six.items[0].samples.shape[0] == 2


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000])
def test_windows_are_long_enough_at_every_rate_and_start_on_ten_milliseconds(rate: int) -> None:
    window = window_samples(rate)
    assert window >= GRID_SAMPLES
    if rate % 100 == 0:
        assert window % (rate // 100) == 0
        assert (window // (rate // 100) - 2) * 441 >= GRID_SAMPLES or rate <= 44_100


@pytest.mark.parametrize(("rate", "channels"), [(0, 2), (44_100, 0)])
def test_a_track_without_rate_or_channels_is_refused(rate: int, channels: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        SegmentChooser(rate, channels)
