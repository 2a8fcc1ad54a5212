"""Issues change only through their services, and every count is right after each change."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.domain.library.issues import (
    MOVES,
    OPEN_STATES,
    SEVERITY_RANK,
    Finding,
    IssueSeverity,
    IssueState,
    IssueType,
)
from apps.library.models import IssueCount, IssueDay, IssueTally, IssueWord, LibraryIssue
from apps.library.selectors_issues import IssueFilter, issue_query
from apps.library.services_issues import (
    IssueMoveRefused,
    IssueScope,
    issues_cleared,
    issues_decide,
    issues_held,
    issues_move,
    issues_record,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERY = frozenset(IssueType)


def finding(
    number: int = 1,
    kind: IssueType = IssueType.SUSPECTED_TRANSCODE,
    severity: IssueSeverity = IssueSeverity.HIGH,
    artist: str = "Ada",
    release: uuid.UUID | None = None,
    **facts: object,
) -> Finding:
    return Finding(
        type=kind,
        severity=severity,
        subject=("t", number),
        code="mp3_origin",
        artist=artist,
        release_mbid=release,
        **facts,
    )  # type: ignore[arg-type]


def row_of(number: int) -> LibraryIssue:
    return LibraryIssue.objects.get(subject=finding(number).key)


def one() -> LibraryIssue:
    return LibraryIssue.objects.get()


def assert_counts_are_a_recount() -> None:
    rows = list(LibraryIssue.objects.all())
    assert all(row.open == (row.state in OPEN_STATES) for row in rows)
    assert all(row.rank == SEVERITY_RANK[IssueSeverity(row.severity)] for row in rows)
    assert all((row.resolved_at is not None) == (row.state == "resolved") for row in rows)
    counts = {(row.type, row.severity, row.state): row.count for row in IssueCount.objects.filter(count__gt=0)}
    assert counts == Counter((row.type, row.severity, row.state) for row in rows)
    opened = [row for row in rows if row.open]
    tallies = {(row.kind, row.key): (row.open, row.weight) for row in IssueTally.objects.all()}
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    for row in opened:
        for key in [("artist", row.artist), ("release", str(row.release_mbid or ""))]:
            if key[1]:
                held = expected.get(key, (0, 0))
                expected[key] = (held[0] + 1, held[1] + row.rank)
    assert tallies == expected
    last_day = {}
    for row in IssueDay.objects.order_by("day"):
        last_day[row.type] = row.open_at_end
    assert {kind: count for kind, count in last_day.items() if count} == Counter(row.type for row in opened)


@pytest.mark.django_db
def test_a_finding_becomes_an_issue_with_its_evidence_and_texts() -> None:
    scan = uuid.uuid4()
    release = uuid.uuid4()
    recorded = issues_record(
        [finding(release=release, title="Song", album="Album", params={"score": 0.9})], scan_id=scan, now=NOON
    )
    row = one()
    assert (recorded.added, recorded.known) == (1, 0)
    assert (row.type, row.severity, row.rank, row.state, row.open) == (
        "suspected_transcode",
        "high",
        3,
        "detected",
        True,
    )
    assert (row.code, row.params, row.found_by, row.detected_at) == ("mp3_origin", {"score": 0.9}, scan, NOON)
    assert (row.title, row.album, row.release_mbid) == ("Song", "Album", release)
    assert IssueTally.objects.get(kind="release").label == "Ada – Album"
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_recording_the_same_findings_twice_changes_nothing_but_when_they_were_seen() -> None:
    issues_record([finding(number) for number in range(5)], now=NOON)
    before = list(LibraryIssue.objects.order_by("id").values_list("id", "changed_at", "state"))
    again = issues_record([finding(number) for number in range(5)], now=NOON + timedelta(hours=1))
    assert (again.added, again.known) == (0, 5)
    assert list(LibraryIssue.objects.order_by("id").values_list("id", "changed_at", "state")) == before
    assert set(LibraryIssue.objects.values_list("seen_at", flat=True)) == {NOON + timedelta(hours=1)}
    assert IssueDay.objects.get().detected == 5
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_a_subject_that_occurs_twice_in_one_call_counts_once() -> None:
    recorded = issues_record([finding(1), finding(1, severity=IssueSeverity.LOW)], now=NOON)
    assert recorded.added == 1
    assert one().severity == "low"
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_an_ignored_issue_stays_ignored_when_it_is_found_again_and_learns_the_newest_evidence() -> None:
    issues_record([finding()], now=NOON)
    issues_move([one().id], to=IssueState.IGNORED)
    issues_record([finding(params={"score": 0.5})], now=NOON)
    assert (one().state, one().params) == ("ignored", {"score": 0.5})
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_a_resolved_issue_that_is_found_again_opens_and_counts_as_detected_on_that_day() -> None:
    issues_record([finding()], now=NOON)
    issues_move([one().id], to=IssueState.RESOLVED, code="fixed", now=NOON)
    recorded = issues_record([finding()], now=NOON + timedelta(days=1))
    row = one()
    assert recorded.added == 1
    assert (row.state, row.outcome_code, row.resolved_at) == ("detected", "", None)
    days = [(str(day.day), day.detected, day.resolved, day.open_at_end) for day in IssueDay.objects.order_by("day")]
    assert days == [("2026-03-01", 1, 1, 0), ("2026-03-02", 1, 0, 1)]
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_severity_artist_and_release_that_change_move_their_counts() -> None:
    issues_record([finding(release=uuid.UUID(int=1))], now=NOON)
    issues_record([finding(release=uuid.UUID(int=2), artist="Bob", severity=IssueSeverity.LOW)], now=NOON)
    assert {(row.kind, row.key) for row in IssueTally.objects.all()} == {
        ("artist", "Bob"),
        ("release", str(uuid.UUID(int=2))),
    }
    assert_counts_are_a_recount()


@pytest.mark.django_db
@pytest.mark.parametrize("state", list(IssueState))
@pytest.mark.parametrize("to", list(IssueState))
def test_the_service_moves_exactly_what_the_table_allows(state: IssueState, to: IssueState) -> None:
    issues_record([finding()], now=NOON)
    path = {
        IssueState.DETECTED: [],
        IssueState.FAILED: [IssueState.FIXING, IssueState.FAILED],
    }.get(state, [state])
    for step in path:
        issues_move([one().id], to=step)
    moved = issues_move([one().id], to=to, code="why", params={"n": 1})
    if to in MOVES[state]:
        assert moved == (one().id,)
        assert (one().state, one().outcome_code, one().outcome_params) == (to, "why", {"n": 1})
    else:
        assert moved == ()
        assert one().state == state
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_a_move_that_names_its_start_moves_nothing_from_elsewhere() -> None:
    issues_record([finding()], now=NOON)
    assert issues_move([one().id], to=IssueState.RESOLVED, only_from={IssueState.FIXING}) == ()
    assert one().state == "detected"


@pytest.mark.django_db
def test_many_are_moved_at_once_and_those_that_may_not_are_passed_over() -> None:
    issues_record([finding(number) for number in range(6)], now=NOON)
    ids = list(LibraryIssue.objects.order_by("id").values_list("id", flat=True))
    issues_move(ids[:2], to=IssueState.IGNORED)
    moved = issues_move([*ids, 999_999], to=IssueState.FIXING)
    assert list(moved) == ids[2:]
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_a_person_decides_all_but_what_is_being_fixed_and_the_row_says_who() -> None:
    issues_record([finding(number) for number in range(3)], now=NOON)
    ids = list(LibraryIssue.objects.order_by("id").values_list("id", flat=True))
    issues_move([ids[0]], to=IssueState.FIXING)
    assert issues_decide(ids, to=IssueState.RESOLVED, by="olga") == tuple(ids[1:])
    row = LibraryIssue.objects.get(id=ids[1])
    assert (row.outcome_code, row.outcome_params) == ("resolved_by_person", {"name": "olga"})
    with pytest.raises(IssueMoveRefused):
        issues_decide(ids, to=IssueState.FIXING, by="olga")
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_what_a_later_scan_does_not_see_is_resolved_except_ignored_and_fixing() -> None:
    issues_record([finding(number) for number in range(5)], now=NOON)
    for number, state in [(1, IssueState.IGNORED), (2, IssueState.FIXING), (3, IssueState.ACKNOWLEDGED)]:
        issues_move([row_of(number).id], to=state, now=NOON)
    later = NOON + timedelta(hours=1)
    issues_record([finding(4)], now=later)
    assert issues_cleared(IssueScope(types=EVERY), seen_before=later, now=later) == 2
    assert [row_of(number).state for number in range(5)] == ["resolved", "ignored", "fixing", "resolved", "detected"]
    assert row_of(0).outcome_code == "not_found_again"
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_a_look_at_one_release_resolves_nothing_of_another_and_nothing_of_other_types() -> None:
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    issues_record(
        [
            finding(1, kind=IssueType.MISSING_TRACK, release=first),
            finding(2, kind=IssueType.MISSING_TRACK, release=second),
            finding(3, kind=IssueType.TAGS_WRONG, release=first),
        ],
        now=NOON,
    )
    scope = IssueScope(types=frozenset({IssueType.MISSING_TRACK}), release_mbids=[first])
    assert issues_cleared(scope, seen_before=NOON + timedelta(seconds=1)) == 1
    assert LibraryIssue.objects.get(state="resolved").release_mbid == first


@pytest.mark.django_db
def test_clearing_goes_in_bounded_steps() -> None:
    issues_record([finding(number) for number in range(5)], now=NOON)
    scope, later = IssueScope(types=EVERY), NOON + timedelta(seconds=1)
    assert [issues_cleared(scope, seen_before=later, limit=2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.django_db
def test_issues_that_could_not_be_looked_at_are_not_cleared() -> None:
    issues_record([finding()], now=NOON)
    later = NOON + timedelta(hours=1)
    assert issues_held(IssueScope(types=EVERY), now=later) == 1
    assert issues_cleared(IssueScope(types=EVERY), seen_before=later) == 0


@pytest.mark.django_db
def test_texts_that_no_database_takes_are_made_harmless() -> None:
    issues_record([finding(artist="A\0da\ud800", params={"tag": "x\0y\udc80", "many": ["\0"]})], now=NOON)
    assert (one().artist, one().params) == ("Ada", {"tag": "xy", "many": [""]})


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("record"),
            st.lists(
                st.tuples(
                    st.integers(0, 5),
                    st.sampled_from([IssueType.TAGS_WRONG, IssueType.MISSING_TRACK]),
                    st.sampled_from(list(IssueSeverity)),
                    st.sampled_from(["Ada", "Bob", ""]),
                    st.sampled_from([None, uuid.UUID(int=1), uuid.UUID(int=2)]),
                ),
                max_size=6,
            ),
        ),
        st.tuples(st.just("move"), st.lists(st.integers(0, 11), max_size=4), st.sampled_from(list(IssueState))),
        st.tuples(st.just("clear"), st.integers(0, 3)),
        st.tuples(st.just("sleep")),
    ),
    max_size=12,
)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_after_any_sequence_the_counts_are_what_a_recount_says(steps: list[tuple]) -> None:
    for model in (LibraryIssue, IssueCount, IssueDay, IssueTally):
        model.objects.all().delete()
    now = NOON
    for step in steps:
        now += timedelta(minutes=1)
        ids = list(LibraryIssue.objects.order_by("id").values_list("id", flat=True))
        if step[0] == "record":
            issues_record([finding(*facts) for facts in step[1]], now=now)
        elif step[0] == "move":
            issues_move([ids[index] for index in step[1] if index < len(ids)], to=step[2], now=now)
        elif step[0] == "clear":
            issues_cleared(IssueScope(types=EVERY), seen_before=now - timedelta(minutes=step[1]), now=now)
        else:
            now += timedelta(days=1)
        assert_counts_are_a_recount()


@pytest.mark.django_db(transaction=True)
def test_scans_and_people_that_write_at_the_same_time_leave_the_counts_right() -> None:
    issues_record([finding(number) for number in range(20)], now=NOON)
    ids = list(LibraryIssue.objects.order_by("id").values_list("id", flat=True))
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def work(act: int) -> None:
        try:
            start.wait(30)
            for turn in range(8):
                if act == 0:
                    issues_record([finding(number, artist=f"A{turn}") for number in range(turn, 30)])
                elif act == 1:
                    issues_record([finding(number, severity=IssueSeverity.LOW) for number in reversed(range(25))])
                elif act == 2:
                    issues_move(ids[turn : turn + 6], to=list(IssueState)[turn % len(IssueState)])
                else:
                    issues_cleared(IssueScope(types=EVERY), seen_before=datetime.now(UTC), limit=5)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(act,)) for act in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert LibraryIssue.objects.count() == 30
    assert_counts_are_a_recount()


@pytest.mark.django_db
def test_an_issue_is_searched_by_the_names_that_it_has_now() -> None:
    def found(text: str, state: str = "all") -> list[int]:
        rows = issue_query(IssueFilter(text=text, state=state)).order_by("id")
        return list(rows.values_list("id", flat=True))

    issues_record([finding(1, artist="Ada", album="Low Water"), finding(2, artist="Bo", album="Ada")], now=NOON)
    first, second = row_of(1).id, row_of(2).id
    assert found("ada") == [first, second]
    assert found("wat ada") == [first]
    assert found("ater") == []
    issues_record([finding(1, artist="Cy", album="Low Water"), finding(2, artist="Bo", album="Ada")], now=NOON)
    assert found("ada") == [second]
    assert found("cy low") == [first]
    issues_move([second], to=IssueState.IGNORED)
    assert found("ada", "ignored") == [second]
    assert found("ada", "open") == []
    assert sorted(IssueWord.objects.values_list("issue_id", "word")) == sorted(
        [(first, "cy"), (first, "low"), (first, "water"), (second, "bo"), (second, "ada")]
    )
