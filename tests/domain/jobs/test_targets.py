"""What is held of a target: at its place, elsewhere, another recording, missing, too much."""

from __future__ import annotations

import uuid

import pytest

from apps.domain.jobs.targets import HeldFile, HeldState, TargetState, WantedTrack, target_report


def recording(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


TRACKS = tuple(
    WantedTrack(disc=1, position=n, title=f"Track {n}", recording_mbid=recording(n), length_ms=200_000)
    for n in (1, 2, 3)
)


def file(key: int, place: int, *, of: int | None = None, here: bool = True, **more: object) -> HeldFile:
    given: dict[str, object] = {"proven": True, "duration_ms": 200_000, **more}
    return HeldFile(
        key=key, here=here, disc=1 if place else 0, position=place, recording_mbid=recording(of) if of else None, **given  # type: ignore[arg-type]
    )  # fmt: skip


def states(*files: HeldFile) -> tuple[TargetState, list[HeldState], list[int]]:
    report = target_report(TRACKS, files)
    return report.state, [one.state for one in report.tracks], [one.key for one in report.extra]


HELD, ELSEWHERE, WRONG, MISSING = HeldState.HELD, HeldState.ELSEWHERE, HeldState.WRONG, HeldState.MISSING


def test_without_a_track_list_nothing_can_be_said() -> None:
    assert target_report((), [file(1, 1, of=1)]).state is TargetState.UNKNOWN


def test_all_three_are_complete_and_none_is_absent() -> None:
    assert states(*(file(n, n, of=n) for n in (1, 2, 3))) == (TargetState.COMPLETE, [HELD] * 3, [])
    assert states() == (TargetState.ABSENT, [MISSING] * 3, [])


def test_a_missing_track_is_named_and_would_be_fetched() -> None:
    report = target_report(TRACKS, [file(1, 1, of=1), file(3, 3, of=3)])
    assert report.state is TargetState.PARTIAL
    assert [(one.disc, one.position) for one in report.to_get] == [(1, 2)]


def test_a_file_of_another_album_counts_without_being_part_of_this_one() -> None:
    assert states(file(1, 1, of=1), file(2, 2, of=2), file(9, 7, of=3, here=False)) == (
        TargetState.COMPLETE,
        [HELD, HELD, ELSEWHERE],
        [],
    )


def test_another_recording_at_a_place_is_wrong_and_fetched_again() -> None:
    report = target_report(TRACKS, [file(1, 1, of=1), file(2, 2, of=77), file(3, 3, of=3)])
    assert report.state is TargetState.WRONG
    assert (report.tracks[1].state, report.tracks[1].code) == (WRONG, "target_other_recording")
    assert len(report.to_get) == 1


def test_an_unheard_file_counts_by_its_place_unless_it_is_of_another_length() -> None:
    unheard = file(2, 2, proven=False)
    assert states(file(1, 1, of=1), unheard, file(3, 3, of=3))[0] is TargetState.COMPLETE
    report = target_report(TRACKS, [file(2, 2, proven=False, duration_ms=90_000)])
    assert (report.tracks[1].state, report.tracks[1].code) == (WRONG, "target_other_length")


def test_bonus_tracks_and_second_copies_are_extra() -> None:
    bonus, copy = file(4, 4, of=44), file(11, 1, of=1)
    assert states(*(file(n, n, of=n) for n in (1, 2, 3)), bonus, copy) == (TargetState.EXTRA, [HELD] * 3, [11, 4])


def test_swapped_tracks_are_held_each_by_its_own_recording() -> None:
    assert states(file(1, 2, of=1), file(2, 1, of=2), file(3, 3, of=3)) == (TargetState.COMPLETE, [HELD] * 3, [])


def test_what_stands_at_its_place_goes_before_what_lies_elsewhere() -> None:
    report = target_report(TRACKS, [file(9, 5, of=1, here=False), file(1, 1, of=1)])
    assert report.tracks[0].file is not None
    assert report.tracks[0].file.key == 1


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_order_of_files_changes_nothing(order: tuple[int, ...]) -> None:
    assert states(*(file(n, n, of=n) for n in order)) == (TargetState.COMPLETE, [HELD] * 3, [])
