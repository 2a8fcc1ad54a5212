"""Types, states and moves of issues."""

from __future__ import annotations

import uuid

import pytest

from apps.domain.library.issues import (
    MOVES,
    OPEN_STATES,
    PERSON_MOVES,
    SCAN_RESOLVES,
    SEVERITY_RANK,
    Finding,
    IssueSeverity,
    IssueState,
    IssueType,
    moved_by_finding,
    subject_key,
)


def test_there_are_eight_types_whose_names_fit_their_column() -> None:
    assert len(IssueType) == 8
    assert max(len(one) for one in IssueType) <= 32
    assert max(len(one) for one in IssueSeverity) <= 8
    assert max(len(one) for one in IssueState) <= 12


def test_every_severity_has_a_rank_of_its_own_in_the_order_they_are_written() -> None:
    ranks = [SEVERITY_RANK[one] for one in IssueSeverity]
    assert ranks == sorted(set(ranks))
    assert ranks[0] > 0


def test_every_state_has_a_row_in_the_table_and_none_moves_to_itself() -> None:
    assert set(MOVES) == set(IssueState)
    assert all(state not in targets for state, targets in MOVES.items())


def test_every_state_can_be_reached_from_detected_and_comes_back_to_it() -> None:
    def reached(start: IssueState) -> set[IssueState]:
        seen, waiting = {start}, [start]
        while waiting:
            for target in MOVES[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    assert reached(IssueState.DETECTED) == set(IssueState)
    assert all(IssueState.DETECTED in reached(state) for state in IssueState)


def test_only_a_fix_fails_and_an_ignored_issue_is_not_fixed() -> None:
    assert [state for state, targets in MOVES.items() if IssueState.FAILED in targets] == [IssueState.FIXING]
    assert IssueState.FIXING not in MOVES[IssueState.IGNORED]
    assert IssueState.FIXING not in MOVES[IssueState.RESOLVED]


def test_what_a_scan_may_resolve_is_open_and_the_table_allows_it() -> None:
    assert SCAN_RESOLVES < OPEN_STATES
    assert all(IssueState.RESOLVED in MOVES[state] for state in SCAN_RESOLVES)
    assert not {IssueState.IGNORED, IssueState.FIXING} & SCAN_RESOLVES


@pytest.mark.parametrize("state", list(IssueState))
def test_being_found_again_opens_only_what_was_resolved(state: IssueState) -> None:
    after = moved_by_finding(state)
    assert after is (IssueState.DETECTED if state is IssueState.RESOLVED else state)
    assert after is state or after in MOVES[state]


def test_a_person_can_neither_start_nor_fail_a_fix_by_hand() -> None:
    assert set(IssueState) - PERSON_MOVES == {IssueState.FIXING, IssueState.FAILED}


def test_subjects_that_read_alike_when_joined_are_different() -> None:
    keys = {
        subject_key(IssueType.MISSING_TRACK, parts)
        for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("abc", "")]
    }
    assert len(keys) == 5
    assert subject_key(IssueType.MISSING_TRACK, ("a",)) != subject_key(IssueType.WRONG_DURATION, ("a",))


def test_an_id_and_its_text_are_the_same_subject() -> None:
    mbid = uuid.UUID(int=7)
    assert subject_key(IssueType.MISSING_TRACK, (mbid, 1)) == subject_key(IssueType.MISSING_TRACK, (str(mbid), "1"))


@pytest.mark.parametrize(("subject", "code"), [((), "x"), (("a",), "")])
def test_a_finding_without_subject_or_code_is_refused(subject: tuple[str, ...], code: str) -> None:
    with pytest.raises(ValueError):
        Finding(type=IssueType.TAGS_WRONG, severity=IssueSeverity.LOW, subject=subject, code=code)
