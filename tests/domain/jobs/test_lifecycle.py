"""The tables of states: whole, without ways out of an end except those a person opens, and jobs told from their tracks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import pytest

from apps.domain.jobs.lifecycle import (
    JOB_ENDED,
    JOB_MOVES,
    TRACK_ENDED,
    TRACK_MOVES,
    TRANSFER_LIVE,
    TRANSFER_MOVES,
    JobState,
    TrackState,
    TransferState,
    job_state_of_tracks,
)

TABLES: list[tuple[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]], StrEnum]] = [
    (JobState, JOB_MOVES, JobState.PENDING),  # type: ignore[list-item]
    (TrackState, TRACK_MOVES, TrackState.WANTED),  # type: ignore[list-item]
    (TransferState, TRANSFER_MOVES, TransferState.FETCHING),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("states", "moves", "first"), TABLES)
def test_every_state_is_in_the_table_reached_from_the_first_and_never_moves_to_itself(
    states: type[StrEnum], moves: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum
) -> None:
    assert set(moves) == set(states)
    assert all(state not in targets for state, targets in moves.items())
    reached, new = {first}, {first}
    while new:
        new = {target for state in new for target in moves[state]} - reached
        reached |= new
    assert reached == set(states)


def test_what_has_ended_only_goes_on_by_a_retry() -> None:
    for state in JOB_ENDED:
        assert JOB_MOVES[state] <= {JobState.PENDING, JobState.RUNNING}
    for track in TRACK_ENDED:
        assert TRACK_MOVES[track] <= {TrackState.WANTED}
    for transfer in set(TransferState) - TRANSFER_LIVE:
        assert not TRANSFER_MOVES[transfer]
    assert not JOB_MOVES[JobState.COMPLETED] and not TRACK_MOVES[TrackState.COMPLETED]


@pytest.mark.parametrize(
    ("tracks", "state"),
    [
        ({}, JobState.FAILED),
        ({TrackState.COMPLETED: 8}, JobState.COMPLETED),
        ({TrackState.COMPLETED: 7, TrackState.VERIFYING: 1}, JobState.RUNNING),
        ({TrackState.FAILED: 7, TrackState.WANTED: 1}, JobState.RUNNING),
        ({TrackState.COMPLETED: 1, TrackState.FAILED: 7}, JobState.PARTIAL),
        ({TrackState.COMPLETED: 1, TrackState.CANCELLED: 1}, JobState.PARTIAL),
        ({TrackState.FAILED: 1, TrackState.CANCELLED: 1}, JobState.FAILED),
    ],
)
def test_a_job_is_told_from_its_tracks(tracks: dict[TrackState, int], state: JobState) -> None:
    assert job_state_of_tracks(tracks) is state
