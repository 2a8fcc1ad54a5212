"""What stands for a track that no fingerprint can prove, and how sure that is."""

from __future__ import annotations

import pytest

from apps.domain.catalog.discogs import read_release
from apps.domain.catalog.identity import discogs_track_id
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.discogs_manifest import discogs_manifest
from apps.domain.jobs.likeness import LikeFile, LikeTrack, Verification, likenesses
from apps.domain.jobs.manifest import ManifestImpossible
from slskdn_site.demo.metadata_service.discogs import ANSWERS

TRACK = LikeTrack(title="Matters Arising", artist="Harbour Committee", length_ms=160_000)


def held(key: int = 1, **given: object) -> LikeFile:
    told: dict[str, object] = {
        "file_id": key,
        "title": "Matters Arising",
        "artist": "Harbour Committee",
        "name": "02 Matters Arising",
        "path": "Harbour Committee/Minutes/02 Matters Arising",
        "duration_ms": 161_000,
        "audio": b"one",
        "folder": b"here",
    }
    return LikeFile(**{**told, **given})  # type: ignore[arg-type]


def level(track: LikeTrack, *files: LikeFile) -> str:
    found = likenesses([track], {0: files})[0]
    return found.level.value if found is not None else ""


@pytest.mark.parametrize(("duration_ms", "fits"), [(160_000, True), (163_000, True), (157_000, True), (163_001, False), (156_999, False)])  # fmt: skip
def test_the_length_is_within_three_seconds(duration_ms: int, *, fits: bool) -> None:
    assert level(TRACK, held(duration_ms=duration_ms)) == ("duration" if fits else "")


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({"title": "matters arising"}, True),
        ({"title": "Matters Arisen"}, False),
        ({"title": "Matters Arising (Live)"}, False),
        ({"artist": "The Harbour Committee"}, True),
        ({"artist": "Somebody Else"}, False),
        ({"title": "", "artist": ""}, True),  # by the file's name and its folders
        ({"title": "", "artist": "", "path": "Somebody Else/02 Matters Arising"}, False),
        ({"title": "", "artist": "", "name": "Harbour Committee - Matters Arising", "path": "x/Harbour Committee - Matters Arising"}, True),
    ],
)  # fmt: skip
def test_title_and_artist_are_the_tracks(given: dict[str, object], *, fits: bool) -> None:
    assert level(TRACK, held(**given)) == ("duration" if fits else "")


def test_a_movement_may_be_tagged_without_its_work() -> None:
    track = LikeTrack(title="Soundings: Near Shore", artist="Harbour Committee", length_ms=250_000)
    assert level(track, held(title="Near Shore", duration_ms=250_000)) == "duration"
    assert level(track, held(title="Soundings: Near Shore", duration_ms=250_000)) == "duration"


def test_copies_of_one_audio_in_different_folders_are_a_consensus() -> None:
    assert level(TRACK, held(1), held(2, folder=b"there")) == "consensus"
    assert level(TRACK, held(1), held(2)) == "duration"  # beside each other: one copy
    assert level(TRACK, held(1), held(2, folder=b"there", audio=b"another")) == "duration"


def test_without_a_length_only_a_consensus_counts() -> None:
    track = LikeTrack(title="Matters Arising", artist="Harbour Committee", length_ms=None)
    assert level(track, held(1)) == ""
    assert level(track, held(1), held(2, folder=b"there")) == "consensus"


def test_without_a_length_a_title_that_stands_twice_tells_nothing() -> None:
    track = LikeTrack(title="Untitled", artist="Harbour Committee", length_ms=None)
    files = [held(1, title="Untitled"), held(2, title="Untitled", folder=b"there")]
    assert likenesses([track], {0: files}) == (None,)
    twin = LikeTrack(title="Matters Arising", artist="Harbour Committee", length_ms=None)
    assert likenesses([twin, twin], {0: [held(1), held(2, folder=b"x")], 1: [held(1), held(2, folder=b"x")]}) == (None, None)  # fmt: skip


def test_a_file_stands_for_one_track_and_the_nearest_pair_comes_first() -> None:
    first = LikeTrack(title="Untitled", artist="Harbour Committee", length_ms=100_000)
    second = LikeTrack(title="Untitled", artist="Harbour Committee", length_ms=102_000)
    one = held(1, title="Untitled", duration_ms=102_000)
    found = likenesses([first, second], {0: [one], 1: [one]})
    assert found[0] is None
    assert found[1] is not None
    assert found[1].file.file_id == 1
    both = likenesses([first, second], {0: [one, held(2, title="Untitled", duration_ms=100_000)], 1: [one]})
    assert [one.file.file_id for one in both if one is not None] == [2, 1]


def test_of_equals_the_better_one_is_taken() -> None:
    found = likenesses([TRACK], {0: [held(1, quality=0.4), held(2, quality=0.9, audio=b"two")]})[0]
    assert found is not None
    assert found.file.file_id == 2


def test_levels_fit_their_column() -> None:
    assert all(len(one.value) <= 12 for one in Verification)


def test_the_tracks_of_a_discogs_release_have_derived_ids_and_no_keys() -> None:
    release = read_release(ANSWERS["/releases/9000001"])
    manifest = discogs_manifest(release, constraints=Constraints())
    assert [(one.number, one.title, one.length_ms) for one in manifest.tracks] == [
        ("A1", "Apologies For Absence", 185_000),
        ("A2", "Matters Arising", 160_000),
        ("A3", "Any Other Business", None),
        ("B1", "Soundings: Near Shore", 250_000),
        ("B2", "Soundings: Far Shore", 355_000),
        ("B3", "Adjournment", 372_000),
    ]
    assert manifest.tracks[0].recording_mbid == discogs_track_id(9_000_001, 1, 1)
    assert manifest.release_mbid is None
    assert all(not one.release_mbids and one.track_mbid is None for one in manifest.tracks)
    assert (manifest.artist, manifest.year) == ("Harbour Committee", "1986")


def test_what_can_not_be_asked_for_is_said() -> None:
    release = read_release({"id": 7, "title": "x"})
    with pytest.raises(ManifestImpossible) as refused:
        discogs_manifest(release, constraints=Constraints())
    assert refused.value.code == "discogs_without_tracks"
    known = read_release(ANSWERS["/releases/9000001"])
    with pytest.raises(ManifestImpossible) as refused:
        discogs_manifest(known, constraints=Constraints.from_json({"tracks": [{"medium": 2, "position": 1}]}))
    assert refused.value.code == "track_not_on_release"
