"""The quality score: its landmarks, and what must hold of it whatever the facts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.profile import LOSSLESS, Codec, parse_profile
from apps.domain.audio.quality import (
    TRANSCODE_CODES,
    QualityFacts,
    QualityScore,
    profile_ceiling,
    profile_quality,
    quality_score,
)

CLEAN = {"clipped_ppm": 0, "dynamic_range": 12.0, "loudness_range_lu": 9.0, "suspect": False, "verdict": "no_evidence"}


def _flac(**more: object) -> QualityFacts:
    facts = QualityFacts(codec=Codec.FLAC, lossless=True, bitrate_kbps=900, rate_hz=44_100, channels=2, bits=16)
    return replace(facts, **more)  # type: ignore[arg-type]


def _mp3(kbps: int, **more: object) -> QualityFacts:
    facts = QualityFacts(codec=Codec.MP3, lossless=False, bitrate_kbps=kbps, rate_hz=44_100, channels=2)
    return replace(facts, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "score"),
    [
        (_flac(**CLEAN), 1.00),
        (_flac(), 0.91),
        (_flac(clipped_ppm=50, dynamic_range=6.0, loudness_range_lu=4.0, suspect=False), 0.90),
        (_flac(**CLEAN | {"suspect": True, "verdict": "mp3_origin"}), 0.40),
        (_mp3(320, **CLEAN), 0.74),
        (_mp3(320), 0.65),
        (_mp3(128, **CLEAN), 0.54),
        (_mp3(320, **CLEAN | {"suspect": True, "verdict": "mp3_upscaled"}), 0.39),
    ],
)
def test_the_landmarks_of_the_scale_stand_where_the_thresholds_expect_them(facts: QualityFacts, score: float) -> None:
    assert quality_score(facts).score == pytest.approx(score, abs=0.006)


def test_a_fake_hires_file_is_improved_upon_by_the_honest_one() -> None:
    honest = quality_score(_flac(**CLEAN)).score
    fake = {"rate_hz": 96_000, "bits": 24, "effective_bits": 24, "suspect": True, "verdict": "upsampled"}
    upsampled = quality_score(_flac(**CLEAN | fake)).score
    padded = quality_score(_flac(**CLEAN | {"bits": 24, "effective_bits": 16})).score
    assert honest - upsampled >= 0.1
    assert honest - padded >= 0.1


def test_each_penalty_is_a_term_with_its_code() -> None:
    terms = {one.name: one for one in quality_score(_flac(suspect=True, verdict="aac_origin")).terms}
    assert terms["transcode"].code == "aac_origin"
    assert terms["transcode"].points < 0
    assert "transcode" not in {one.name for one in quality_score(_flac(suspect=False, verdict="no_evidence")).terms}
    assert {one.code for one in quality_score(_flac(suspect=True)).terms} >= {"suspect"}


def test_too_little_signal_is_neither_praised_nor_blamed() -> None:
    unsure = quality_score(_flac(suspect=None, verdict="too_little_signal"))
    assert unsure.score == quality_score(_flac()).score


def test_a_word_beyond_what_a_profile_can_be_is_above_its_ceiling() -> None:
    assert profile_ceiling(parse_profile("mp3-128-44100-2")) < profile_quality(parse_profile("flac-16-44100-2"))
    for text in ("flac-16-44100-2", "mp3-v0-44100-2", "vorbis-q6-44100-1", "opus-128-48000-2"):
        assert profile_quality(parse_profile(text)) < profile_ceiling(parse_profile(text)) <= 1.0


def test_impossible_facts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        _flac(clipped_ppm=-1)
    with pytest.raises(ValueError, match="finite"):
        _flac(dynamic_range=float("nan"))


_VERDICTS = [
    *sorted(TRANSCODE_CODES),
    "",
    "no_evidence",
    "too_little_signal",
    "mp3_upscaled",
    "upsampled",
    "padded_depth",
]


@st.composite
def facts_of_any_kind(draw: st.DrawFn) -> QualityFacts:
    codec = draw(st.sampled_from(list(Codec)))
    lossless = codec in LOSSLESS
    bits = draw(st.sampled_from([0, 8, 12, 16, 20, 24, 32])) if lossless else 0
    return QualityFacts(
        codec=codec,
        lossless=lossless,
        bitrate_kbps=draw(st.integers(0, 3000)),
        rate_hz=draw(st.sampled_from([0, 8000, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000, 384_000])),
        channels=draw(st.integers(1, 8)),
        bits=bits,
        effective_bits=draw(st.one_of(st.none(), st.integers(0, 32))),
        clipped_ppm=draw(st.one_of(st.none(), st.integers(0, 1_000_000))),
        dynamic_range=draw(st.one_of(st.none(), st.floats(-5, 40))),
        loudness_range_lu=draw(st.one_of(st.none(), st.floats(0, 60))),
        suspect=draw(st.sampled_from([None, False, True])),
        verdict=draw(st.sampled_from(_VERDICTS)),
    )


def _of(facts: QualityFacts) -> float:
    return quality_score(facts).score


@given(facts_of_any_kind())
def test_a_score_lies_between_0_and_1_and_is_the_sum_of_its_terms(facts: QualityFacts) -> None:
    made: QualityScore = quality_score(facts)
    assert 0 <= made.score <= 1
    assert made.score == pytest.approx(min(1, max(0, sum(one.points for one in made.terms))), abs=1e-4)
    assert sum(one.weight for one in made.terms if one.weight > 0) == pytest.approx(1)
    assert all(0 <= one.value <= 1 and one.code for one in made.terms)


@given(facts_of_any_kind(), st.integers(0, 1_000_000))
def test_more_clipping_never_raises_a_score(facts: QualityFacts, more: int) -> None:
    less = facts.clipped_ppm or 0
    assert _of(replace(facts, clipped_ppm=less + more)) <= _of(replace(facts, clipped_ppm=less))


@given(facts_of_any_kind(), st.integers(0, 1000))
def test_more_bits_a_second_never_lower_a_score(facts: QualityFacts, more: int) -> None:
    some = max(facts.bitrate_kbps, 1)
    assert _of(replace(facts, bitrate_kbps=some + more)) >= _of(replace(facts, bitrate_kbps=some))


@given(facts_of_any_kind(), st.floats(0, 20))
def test_more_dynamics_never_lower_a_score(facts: QualityFacts, more: float) -> None:
    some = facts.dynamic_range or 0.0
    assert _of(replace(facts, dynamic_range=some + more)) >= _of(replace(facts, dynamic_range=some))
    narrow = facts.loudness_range_lu or 0.0
    assert _of(replace(facts, loudness_range_lu=narrow + more)) >= _of(replace(facts, loudness_range_lu=narrow))


@given(facts_of_any_kind())
def test_suspicion_never_raises_a_score(facts: QualityFacts) -> None:
    assert _of(replace(facts, suspect=True)) <= _of(replace(facts, suspect=False, verdict="no_evidence"))


@given(facts_of_any_kind())
def test_keeping_every_sample_never_scores_below_a_lossy_encoding_with_the_same_facts(facts: QualityFacts) -> None:
    clean = replace(facts, suspect=False, verdict="no_evidence", effective_bits=None)
    lossless = replace(clean, codec=Codec.FLAC, lossless=True, bits=16)
    lossy = replace(clean, codec=Codec.OPUS, lossless=False, bits=0)
    assert _of(lossless) > _of(lossy)


@given(facts_of_any_kind())
def test_measuring_something_good_never_lowers_and_something_bad_never_raises(facts: QualityFacts) -> None:
    for name, good, bad in (
        ("clipped_ppm", 0, 1_000_000), ("dynamic_range", 20.0, 0.0), ("loudness_range_lu", 20.0, 0.0)
    ):  # fmt: skip
        unknown = _of(replace(facts, **{name: None}))
        assert _of(replace(facts, **{name: good})) >= unknown >= _of(replace(facts, **{name: bad}))
