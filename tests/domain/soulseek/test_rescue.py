"""A rescue's life, decided purely."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.guardrails import Ruling
from apps.domain.soulseek.rescue import (
    LOOK_S,
    RATIO,
    RESUME_BYTES,
    TAGS_BYTES,
    Mesh,
    RescueCore,
    Sight,
    may_equal,
    stop_leaf,
)
from apps.domain.soulseek.states import RescueState
from apps.domain.soulseek.words import SOULSEEK_SENTENCES

YES = Ruling(allowed=True, code="rescue_allowed", params={})
FULL = Ruling(allowed=False, code=RATIO, params={"ratio": 3.0, "most": 2.0})
BAD = Sight(trouble="too_slow", ruling=YES)
HELPED = replace(BAD, mesh=Mesh.SAME, moves=True)


def test_a_stream_that_does_well_has_no_rescue() -> None:
    core = RescueCore()
    assert not core.step(Sight(ruling=YES), 0)
    assert core.state is None
    assert core.allowance(0) is None


def test_trouble_looks_then_the_mesh_helps_then_it_is_whole() -> None:
    core = RescueCore()
    seen = []
    for now, sight in enumerate([BAD, BAD, HELPED, HELPED, replace(HELPED, mesh_whole=True)]):
        if core.step(sight, now):
            seen.append((core.state, core.code))
    assert seen == [
        (RescueState.LOOKING, "rescue_allowed"),
        (RescueState.ACTIVE, "rescue_same_payload"),
        (RescueState.FINISHED, "rescue_finished"),
    ]
    assert not core.step(BAD, 9)  # it does not come back


def test_nobody_found_is_said_after_a_while_and_whoever_comes_later_still_helps() -> None:
    core = RescueCore()
    core.step(BAD, 0)
    core.step(BAD, LOOK_S - 1)
    assert core.state is RescueState.LOOKING
    core.step(BAD, LOOK_S)
    assert (core.state, core.code) == (RescueState.NO_SOURCE, "rescue_no_source")
    core.step(HELPED, LOOK_S + 1)
    assert core.state is RescueState.ACTIVE


def test_a_stream_that_recovered_is_preferred_the_mesh_may_ask_for_nothing_more() -> None:
    core = RescueCore()
    core.step(HELPED, 0)
    assert core.allowance(None) is None
    core.step(replace(HELPED, trouble=""), 1)
    assert (core.state, core.code) == (RescueState.RECOVERED, "rescue_recovered")
    assert core.allowance(None) == 0


def test_the_ratio_holds_until_there_is_room_for_more_than_a_leaf() -> None:
    core = RescueCore()
    core.step(HELPED, 0)
    assert core.step(replace(HELPED, ruling=FULL), 1)
    assert (core.state, core.code, core.params["ratio"]) == (RescueState.REFUSED, RATIO, 3.0)
    assert core.allowance(10) == 0
    assert not core.step(replace(HELPED, budget=RESUME_BYTES - 1), 2)  # allowed again, and not worth it
    assert core.step(replace(HELPED, budget=RESUME_BYTES), 3)
    assert core.state is RescueState.ACTIVE
    assert core.allowance(RESUME_BYTES) == RESUME_BYTES


@pytest.mark.parametrize(("code", "left"), [("rescue_too_many", None), ("rescue_overlay_only_unproven", 0)])
def test_a_refusal_takes_nothing_away_unless_it_is_about_the_bytes(code: str, left: float | None) -> None:
    core = RescueCore()
    core.step(replace(HELPED, ruling=Ruling(allowed=False, code=code, params={})), 0)
    assert core.state is RescueState.REFUSED
    assert core.allowance(None) == left


@pytest.mark.parametrize(
    ("sight", "state"),
    [
        (replace(HELPED, stream_whole=True), RescueState.RECOVERED),
        (replace(HELPED, stream_ended="banned_there"), RescueState.ENDED),
        (replace(HELPED, stream_ended="want_satisfied", mesh_whole=True), RescueState.FINISHED),
    ],
)
def test_every_end_has_its_state_and_words(sight: Sight, state: RescueState) -> None:
    core = RescueCore()
    core.step(HELPED, 0)
    core.step(sight, 1)
    assert core.state is state
    assert SOULSEEK_SENTENCES[core.code]
    assert core.over


def test_a_claim_may_be_shorter_by_tags_and_never_longer() -> None:
    assert may_equal(stream_bytes=1000, claimed_bytes=1000)
    assert may_equal(stream_bytes=TAGS_BYTES + 1, claimed_bytes=1)
    assert not may_equal(stream_bytes=TAGS_BYTES + 2, claimed_bytes=1)
    assert not may_equal(stream_bytes=1000, claimed_bytes=1001)


def test_a_stream_stops_where_all_the_rest_is_held() -> None:
    assert stop_leaf([(0, 3), (6, 10)], streamed=3, leaves=10, mesh_goes_on=False) == 6
    assert stop_leaf([(0, 3)], streamed=3, leaves=10, mesh_goes_on=True) is None
    assert stop_leaf([(0, 3), (4, 5)], streamed=3, leaves=10, mesh_goes_on=True) is None  # a leaf in the middle
    assert stop_leaf([(0, 3), (5, 6), (7, 10)], streamed=3, leaves=10, mesh_goes_on=True) == 5
    assert stop_leaf([(0, 3), (5, 6), (7, 10)], streamed=3, leaves=10, mesh_goes_on=False) is None


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 40), st.booleans())
def test_a_stream_never_stops_before_a_gap_that_nobody_fills(held: list[bool], streamed: int, goes_on: bool) -> None:
    streamed = min(streamed, len(held))
    ranges = [(leaf, leaf + 1) for leaf, here in enumerate(held) if here]
    found = stop_leaf(ranges, streamed=streamed, leaves=len(held), mesh_goes_on=goes_on)
    if found is not None:
        assert found >= streamed
        assert held[found]
        assert goes_on or all(held[found:])
    else:
        assert goes_on or not (True in held[streamed:] and all(held[held.index(True, streamed) :]))
