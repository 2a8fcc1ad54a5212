"""The rule of a tree's state, turns, and what a tree passes on."""

from __future__ import annotations

import pytest

from apps.domain.errors import DomainError
from apps.domain.jobs.constraints import Constraints, TrackRef
from apps.domain.jobs.lifecycle import JobState
from apps.domain.jobs.selection import Selection
from apps.domain.jobs.tree import refuse_for_kind, refuse_for_tree, tree_outcome, turns_free

S = JobState


@pytest.mark.parametrize(
    ("children", "held", "waiting", "state", "code"),
    [
        ({}, 0, 0, S.FAILED, "nothing_planned"),
        ({}, 3, 0, S.COMPLETED, "all_releases_held"),
        ({S.COMPLETED: 7}, 0, 0, S.COMPLETED, ""),
        ({S.COMPLETED: 6, S.PENDING: 1}, 0, 0, S.RUNNING, ""),
        ({S.COMPLETED: 6, S.RUNNING: 1}, 0, 0, S.RUNNING, ""),
        ({S.COMPLETED: 6, S.PAUSED: 1}, 0, 0, S.RUNNING, "children_paused"),
        ({S.COMPLETED: 6, S.PAUSED: 1}, 0, 1, S.RUNNING, ""),
        ({S.COMPLETED: 6, S.FAILED: 1}, 0, 0, S.PARTIAL, "releases_failed"),
        ({S.PARTIAL: 1, S.FAILED: 1}, 0, 0, S.PARTIAL, "releases_failed"),
        ({S.FAILED: 2}, 0, 0, S.FAILED, "releases_failed"),
        ({S.FAILED: 2}, 1, 0, S.PARTIAL, "releases_failed"),
        ({S.FAILED: 1, S.CANCELLED: 1}, 0, 0, S.FAILED, "releases_failed"),
        ({S.CANCELLED: 2}, 0, 0, S.CANCELLED, "releases_cancelled"),
        ({S.CANCELLED: 1, S.COMPLETED: 1}, 0, 0, S.PARTIAL, "releases_failed"),
    ],
)
def test_the_state_of_a_tree_follows_from_its_children(
    children: dict[JobState, int], held: int, waiting: int, state: JobState, code: str
) -> None:
    outcome = tree_outcome(children, held=held, waiting=waiting)
    assert (outcome.state, outcome.code) == (state, code)


def test_turns_are_what_is_left_of_the_budget() -> None:
    assert [turns_free(under_way=at, max_open=4) for at in (0, 3, 4, 9)] == [4, 1, 0, 0]


@pytest.mark.parametrize(
    "wishes",
    [
        Constraints(tracks=(TrackRef(medium=1, position=1),)),
        Constraints(better_than=0.5),
        Constraints(target_profile="flac-16-44100-2"),
    ],
)
def test_constraints_of_one_release_are_refused(wishes: Constraints) -> None:
    with pytest.raises(DomainError) as refused:
        refuse_for_tree(wishes)
    assert refused.value.code == "constraints_invalid"


def test_other_constraints_pass() -> None:
    refuse_for_tree(Constraints(allow_lossy=False, download_mode="canonical", target_dir="Nirvana"))


@pytest.mark.parametrize(
    ("kind", "selection"),
    [
        ("discography", Selection(studio_only=True)),
        ("discography", Selection(label_name="Sub Pop")),
        ("label_crate", Selection(profile="all")),
        ("label_crate", Selection(exclude_live=False)),
    ],
)
def test_a_selection_of_the_other_kind_is_refused(kind: str, selection: Selection) -> None:
    with pytest.raises(DomainError) as refused:
        refuse_for_kind(selection, kind=kind)
    assert refused.value.code == "selection_invalid"
