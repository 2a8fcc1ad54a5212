"""Which files are copies of each other."""

from __future__ import annotations

import uuid
from dataclasses import replace

from apps.domain.library.detect import Thresholds
from apps.domain.library.detect_duplicates import Copy, best_first, duplicate_findings

SONG, ALBUM, HITS = (uuid.UUID(int=number) for number in (1, 2, 3))
T = Thresholds()


def copy(file_id: int, **facts: object) -> Copy:
    base = Copy(
        file_id=file_id,
        root_id=1,
        variant_id=file_id,
        path=f"{file_id}.flac",
        size_bytes=100,
        recording_mbid=SONG,
        release_mbid=ALBUM,
        medium=1,
        position=1,
        duration_ms=200_000,
        profile="flac-44100-2-16",
        quality=0.5,
        pcm_md5=None,
    )
    return replace(base, **facts)  # type: ignore[arg-type]


def test_one_file_is_no_copy() -> None:
    assert duplicate_findings([copy(1)], T) == ()
    assert duplicate_findings([], T) == ()


def test_two_files_of_one_track_are_one_issue_about_the_worse_one() -> None:
    (found,) = duplicate_findings([copy(1, quality=0.9), copy(2, quality=0.4, profile="mp3")], T)
    assert (found.code, found.file_id, found.path) == ("duplicate_recording", 2, "2.flac")
    assert (found.params["keep"], found.params["copies"], found.params["files"]) == (1, 2, ["1", "2"])
    assert found.params["spare_bytes"] == 100


def test_the_same_payload_and_the_same_sound_are_told_as_such() -> None:
    (twin,) = duplicate_findings([copy(1, variant_id=7), copy(2, variant_id=7)], T)
    assert twin.code == "duplicate_payload"
    (same,) = duplicate_findings([copy(1, pcm_md5=b"x"), copy(2, pcm_md5=b"x")], T)
    assert same.code == "duplicate_sound"


def test_a_song_on_an_album_and_on_a_compilation_is_no_copy() -> None:
    assert duplicate_findings([copy(1), copy(2, release_mbid=HITS)], T) == ()


def test_a_loose_file_joins_the_only_release_there_is() -> None:
    (found,) = duplicate_findings([copy(1), copy(2, release_mbid=None)], T)
    assert found.params["keep"] == 1
    apart = [copy(1), copy(2, release_mbid=HITS), copy(3, release_mbid=None)]
    assert duplicate_findings(apart, T) == ()
    assert len(duplicate_findings([*apart, copy(4, release_mbid=None)], T)) == 1


def test_a_recording_that_stands_twice_on_its_release_is_no_copy_of_itself() -> None:
    assert duplicate_findings([copy(1), copy(2, position=9)], T) == ()
    assert len(duplicate_findings([copy(1), copy(2, position=9), copy(3, position=9)], T)) == 1


def test_files_under_different_roots_are_no_copies() -> None:
    assert duplicate_findings([copy(1), copy(2, root_id=2)], T) == ()
    assert len(duplicate_findings([copy(1), copy(2, root_id=2), copy(3, root_id=2)], T)) == 1


def test_what_lasts_longer_than_the_tolerance_allows_is_no_copy() -> None:
    assert duplicate_findings([copy(1), copy(2, duration_ms=203_001)], T) == ()
    assert duplicate_findings([copy(1), copy(2, duration_ms=203_000)], T) != ()
    assert duplicate_findings([copy(1), copy(2, duration_ms=203_001)], replace(T, duration_tolerance_ms=3001)) != ()


def test_payloads_that_nobody_knows_are_copies_by_their_bytes() -> None:
    twins = [
        copy(1, variant_id=7, recording_mbid=None, release_mbid=None),
        copy(2, variant_id=7, recording_mbid=None, release_mbid=None),
    ]
    (found,) = duplicate_findings(twins, T)
    assert (found.code, found.recording_mbid) == ("duplicate_payload", None)


def test_the_best_is_kept_by_sound_then_length_then_place_then_age() -> None:
    ordered = [
        copy(4, quality=0.9),
        copy(3, duration_ms=200_500),
        copy(2),
        copy(5),
        copy(1, release_mbid=None),
        copy(6, quality=None),
    ]
    assert best_first(reversed(ordered)) == ordered  # type: ignore[arg-type]


def test_the_issue_stays_the_same_when_another_copy_is_the_worst() -> None:
    (first,) = duplicate_findings([copy(1, quality=0.9), copy(2, quality=0.4)], T)
    (second,) = duplicate_findings([copy(1, quality=0.4), copy(2, quality=0.9)], T)
    assert first.key == second.key
    assert (first.file_id, second.file_id) == (2, 1)


def test_of_files_that_are_as_good_the_one_with_a_copys_name_goes() -> None:
    for name in ("a (copy).flac", "a (2).flac", "a - Copy.flac", "a copy 2.flac", "a (Copy 3).flac"):
        (found,) = duplicate_findings([copy(1, path=f"b/{name}"), copy(2, path="b/a.flac")], T)
        assert (found.params["keep"], found.path) == (2, f"b/{name}"), name
    for name in ("Photocopy.flac", "a (1999).flac", "a (live).flac"):
        (found,) = duplicate_findings([copy(1, path=f"b/{name}"), copy(2, path="b/a.flac")], T)
        assert found.params["keep"] == 1, name
