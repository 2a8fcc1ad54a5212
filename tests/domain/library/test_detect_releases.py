"""Which tracks of a release are missing."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from apps.domain.library.detect import ReleaseTrack, Thresholds
from apps.domain.library.detect_releases import HeldTrack, ReleaseHeld, ReleaseMedium, release_findings
from apps.domain.library.issues import IssueSeverity, IssueType

ALBUM = uuid.UUID(int=500)
T = Thresholds()


def track(position: int, medium: int = 1, title: str = "", recording: int = 0) -> ReleaseTrack:
    number = recording or medium * 100 + position
    return ReleaseTrack(
        medium=medium, position=position, recording_mbid=uuid.UUID(int=number), title=title or f"Track {number}"
    )


def held(*positions: int, medium: int = 1) -> list[HeldTrack]:
    return [
        HeldTrack(medium=medium, position=one, recording_mbid=uuid.UUID(int=medium * 100 + one)) for one in positions
    ]


def album(tracks: int = 4, *, have: list[HeldTrack], matched: bool = False) -> ReleaseHeld:
    medium = ReleaseMedium(position=1, format="CD", tracks=tuple(track(one) for one in range(1, tracks + 1)))
    return ReleaseHeld(mbid=ALBUM, title="Album", artist="Ada", media=(medium,), held=have, matched=matched)


def missing(release: ReleaseHeld, thresholds: Thresholds = T) -> list[tuple[int, int]]:
    found = release_findings(release, thresholds)
    assert all(one.type is IssueType.MISSING_TRACK for one in found)
    return [(one.medium_position or 0, one.track_position or 0) for one in found]


def test_a_whole_release_misses_nothing() -> None:
    assert missing(album(have=held(1, 2, 3, 4))) == []


def test_a_gap_in_an_album_is_found_and_says_what_is_missing() -> None:
    (found,) = release_findings(album(have=held(1, 2, 4)), T)
    assert (found.code, found.severity) == ("missing_track", IssueSeverity.MEDIUM)
    assert (found.release_mbid, found.medium_position, found.track_position) == (ALBUM, 1, 3)
    assert (found.recording_mbid, found.title, found.artist, found.album) == (
        uuid.UUID(int=103),
        "Track 103",
        "Ada",
        "Album",
    )
    assert (found.params["held"], found.params["total"], found.file_id) == (3, 4, None)


def test_a_single_loose_track_makes_no_release_incomplete_even_when_its_folder_was_matched() -> None:
    assert missing(album(have=held(3))) == []
    assert missing(album(have=held(3), matched=True)) == []
    assert missing(album(2, have=held(1))) == []


@pytest.mark.parametrize(
    ("count", "share", "matched", "found"),
    [
        (2, 0.5, False, True),
        (2, 0.51, False, False),
        (2, 0.51, True, True),
        (3, 0.75, False, True),
        (3, 0.8, False, False),
    ],
)
def test_from_which_share_on_a_release_counts_as_an_album_here_is_configured(
    count: int, share: float, matched: bool, found: bool
) -> None:
    release = album(have=held(*range(1, count + 1)), matched=matched)
    assert bool(missing(release, replace(T, missing_tracks_min_share=share))) is found


def test_a_file_without_a_known_recording_stands_for_its_place() -> None:
    have = [*held(1, 2), HeldTrack(medium=0, position=3, recording_mbid=None)]
    assert missing(album(have=have)) == [(1, 4)]


def test_a_file_that_is_another_recording_than_its_place_stands_for_the_recording() -> None:
    wrong_place = HeldTrack(medium=1, position=4, recording_mbid=uuid.UUID(int=103))
    assert missing(album(have=[*held(1, 2), wrong_place])) == [(1, 4)]


def test_a_second_copy_does_not_stand_for_another_track() -> None:
    copy = HeldTrack(medium=1, position=4, recording_mbid=uuid.UUID(int=101))
    assert missing(album(have=[*held(1, 2, 3), copy])) == [(1, 4)]


def test_a_recording_that_is_on_a_release_twice_needs_two_files() -> None:
    medium = ReleaseMedium(position=1, format="CD", tracks=(track(1), track(2), track(3, recording=101)))
    release = ReleaseHeld(mbid=ALBUM, title="A", artist="B", media=(medium,), held=held(1, 2), matched=False)
    assert missing(release) == [(1, 3)]
    both = [*held(1, 2), HeldTrack(medium=1, position=3, recording_mbid=uuid.UUID(int=101))]
    assert missing(replace(release, held=both)) == []


def test_a_disc_of_which_nothing_is_here_is_a_smaller_matter_than_a_gap() -> None:
    media = tuple(
        ReleaseMedium(position=disc, format="CD", tracks=tuple(track(one, disc) for one in (1, 2, 3)))
        for disc in (1, 2)
    )
    release = ReleaseHeld(mbid=ALBUM, title="A", artist="B", media=media, held=held(1, 2, 3), matched=False)
    found = release_findings(release, T)
    assert [(one.medium_position, one.code, one.severity) for one in found] == [
        (2, "missing_medium", IssueSeverity.LOW)
    ] * 3


@pytest.mark.parametrize("kind", ["DVD-Video", "Blu-ray", "VHS"])
def test_pictures_are_not_missed(kind: str) -> None:
    media = (
        ReleaseMedium(position=1, format="CD", tracks=(track(1), track(2))),
        ReleaseMedium(position=2, format=kind, tracks=(track(1, 2),)),
    )
    release = ReleaseHeld(mbid=ALBUM, title="A", artist="B", media=media, held=held(1, 2), matched=True)
    assert missing(release) == []
    audio = replace(release, media=(media[0], replace(media[1], format="DVD-Audio")))
    assert missing(audio) == [(2, 1)]


def test_data_tracks_are_not_missed() -> None:
    medium = ReleaseMedium(position=1, format="CD", tracks=(track(1), track(2), track(3, title="[data track]")))
    release = ReleaseHeld(mbid=ALBUM, title="A", artist="B", media=(medium,), held=held(1, 2), matched=True)
    assert missing(release) == []


def test_each_missing_track_is_an_issue_of_its_own_that_is_the_same_next_time() -> None:
    first = release_findings(album(have=held(1, 2)), T)
    second = release_findings(album(have=held(2, 1), matched=True), T)
    assert len({one.key for one in first}) == 2
    assert [one.key for one in first] == [one.key for one in second]
