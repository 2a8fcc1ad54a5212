"""Downloads are judged by their sound only as far as a job's wishes ask for it; what is refused is remembered only for jobs that wish the same."""

from __future__ import annotations

import pytest

from apps.domain.audio.profile import Codec, parse_profile
from apps.domain.audio.quality import QualityFacts
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.sound_judgement import judge_sound, sound_matters
from apps.domain.jobs.verdicts import DENYING, WISHES, binds

FLAC, MP3 = parse_profile("flac-16-44100-2"), parse_profile("mp3-320-44100-2")


def facts(*, suspect: bool | None = False, lossless: bool = True) -> QualityFacts:
    return QualityFacts(
        codec=Codec.FLAC if lossless else Codec.MP3, lossless=lossless, bitrate_kbps=900 if lossless else 320, rate_hz=44_100,
        channels=2, bits=16 if lossless else 0, clipped_ppm=0, dynamic_range=12.0, loudness_range_lu=9.0, suspect=suspect,
        verdict="mp3_origin" if suspect else "",
    )  # fmt: skip


def refused(wishes: Constraints, **sound: bool | None) -> str | None:
    one = facts(**sound)  # type: ignore[arg-type]
    found = judge_sound(one, profile=FLAC if one.lossless else MP3, wishes=wishes)
    return None if found is None else found.code


@pytest.mark.parametrize(
    ("wishes", "sound", "code"),
    [
        (Constraints(), {"suspect": True}, None),
        (Constraints(download_mode="no-transcodes"), {"suspect": True}, "transcode_suspected"),
        (Constraints(download_mode="canonical"), {"suspect": True}, "transcode_suspected"),
        (Constraints(download_mode="no-transcodes"), {"suspect": None}, None),
        (Constraints(download_mode="no-transcodes"), {"suspect": False, "lossless": False}, None),
        (Constraints(download_mode="canonical", target_profile=str(FLAC)), {"lossless": False}, "below_canonical"),
        (Constraints(download_mode="canonical", target_profile=str(MP3)), {"lossless": True}, None),
        (Constraints(target_profile=str(FLAC)), {"lossless": False}, None),
        (Constraints(better_than=0.65, min_improvement=0.1), {"lossless": False}, "not_better"),
        (Constraints(better_than=0.64, min_improvement=0.1), {"lossless": False}, None),
        (Constraints(better_than=0.65, min_improvement=0.1), {"lossless": True}, None),
        (Constraints(better_than=0.65, min_improvement=0.1), {"lossless": True, "suspect": True}, "not_better"),
    ],
)
def test_a_file_is_refused_by_the_wish_that_it_fails(
    wishes: Constraints, sound: dict[str, bool | None], code: str | None
) -> None:
    assert refused(wishes, **sound) == code


def test_only_wishes_about_the_sound_need_an_analysis() -> None:
    assert not sound_matters(Constraints(prefer_canonical=True, target_profile=str(FLAC)))
    assert sound_matters(Constraints(download_mode="no-transcodes"))
    assert sound_matters(Constraints(better_than=0.0))


def test_a_job_that_minds_less_may_still_have_what_another_refused() -> None:
    strict, plain = Constraints(download_mode="no-transcodes"), Constraints()
    assert WISHES < DENYING
    assert binds("transcode_suspected", {}, strict)
    assert not binds("transcode_suspected", {}, plain)
    assert binds("below_canonical", {}, Constraints(download_mode="canonical"))
    assert not binds("below_canonical", {}, strict)
    assert binds("not_better", {"score": 0.7}, Constraints(better_than=0.65, min_improvement=0.1))
    assert not binds("not_better", {"score": 0.7}, Constraints(better_than=0.5, min_improvement=0.1))
    assert not binds("not_better", {"score": 0.7}, plain)
    assert binds("wrong_recording", {}, plain)
