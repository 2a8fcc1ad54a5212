"""The governor of searches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.budget import (
    RISES_AFTER_S,
    SearchBudget,
    SearchGovernor,
    SearchKey,
    SearchScope,
    Urgency,
    search_key,
)

BUDGET = SearchBudget(searches=3, window_s=100, at_once=2, answers_s=10)


def governor(budget: SearchBudget = BUDGET, *, now: float = 0.0) -> SearchGovernor:
    return SearchGovernor(budget, now=now)


def ask(one: SearchGovernor, query: str, caller: str = "job", urgency: Urgency = Urgency.JOB, now: float = 0.0) -> None:
    one.ask(query, caller=caller, urgency=urgency, now=now)


def test_equal_queries_of_two_callers_are_one() -> None:
    one = governor()
    first = one.ask("Nirvana  Bleach", caller="a", urgency=Urgency.JOB, now=0)
    second = one.ask("nirvana bleach", caller="b", urgency=Urgency.JOB, now=1)
    assert (first.coalesced, second.coalesced, first.key) == (False, True, second.key)
    (started,) = one.due(1)
    assert started.callers == ("a", "b")
    third = one.ask("NIRVANA BLEACH", caller="c", urgency=Urgency.WISH, now=2)
    assert (third.running, third.coalesced) == (True, True)
    assert one.callers_of(first.key) == ("a", "b", "c")


def test_who_is_asked_makes_another_query() -> None:
    assert search_key("abc") != search_key("abc", scope=SearchScope.USER, whom="carol")


@pytest.mark.parametrize("query", ["", "  ", "ab", "a b", "x" * 256])
def test_a_query_that_nobody_would_answer_is_refused(query: str) -> None:
    with pytest.raises(ValueError):
        governor().ask(query, caller="a", urgency=Urgency.PERSON, now=0)


def test_no_more_than_two_run_at_once_and_no_more_than_three_start_in_a_window() -> None:
    one = governor()
    for word in ("one", "two", "three", "four"):
        ask(one, word)
    first, second = one.due(0)
    assert one.due(50) == ()
    one.over(first.key)
    (third,) = one.due(50)
    one.over(second.key)
    one.over(third.key)
    assert one.due(99.9) == ()
    assert one.wait_s(99) == pytest.approx(1.0)
    (fourth,) = one.due(100)
    assert fourth.query == "four"


def test_starts_before_a_restart_still_count_and_a_clock_set_back_blocks_no_longer_than_a_window() -> None:
    one = SearchGovernor(BUDGET, started=[10.0, 11.0, 5000.0], now=20.0)
    ask(one, "word", now=20)
    assert one.due(20) == ()
    assert one.wait_s(20) == pytest.approx(90.0)
    assert len(one.due(110)) == 1


def test_a_person_goes_before_jobs_and_jobs_take_turns() -> None:
    one = governor(SearchBudget(searches=100, window_s=100, at_once=1))
    for number in range(3):
        ask(one, f"first job {number}", "one")
    ask(one, "second job 0", "two")
    ask(one, "a person", "carol", Urgency.PERSON)
    order = []
    for now in range(5):
        (started,) = one.due(now)
        order.append(started.query)
        one.over(started.key)
    assert order == ["a person", "first job 0", "second job 0", "first job 1", "first job 2"]


def test_a_wish_rises_until_it_is_served() -> None:
    one = governor(SearchBudget(searches=1, window_s=60, at_once=1))
    ask(one, "the wish", "wish", Urgency.WISH)
    served = []
    for minute in range(60):
        now = minute * 60.0
        ask(one, f"person {minute}", f"p{minute}", Urgency.PERSON, now)
        (started,) = one.due(now)
        served.append(started.query)
        one.over(started.key)
    assert "the wish" in served
    assert served.index("the wish") * 60 <= 3 * RISES_AFTER_S + 120


def test_a_query_that_could_not_be_sent_waits_again_before_the_others() -> None:
    one = governor(SearchBudget(searches=10, window_s=10, at_once=1))
    ask(one, "lost one")
    ask(one, "other one")
    (started,) = one.due(0)
    one.unsent(started.key, now=1)
    assert one.counts() == (2, 0)
    assert one.used(1) == 1
    assert one.due(1)[0].key == started.key


def test_a_query_that_nobody_wants_any_more_is_dropped() -> None:
    one = governor()
    key = one.ask("the words", caller="a", urgency=Urgency.JOB, now=0).key
    one.ask("the words", caller="b", urgency=Urgency.JOB, now=0)
    assert not one.withdraw(key, caller="a")
    assert one.withdraw(key, caller="b")
    assert one.due(0) == ()


def test_nothing_starts_while_the_plane_is_held() -> None:
    one = governor()
    ask(one, "word")
    one.hold(until=30)
    assert one.due(29) == ()
    assert one.estimate(search_key("word"), 0) is not None
    assert len(one.due(30)) == 1


@given(
    st.lists(st.tuples(st.floats(0, 60), st.integers(0, 30), st.sampled_from(list(Urgency))), min_size=1, max_size=120),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_the_budget_is_never_passed_whatever_is_asked(
    asked: list[tuple[float, int, Urgency]], searches: int, at_once: int
) -> None:
    budget = SearchBudget(searches=searches, window_s=50, at_once=at_once)
    one, now = governor(budget), 0.0
    starts: list[float] = []
    running: list[SearchKey] = []
    for pause, word, urgency in asked:
        now += pause
        one.ask(f"word {word}", caller=f"c{word % 4}", urgency=urgency, now=now)
        if running and word % 3:
            one.over(running.pop(0))
        for started in one.due(now):
            running.append(started.key)
            starts.append(now)
        assert len(running) <= at_once
        assert sum(1 for at in starts if at + 50 > now) <= searches


def test_estimates_are_what_happens_when_answers_take_as_long_as_usual() -> None:
    one = governor(SearchBudget(searches=4, window_s=60, at_once=2, answers_s=10))
    for number in range(12):
        ask(one, f"word {number:02}", f"c{number:02}")
    told = {f"word {n:02}": one.estimate(search_key(f"word {n:02}"), 0.0) for n in range(12)}
    happened: dict[str, float] = {}
    running: list[tuple[float, object]] = []
    for tick in range(3000):
        now = tick / 10
        for until, key in list(running):
            if now >= until:
                one.over(key)  # type: ignore[arg-type]
                running.remove((until, key))
        for started in one.due(now):
            happened[started.query] = now
            running.append((now + 10, started.key))
    for word, estimate in told.items():
        assert estimate is not None
        assert happened[word] == pytest.approx(estimate.starts_in_s, abs=0.2)


def test_two_hundred_queries_of_many_callers_never_exceed_the_budget_and_each_has_its_place_and_time() -> None:
    one = SearchGovernor(SearchBudget(searches=34, window_s=220, at_once=2, answers_s=6), now=0.0)
    for number in range(200):
        urgency = (Urgency.PERSON, Urgency.JOB, Urgency.INTEGRATION, Urgency.WISH)[number % 4]
        one.ask(f"query number {number}", caller=f"caller {number % 9}#{number}", urgency=urgency, now=0.0)
    told = one.estimates(0.0)
    assert sorted(estimate.ahead for estimate in told.values()) == list(range(200))
    starts: list[float] = []
    running: list[tuple[float, SearchKey]] = []
    now = 0.0
    while len(starts) < 200:
        for ends, key in [each for each in running if each[0] <= now]:
            one.over(key)
            running.remove((ends, key))
        for each in one.due(now):
            starts.append(now)
            running.append((now + 6, each.key))
        assert len(running) <= 2
        now += 0.25
    assert all(starts[at + 34] - starts[at] >= 220 for at in range(200 - 34))
    assert starts[-1] == pytest.approx(max(estimate.starts_in_s for estimate in told.values()), rel=0.05)


def test_whose_turn_it_is_stands_before_the_first_hash() -> None:
    one = governor(SearchBudget(searches=50, window_s=100, at_once=1))
    for number in range(5):
        one.ask(f"of the eager one {number}", caller=f"eager#{number}", urgency=Urgency.PERSON, now=0)
    one.ask("of the other one", caller="other#1", urgency=Urgency.PERSON, now=1)
    asked = []
    for now in range(6):
        (started,) = one.due(now)
        asked.append(started.query)
        one.over(started.key)
    assert asked.index("of the other one") == 1
