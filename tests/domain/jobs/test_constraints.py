"""What a job may wish for: read strictly, written back the same, and refused where nothing could keep it."""

from __future__ import annotations

import pytest

from apps.domain.jobs.constraints import (
    Constraints,
    ConstraintsInvalid,
    ConstraintUnavailable,
    TrackRef,
    refuse_unavailable,
)

EVERYTHING = Constraints(
    preferred_codecs=("mp3", "flac"),
    max_lossy_tracks_per_album=2,
    overlay_bandwidth_kbps=64,
    target_dir="New/Music",
    tracks=(TrackRef(medium=2, position=3),),
    prefer_canonical=False,
    download_mode="canonical",
    original_master=True,
    better_than=0.4,
    min_improvement=0.2,
    redownload=True,
    target_profile="flac-16-44100-2",
)


@pytest.mark.parametrize("wishes", [Constraints(), EVERYTHING])
def test_what_is_written_is_read_back(wishes: Constraints) -> None:
    assert Constraints.from_json(wishes.to_json()) == wishes
    refuse_unavailable(wishes, whole_release=True, soulseek=False)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"colour": "blue"}, "colour"),
        ({"version": 3}, "version"),
        ({"version": "1"}, "version"),
        ({"allow_lossy": 1}, "allow_lossy"),
        ({"overlay_bandwidth_kbps": True}, "overlay_bandwidth_kbps"),
        ({"overlay_bandwidth_kbps": 0}, "overlay_bandwidth_kbps"),
        ({"max_lossy_tracks_per_album": -1}, "max_lossy_tracks_per_album"),
        ({"allow_lossy": False, "max_lossy_tracks_per_album": 1}, "max_lossy_tracks_per_album"),
        ({"preferred_codecs": "flac"}, "preferred_codecs"),
        ({"preferred_codecs": ["flacc"]}, "preferred_codecs"),
        ({"preferred_codecs": ["flac", "flac"]}, "preferred_codecs"),
        ({"download_mode": "fast"}, "download_mode"),
        ({"better_than": 1.1}, "better_than"),
        ({"better_than": "0.4"}, "better_than"),
        ({"better_than": True}, "better_than"),
        ({"min_improvement": float("nan")}, "min_improvement"),
        ({"target_profile": "flac"}, "target_profile"),
        ({"redownload": None}, "redownload"),
        ({"prefer_canonical": "yes"}, "prefer_canonical"),
        ({"tracks": [{"position": 0}]}, "tracks"),
        ({"tracks": [{"position": 1, "side": "A"}]}, "tracks"),
        ({"tracks": [3]}, "tracks"),
        ({"target_dir": "../x"}, "target_dir"),
    ],
)
def test_what_means_nothing_is_refused_by_its_key_and_says_why(given: dict[str, object], key: str) -> None:
    with pytest.raises(ConstraintsInvalid) as refused:
        Constraints.from_json(given)
    assert refused.value.params == {"key": key, "why": refused.value.sentence.removesuffix(".")}


def test_without_the_mesh_and_without_soulseek_there_is_no_source() -> None:
    wishes = Constraints(use_overlay=False)
    with pytest.raises(ConstraintUnavailable) as refused:
        refuse_unavailable(wishes, whole_release=True, soulseek=False)
    assert refused.value.params == {"key": "use_overlay"}
    refuse_unavailable(wishes, whole_release=True, soulseek=True)


def test_a_recording_has_no_tracks_to_choose_from() -> None:
    with pytest.raises(ConstraintsInvalid):
        refuse_unavailable(Constraints(tracks=(TrackRef(medium=1, position=1),)), whole_release=False, soulseek=True)


def test_without_lossy_files_none_may_be_lossy() -> None:
    assert Constraints().lossy_limit is None
    assert Constraints(max_lossy_tracks_per_album=2).lossy_limit == 2
    assert Constraints(allow_lossy=False).lossy_limit == 0


def test_what_an_older_version_wrote_is_read() -> None:
    old = {"version": 1, "prefer_canonical": True, "original_master": False, "download_mode": "any"}
    assert Constraints.from_json(old) == Constraints(prefer_canonical=True, original_master=False)


def test_a_payload_must_beat_what_is_held_by_the_improvement() -> None:
    assert Constraints().quality_floor is None
    assert Constraints(better_than=0.65, min_improvement=0.1).quality_floor == 0.75


def test_what_a_job_leaves_open_is_as_configured() -> None:
    configured = {"prefer_canonical": False, "original_master": True, "min_improvement": 0.3}
    assert Constraints(better_than=0.5).as_configured(**configured) == Constraints(better_than=0.5, **configured)  # type: ignore[arg-type]
    said = Constraints(prefer_canonical=True, original_master=False, min_improvement=0.0)
    assert said.as_configured(**configured) == said  # type: ignore[arg-type]
