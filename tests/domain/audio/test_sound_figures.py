"""Dynamic range, clipping, spectrum, bandwidth and encoder signatures, against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.bandwidth import bandwidth_of
from apps.domain.audio.clipping import CLIP_LEVEL, RUN, ClippingMeter
from apps.domain.audio.dynamics import RangeMeter, dr_block_samples
from apps.domain.audio.encoder import MAX_LENGTH, encoder_signature
from apps.domain.audio.profile import Codec
from apps.domain.audio.spectrum import CURVE_POINTS, AverageSpectrum, SpectrumMeter


def square(levels: list[float], *, rate: int) -> npt.NDArray[np.float32]:
    """One 3 s block of ±level each: RMS equals the level, so √2 of it is what the method calls RMS."""
    block = dr_block_samples(rate)
    signs = np.where(np.arange(block) % 2, 1.0, -1.0)
    return np.concatenate([level * signs for level in levels]).astype(np.float32)[None]


def dr_of(sound: npt.NDArray[np.float32], *, rate: int, cut: int = 9999) -> float | None:
    meter = RangeMeter(rate, len(sound))
    for at in range(0, sound.shape[1], cut):
        meter.feed(sound[:, at : at + cut])
    return meter.result()


def test_dynamic_range_by_hand() -> None:
    # Ten blocks: the loudest fifth are 0.5 and 0.4 (RMS as the method takes it: ×√2), the second-highest peak is 0.4.
    levels = [0.1, 0.1, 0.5, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1]
    loudest = math.sqrt((2 * 0.5**2 + 2 * 0.4**2) / 2)
    assert dr_of(square(levels, rate=8000), rate=8000) == pytest.approx(20 * math.log10(0.4 / loudest), abs=1e-3)


def test_peaks_between_quiet_blocks_make_range() -> None:
    sound = square([0.05] * 10, rate=8000)
    block = dr_block_samples(8000)
    for at in (1, 5):
        sound[0, at * block + 7] = 0.8
    # The loudest fifth are the two blocks with a peak in them.
    energy = 2 * ((block - 1) * 0.05**2 + 0.8**2) / block
    assert dr_of(sound, rate=8000) == pytest.approx(20 * math.log10(0.8 / math.sqrt(energy)), abs=1e-3)


def test_channels_are_averaged_and_a_silent_one_has_no_range() -> None:
    one = square([0.2] * 5, rate=8000)
    alone = dr_of(one, rate=8000)
    assert alone == pytest.approx(-20 * math.log10(math.sqrt(2)), abs=1e-3)
    both = dr_of(np.concatenate([one, np.zeros_like(one)]), rate=8000)
    assert both == pytest.approx(alone / 2, abs=1e-3)


def test_a_block_at_44_1_khz_is_as_long_as_the_originals() -> None:
    assert dr_block_samples(44_100) == 3 * 44_160
    assert dr_block_samples(48_000) == 3 * 48_000


def test_less_than_three_blocks_and_silence_have_no_range() -> None:
    assert dr_of(square([0.5, 0.5], rate=8000), rate=8000) is None
    assert dr_of(square([0.5, 0.5, 0.5], rate=8000)[:, :-1], rate=8000) is not None, (
        "the last block may be a part of one"
    )
    assert dr_of(np.zeros((2, 100_000), dtype=np.float32), rate=8000) is None
    assert RangeMeter(8000, 2).result() is None


# --- clipping ------------------------------------------------------------------------------------------------------------------------


def clipped(sound: npt.NDArray[np.float32], *, cut: int = 10**9) -> int:
    meter = ClippingMeter(len(sound), level=CLIP_LEVEL)
    for at in range(0, sound.shape[1], cut):
        meter.feed(sound[:, at : at + cut])
    return meter.clipped_ppm()


def plainly(rows: list[list[int]]) -> int:
    """Samples in runs, per million: one by one."""
    total = 0
    for row in rows:
        run, last = 0, 0
        for value in [*row, 0]:
            if value and value == last:
                run += 1
            else:
                total += run if run >= RUN else 0
                run = 1 if value else 0
            last = value
    return round(1e6 * total / sum(len(row) for row in rows))


@given(
    st.integers(1, 3).flatmap(
        lambda channels: st.integers(1, 60).flatmap(
            lambda length: st.lists(
                st.lists(st.sampled_from([0, 1, -1]), min_size=length, max_size=length),
                min_size=channels, max_size=channels,
            )
        )
    ),
    st.integers(1, 20),
)  # fmt: skip
def test_runs_are_counted_however_the_blocks_are_cut(rows: list[list[int]], cut: int) -> None:
    assert clipped(np.array(rows, dtype=np.float32), cut=cut) == plainly(rows)


def test_touching_the_rail_is_no_clipping() -> None:
    assert clipped(np.array([[0, 1, 1, 0, -1, -1, 0, 1, -1, 1, -1]], dtype=np.float32)) == 0
    assert ClippingMeter(2, level=1.0).clipped_ppm() == 0


def test_the_rail_of_16_bits_is_reached_on_both_sides() -> None:
    sound = np.array([[32767] * 3 + [0] * 4 + [-32767] * 3], dtype=np.float32) / 32768
    assert clipped(sound) == 600_000


# --- spectrum and bandwidth ----------------------------------------------------------------------------------------------------------


def spectrum_of(sound: npt.NDArray[np.float32], *, rate: int = 44_100, cut: int = 5000) -> AverageSpectrum:
    meter = SpectrumMeter(rate, len(sound))
    for at in range(0, sound.shape[1], cut):
        meter.feed(sound[:, at : at + cut])
    return meter.result()


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000, 192_000])
def test_a_full_scale_sine_reads_zero_db_at_its_frequency(rate: int) -> None:
    size = SpectrumMeter(rate, 1).size
    hz = round(rate / 10 / (rate / size)) * rate / size  # in the middle of a bin
    sound = np.sin(2 * np.pi * hz * np.arange(3 * rate) / rate).astype(np.float32)[None]
    spectrum = spectrum_of(sound, rate=rate)
    loudest = int(np.argmax(spectrum.levels))
    assert loudest * spectrum.step_hz == pytest.approx(hz)
    assert spectrum.levels[loudest] == pytest.approx(0.0, abs=0.05)
    assert len(spectrum.curve()[1]) <= CURVE_POINTS


def test_a_sound_shorter_than_one_look_has_a_spectrum_and_nothing_has_none() -> None:
    assert len(spectrum_of(np.ones((1, 1), dtype=np.float32)).levels) > 100
    nothing = SpectrumMeter(44_100, 2).result()
    assert len(nothing.levels) == 0 and nothing.curve()[1] == ()


def band_limited(edge_hz: float, *, rate: int, bits: int = 16) -> npt.NDArray[np.float32]:
    chance = np.random.default_rng(5)
    bins = np.fft.rfft(chance.standard_normal(6 * rate))
    bins[np.fft.rfftfreq(6 * rate, 1 / rate) > edge_hz] = 0
    sound = 0.1 * np.fft.irfft(bins)
    step = 2.0 ** (1 - bits)
    dither = chance.random(len(sound)) - chance.random(len(sound))
    return (np.round(sound / step + dither) * step).astype(np.float32)[None]


@pytest.mark.parametrize(("edge", "rate"), [(16_000, 44_100), (19_500, 44_100), (20_500, 48_000), (22_000, 96_000)])
def test_the_edge_of_a_low_pass_is_found_and_steep(edge: int, rate: int) -> None:
    found = bandwidth_of(spectrum_of(band_limited(edge, rate=rate), rate=rate))
    assert found is not None
    assert abs(found.edge_hz - edge) < 250
    assert found.steepness_db > 20
    assert (found.high_db is not None) == (rate > 60_000)


def test_full_noise_reaches_to_the_end() -> None:
    found = bandwidth_of(spectrum_of(band_limited(22_050, rate=44_100)))
    assert found is not None
    assert found.edge_hz > 21_900
    assert found.steepness_db == 0.0


def test_what_lies_above_24_5_khz_is_told_for_high_rates() -> None:
    low = bandwidth_of(spectrum_of(band_limited(22_000, rate=96_000, bits=24), rate=96_000))
    high = bandwidth_of(spectrum_of(band_limited(45_000, rate=96_000, bits=24), rate=96_000))
    assert low is not None and high is not None and low.high_db is not None and high.high_db is not None
    assert high.high_db - low.high_db > 60


def test_silence_has_no_bandwidth() -> None:
    assert bandwidth_of(spectrum_of(np.zeros((2, 44_100), dtype=np.float32))) is None
    assert bandwidth_of(SpectrumMeter(44_100, 2).result()) is None


# --- encoder -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "given", "expected"),
    [
        (Codec.FLAC, {"vendor": "reference libFLAC 1.4.2 20221022"}, "reference libFLAC 1.4.2"),
        (Codec.FLAC, {"vendor": "Lavf59.27.100"}, "Lavf59.27.100"),
        (Codec.MP3, {"vendor": "LAME3.100", "vbr": True, "lame_v": 0, "bitrate_kbps": 245}, "LAME 3.100 -V0"),
        (Codec.MP3, {"vendor": "LAME3.99r", "bitrate_kbps": 320}, "LAME 3.99r -b 320"),
        (Codec.MP3, {"vendor": "LAME3.99r", "vbr": True}, "LAME 3.99r VBR"),
        (Codec.MP3, {"tool": "Lavf59"}, "Lavf59"),
        (Codec.VORBIS, {"vendor": "Xiph.Org libVorbis I 20200704 (Reducing Environment)"}, "libVorbis 20200704"),
        (Codec.VORBIS, {"vendor": "AO; aoTuV b5 [20061024] (based on Xiph.Org's libVorbis)"}, "aoTuV b5"),
        (Codec.OPUS, {"vendor": "libopus 1.3.1"}, "libopus 1.3.1"),
        (Codec.AAC, {"tool": "iTunes 12.9.5.5, QuickTime 7.7.9"}, "iTunes 12.9.5.5, QuickTime 7.7.9"),
        (Codec.AAC, {}, ""),
    ],
)
def test_signatures_are_short_and_in_order(codec: Codec, given: dict[str, object], expected: str) -> None:
    assert encoder_signature(codec, **given) == expected  # type: ignore[arg-type]


@given(st.sampled_from(list(Codec)), st.text(max_size=600), st.text(max_size=600))
def test_no_text_from_a_file_breaks_a_signature(codec: Codec, vendor: str, tool: str) -> None:
    made = encoder_signature(codec, vendor=vendor, tool=tool, lame_v=3, vbr=True, bitrate_kbps=200)
    assert len(made) <= MAX_LENGTH
    assert made.isprintable()
