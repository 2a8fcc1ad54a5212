"""States of scans, when a folder counts as there, and the arithmetic of progress."""

from __future__ import annotations

import itertools

import pytest

from apps.domain.library.scans import (
    SCAN_LIVE,
    SCAN_MOVES,
    STALL_TRIES,
    RootEvidence,
    ScanCounts,
    ScanState,
    cursor_of_row,
    progress,
    root_verdict,
    row_of_cursor,
    stall_delay_s,
)


def test_every_state_is_reached_and_what_has_ended_stays_so() -> None:
    assert set(SCAN_MOVES) == set(ScanState)
    reached = set().union(*SCAN_MOVES.values())
    assert reached == set(ScanState)
    assert {state for state, targets in SCAN_MOVES.items() if not targets} == set(ScanState) - SCAN_LIVE


def evidence(**given: object) -> RootEvidence:
    facts: dict[str, object] = {"is_folder": True, "marker_known": "m", "marker_found": None, "files_known": True}
    return RootEvidence(**{**facts, "file_found": False, **given})  # type: ignore[arg-type]


def test_an_absent_or_empty_mount_is_never_a_folder_without_files() -> None:
    assert root_verdict(evidence(is_folder=False)) == "root_missing"
    assert root_verdict(evidence()) == "root_missing"
    assert root_verdict(evidence(marker_known="")) == "root_missing"
    assert root_verdict(evidence(marker_found="other")) == "root_differs"


@pytest.mark.parametrize(
    "given",
    [
        {"marker_found": "m"},
        {"file_found": True},
        {"files_known": False},
        {"marker_known": "", "files_known": False},
        {"marker_found": "other", "file_found": True},
        {"marker_found": "m", "file_found": True},
    ],
)
def test_a_marker_a_known_file_or_nothing_to_lose_lets_a_folder_count_as_there(given: dict[str, object]) -> None:
    assert root_verdict(evidence(**given)) == "present"


def test_without_a_folder_nothing_else_counts() -> None:
    for found, known, files, file in itertools.product(("m", None), ("m", ""), (True, False), (True, False)):
        given = evidence(is_folder=False, marker_found=found, marker_known=known, files_known=files, file_found=file)
        assert root_verdict(given) == "root_missing"


def test_stalls_are_waited_for_ever_longer_and_not_for_ever() -> None:
    delays = [stall_delay_s(tries) for tries in range(1, STALL_TRIES + 1)]
    waits = [one for one in delays if one is not None]
    assert waits == sorted(waits) and delays[-1] is None and len(waits) == STALL_TRIES - 1


def counts(state: ScanState, **given: object) -> ScanCounts:
    facts: dict[str, object] = {
        "seen": 0, "expected": None, "to_read": 0, "read": 0, "bytes_read": 0, "window_s": 10.0, "window_seen": 0, "window_read": 0,
        "window_bytes": 0,
    }  # fmt: skip
    return ScanCounts(state=state, **{**facts, **given})  # type: ignore[arg-type]


def test_reading_tells_rate_and_time_left_of_the_current_stretch() -> None:
    found = progress(counts(ScanState.READING, to_read=100, read=60, window_read=20, window_bytes=4000))
    assert (found.done, found.total, found.share) == (60, 100, 0.6)
    assert (found.files_per_s, found.bytes_per_s, found.eta_s) == (2.0, 400.0, 20.0)


def test_a_first_walk_has_no_total_and_a_later_one_expects_what_the_last_saw() -> None:
    first = progress(counts(ScanState.WALKING, seen=50, window_seen=50))
    assert (first.total, first.share, first.eta_s, first.files_per_s) == (None, None, None, 5.0)
    later = progress(counts(ScanState.WALKING, seen=50, expected=200, window_seen=50))
    assert (later.total, later.share, later.eta_s) == (200, 0.25, 30.0)
    grown = progress(counts(ScanState.WALKING, seen=300, expected=200, window_seen=50))
    assert (grown.total, grown.share, grown.eta_s) == (300, 1.0, 0.0)


def test_nothing_is_foretold_from_nothing() -> None:
    assert progress(counts(ScanState.QUEUED)).eta_s is None
    assert progress(counts(ScanState.READING, to_read=5, window_s=0.2, window_read=5, read=1)).eta_s is None
    paused = progress(counts(ScanState.PAUSED, to_read=10, read=5, window_read=5))
    assert (paused.share, paused.eta_s, paused.files_per_s) == (0.5, None, None)
    assert progress(counts(ScanState.COMPLETED, seen=7)).share == 1.0
    assert progress(counts(ScanState.READING)).share == 1.0


def test_the_cursor_of_the_second_stage_is_no_path() -> None:
    assert row_of_cursor(cursor_of_row(42)) == 42
    assert row_of_cursor(b"Artist/x.flac") is None and row_of_cursor(b"") is None
