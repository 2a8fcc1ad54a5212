"""States of tracks and groups in an artist's coverage."""

from __future__ import annotations

import pytest

from apps.domain.catalog.coverage import GroupCover, TrackCover, counted, group_cover, track_cover

T, G = TrackCover, GroupCover


@pytest.mark.parametrize(
    ("held", "better", "wanted", "state"),
    [
        (True, False, False, T.HELD),
        (True, True, False, T.BETTER),
        (True, False, True, T.HELD),
        (False, False, True, T.WANTED),
        (False, False, False, T.MISSING),
    ],
)
def test_a_track(held: bool, better: bool, wanted: bool, state: TrackCover) -> None:
    assert track_cover(held=held, better=better, wanted=wanted) is state


@pytest.mark.parametrize(
    ("counts", "asked", "state"),
    [
        ({T.HELD: 10}, False, G.COMPLETE),
        ({T.HELD: 9, T.BETTER: 1}, True, G.COMPLETE),
        ({T.HELD: 9, T.MISSING: 1}, False, G.PART),
        ({T.HELD: 9, T.MISSING: 1}, True, G.WANTED),
        ({T.WANTED: 1, T.MISSING: 1}, False, G.WANTED),
        ({T.MISSING: 3}, False, G.MISSING),
        ({}, False, G.MISSING),
        ({}, True, G.WANTED),
    ],
)
def test_a_group(counts: dict[TrackCover, int], asked: bool, state: GroupCover) -> None:
    assert group_cover(counts, asked=asked) is state


def test_every_state_is_counted() -> None:
    assert counted([T.HELD, T.HELD, T.MISSING]) == {T.HELD: 2, T.BETTER: 0, T.WANTED: 0, T.MISSING: 1}
