"""Whom to ask first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.jobs.constraints import Constraints
from apps.domain.soulseek.candidates import SharerHistory, SharerResult, album_candidates, track_candidates
from apps.domain.soulseek.results import SharedFile
from tests.domain.soulseek.facts import RELEASE

NAMES = ("01 - Winter Garden", "02 - Second Song (live)", "03 - Third, and Last")
LENGTHS = (180, 200, 240)
FOLDER = r"Music\Some Artist\2001 - An Album"


def files(extension: str = "flac", *, folder: str = FOLDER, count: int = 3, **more: object) -> tuple[SharedFile, ...]:
    return tuple(
        SharedFile(path=rf"{folder}\{name}.{extension}", size=20_000_000, length_s=length, **more)  # type: ignore[arg-type]
        for name, length in list(zip(NAMES, LENGTHS, strict=True))[:count]
    )


def sharer(user: str, some: tuple[SharedFile, ...] | None = None, **more: object) -> SharerResult:
    return SharerResult(user=user, files=files() if some is None else some, free_slot=True, speed_bps=1_000_000, **more)  # type: ignore[arg-type]


def order(*results: SharerResult, wishes: Constraints | None = None, **more: object) -> list[str]:
    found = album_candidates(RELEASE, results, wishes=wishes or Constraints(), **more)  # type: ignore[arg-type]
    return [one.user for one in found if not one.refused]


def test_a_whole_folder_goes_before_a_better_half() -> None:
    assert order(sharer("half", files(count=2)), sharer("whole", files("mp3", bitrate_kbps=320))) == ["whole", "half"]


def test_of_equal_folders_the_preferred_codec_goes_first_then_the_sooner_then_the_reliable() -> None:
    assert order(sharer("mp3", files("mp3", bitrate_kbps=320)), sharer("flac")) == ["flac", "mp3"]
    wishes = Constraints(preferred_codecs=("mp3", "flac"))
    assert order(sharer("mp3", files("mp3", bitrate_kbps=320)), sharer("flac"), wishes=wishes) == ["mp3", "flac"]
    queued = replace(sharer("queued"), free_slot=False, queue=40)
    assert order(queued, sharer("free")) == ["free", "queued"]
    bad = sharer("bad", history=SharerHistory(failed=5))
    good = sharer("good", history=SharerHistory(completed=5))
    assert order(bad, sharer("unknown"), good) == ["good", "unknown", "bad"]


@pytest.mark.parametrize(
    ("some", "wishes", "code"),
    [
        (files("mp3", bitrate_kbps=320), Constraints(allow_lossy=False), "lossy"),
        (files("mp3"), Constraints(better_than=0.99, min_improvement=0.005), "no_better"),
        (tuple(replace(one, length_s=(one.length_s or 0) + 12) for one in files()), Constraints(), "another_length"),
        (
            tuple(
                replace(one, path=rf"{FOLDER}\{at:02} - Zzyzx Quorum.flac", length_s=None)
                for at, one in enumerate(files(), 1)
            ),
            Constraints(),
            "fits_badly",
        ),
    ],
)
def test_what_may_not_be_taken_is_refused_with_its_reason(
    some: tuple[SharedFile, ...], wishes: Constraints, code: str
) -> None:
    (one,) = album_candidates(RELEASE, [sharer("user", some)], wishes=wishes)
    assert (one.refused, one.score, one.whole) == (code, 0.0, False)


def test_who_is_barred_and_what_failed_for_good_is_never_asked_again() -> None:
    barred = sharer("barred", barred="ignored")
    path = files()[1].path
    found = album_candidates(RELEASE, [barred, sharer("user")], spent={("user", path): "failed_before"})
    assert [(one.user, one.refused) for one in found] == [("user", ""), ("barred", "ignored")]
    assert [one.position for one in found[0].missing] == [2]
    everything = {("user", one.path): "failed_before" for one in files()}
    (one,) = album_candidates(RELEASE, [sharer("user")], spent=everything)
    assert one.refused == "failed_before"


def test_only_so_many_lossy_tracks_are_taken() -> None:
    wishes = Constraints(max_lossy_tracks_per_album=1)
    (one,) = album_candidates(RELEASE, [sharer("user", files("mp3", bitrate_kbps=320))], wishes=wishes)
    assert (len(one.files), len(one.missing), one.refused) == (1, 2, "")


def test_single_files_are_candidates_for_one_recording() -> None:
    track = RELEASE.tracks[1]
    release = replace(RELEASE, tracks=(track,))
    found = track_candidates(track, [sharer("user")], release=release)
    assert [one.files[0].file.name for one in found if not one.refused] == ["02 - Second Song (live).flac"]


def test_every_score_is_the_weighted_mean_of_its_terms_and_pictures_are_no_tracks() -> None:
    some = (*files(), SharedFile(path=rf"{FOLDER}\cover.jpg", size=5))
    (one,) = album_candidates(RELEASE, [sharer("user", some)])
    total = sum(term.value * term.weight for term in one.terms) / sum(term.weight for term in one.terms)
    assert one.score == pytest.approx(total, abs=1e-4)
    assert {term.name for term in one.terms} == {"completeness", "fit", "codec", "quality", "time", "reliability"}
    assert one.whole


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_same_results_give_the_same_order(users: list[str]) -> None:
    assert order(*(sharer(user) for user in users)) == ["a", "b", "c", "d"]
