"""Verdicts: each kind of pretence is named with its numbers, honest sound shows no evidence, odd sound never breaks anything."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from apps.domain.audio.depth import find_padding
from apps.domain.audio.filterbanks import Family
from apps.domain.audio.levels import levels_of
from apps.domain.audio.profile import Codec
from apps.domain.audio.segments import SegmentChooser, Segments
from apps.domain.audio.transcode import TranscodeFacts, TranscodeVerdict, examine
from apps.domain.audio.upscale import expected_lowpass
from tests.domain.audio.toy_codec import Floats, coded, in_steps
from tests.sound_corpus import lowpassed, piece, quantised, resampled

FLAC_16 = TranscodeFacts(Codec.FLAC, bits=16)
FLAC_24 = TranscodeFacts(Codec.FLAC, bits=24)
MP3_320 = TranscodeFacts(Codec.MP3, bitrate_kbps=320)


@cache
def tune(rate: int = 44_100) -> Floats:
    return piece(77, rate=rate, seconds=5)


def heard(sound: npt.NDArray[np.generic], *, rate: int = 44_100) -> Segments:
    chooser = SegmentChooser(rate, sound.shape[1])
    chooser.feed(sound)  # type: ignore[arg-type]
    return chooser.segments()


def verdict(sound: npt.NDArray[np.generic], facts: TranscodeFacts = FLAC_16, *, rate: int = 44_100) -> TranscodeVerdict:
    return examine(heard(sound, rate=rate), facts)


def test_honest_sound_shows_no_evidence_and_is_not_called_genuine() -> None:
    said = verdict(quantised(tune(), bits=16))
    assert (said.suspect, said.code) == (False, "no_evidence")
    assert said.score < 0.8


@pytest.mark.parametrize(
    ("family", "code"), [(Family.MP3, "mp3_origin"), (Family.AAC_SINE, "aac_origin"), (Family.VORBIS, "vorbis_origin")]
)
def test_lossy_origin_is_named_with_its_numbers(family: Family, code: str) -> None:
    said = verdict(in_steps(coded(tune(), family, coarseness=0.5)))
    assert (said.suspect, said.code) == (True, code)
    assert said.score > 1
    evidence = said.evidence
    assert evidence["family"] == family.value
    assert float(str(evidence["z"])) / float(str(evidence["bar"])) == pytest.approx(said.score, abs=0.01)
    assert {"stage", "offset", "fold", "windows", "segments", "active_coefficients"} <= evidence.keys()


def test_the_curves_are_small_and_show_the_dip_where_it_is_said_to_be() -> None:
    said = verdict(in_steps(coded(tune(), Family.AAC, coarseness=0.5)))
    assert sum(len(one) for name, one in said.curves.items() if name.endswith("depth")) <= 600
    json.dumps([said.evidence, said.curves])
    depth, offset = said.curves["notch_depth"], said.curves["notch_offset"]
    assert len(depth) == len(offset)
    assert offset[int(np.argmax(depth))] == said.evidence["offset"]
    assert max(depth) == max(said.curves["fold_depth"])


def test_24_bits_that_are_16_with_zeros_behind_are_padded() -> None:
    said = verdict(quantised(tune(), bits=16), FLAC_24)
    assert (said.suspect, said.code, said.evidence["effective_bits"]) == (True, "padded_depth", 16)


@pytest.mark.parametrize("dither", [False, True])
def test_24_bits_that_were_16_before_a_change_of_gain_are_padded(dither: bool) -> None:
    before = quantised(tune(), bits=16) / 2**31
    said = verdict(quantised(0.7 * before, bits=24, dither=dither), FLAC_24)
    assert (said.suspect, said.code) == (True, "padded_depth")


def test_real_24_bits_are_not_padded() -> None:
    said = verdict(quantised(tune(), bits=24), FLAC_24)
    assert (said.code, said.evidence["effective_bits"]) == ("no_evidence", 24)


def test_what_the_whole_track_said_of_its_bits_counts_more_than_the_segments() -> None:
    segments = heard(quantised(tune(), bits=16))
    found = find_padding(segments, bits=24, effective_bits=24)
    assert found is not None
    assert found.effective_bits == 24


def test_96_khz_from_44_is_upsampled_and_from_the_source_is_not() -> None:
    lifted = quantised(resampled(tune() * 0.9, rate=44_100, to=96_000), bits=24)
    assert verdict(lifted, FLAC_24, rate=96_000).code == "upsampled"
    assert verdict(quantised(tune(96_000), bits=24), FLAC_24, rate=96_000).code == "no_evidence"


def test_an_mp3_that_ends_below_its_own_lowpass_is_an_upscale() -> None:
    ends_at_19 = quantised(lowpassed(tune(), rate=44_100, hz=18_700), bits=24)
    said = verdict(ends_at_19, MP3_320)
    assert (said.suspect, said.code) == (True, "mp3_upscaled")
    assert abs(int(str(said.evidence["edge_hz"])) - 18_700) < 500
    assert (
        verdict(ends_at_19, TranscodeFacts(Codec.MP3, bitrate_kbps=320, lame_lowpass_hz=18_600)).code == "no_evidence"
    )
    assert verdict(quantised(lowpassed(tune(), rate=44_100, hz=20_400), bits=24), MP3_320).code == "no_evidence"


def test_a_tag_says_best_where_an_encoder_ends_and_low_rates_say_nothing() -> None:
    def expected(kbps: int, *, v: int | None = None, tag: int = 0, rate: int = 44_100) -> int:
        return expected_lowpass(bitrate_kbps=kbps, vbr=v is not None, lame_v=v, lame_lowpass_hz=tag, rate=rate)

    assert expected(320) == 20_500
    assert expected(320, tag=16_000) == 16_000
    assert expected(245, v=0) == 19_500
    assert expected(245, v=0, tag=22_100) == 21_168
    assert expected(128) == 0
    assert expected(100, v=7) == 0
    assert expected(0) == 0
    assert expected(320, rate=22_050) == 0


def test_a_lowpass_alone_is_no_evidence_in_a_lossless_file() -> None:
    assert verdict(quantised(lowpassed(tune(), rate=44_100, hz=16_000), bits=16)).code == "no_evidence"


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros((0, 2), dtype=np.int32),
        np.zeros((400_000, 2), dtype=np.int32),
        np.full((400_000, 2), 1 << 30, dtype=np.int32),
        np.ones((1000, 1), dtype=np.float32),
        np.zeros((200_000, 1), dtype=np.float32),
    ],
)
def test_silence_and_snippets_are_too_little_to_say(sound: npt.NDArray[np.generic]) -> None:
    said = verdict(sound)
    assert (said.suspect, said.code, said.score) == (None, "too_little_signal", 0.0)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 32_000, 37_800, 48_000, 88_200, 176_400, 192_000])
def test_every_rate_has_an_answer(rate: int) -> None:
    sound = np.random.default_rng(rate).standard_normal((3 * rate, 1)) * 0.1
    assert verdict(sound.astype(np.float32), TranscodeFacts(Codec.PCM, bits=24), rate=rate).code in (
        "no_evidence",
        "too_little_signal",
    )


def test_full_scale_squares_tones_and_one_loud_click_have_an_answer() -> None:
    time = np.arange(300_000)
    square = np.where(time // 50 % 2, 32_767, -32_768).astype(np.int16)[:, None]
    tone = (20_000 * np.sin(time / 7)).astype(np.int16)[:, None]
    click = np.zeros((300_000, 6), dtype=np.int16)
    click[100_000] = 32_767
    for sound in (square, tone, click):
        assert verdict(sound).suspect in (None, False)


def test_a_codec_without_a_bank_is_not_searched() -> None:
    said = verdict(quantised(tune(), bits=16), TranscodeFacts(Codec.WMA, bitrate_kbps=192))
    assert (said.suspect, said.code, said.score) == (False, "no_evidence", 0.0)


def test_no_segments_have_no_levels() -> None:
    assert levels_of(heard(np.zeros((10, 1), dtype=np.int16))) is None


def test_negative_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        TranscodeFacts(Codec.FLAC, bits=-1)
