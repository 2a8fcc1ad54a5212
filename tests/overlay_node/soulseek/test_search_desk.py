"""The desk of searches."""

from __future__ import annotations

from apps.domain.soulseek.budget import SearchBudget, Urgency, search_key
from apps.domain.soulseek.candidates import SharerResult
from apps.domain.soulseek.results import SharedFile
from overlay_node.soulseek import search_desk
from overlay_node.soulseek.search_desk import KEPT_S, Action, Kept, SearchDesk, SearchOver, SendSearch


def desk(**more: int) -> SearchDesk:
    return Desk(SearchBudget(searches=10, window_s=100, **more), first_ticket=40, now=0)


def ask(one: SearchDesk, query: str, *, caller: str = "job", now: float = 0, anew: bool = False) -> None:
    one.ask(query, caller=caller, urgency=Urgency.JOB, now=now, anew=anew)


def answer(user: str, *names: str) -> SharerResult:
    return SharerResult(user=user, files=tuple(SharedFile(path=rf"m\{name}", size=1) for name in names))


class Desk(SearchDesk):
    """Sends at once."""

    def tick(self, now: float, *, online: bool) -> list[Action]:
        actions = super().tick(now, online=online)
        for one in actions:
            if isinstance(one, SendSearch):
                self.sent(one.ticket, now)
        return actions


def sent(actions: list[Action]) -> list[tuple[int, str]]:
    return [(one.ticket, one.query) for one in actions if isinstance(one, SendSearch)]


def over(actions: list[Action]) -> list[SearchOver]:
    return [one for one in actions if isinstance(one, SearchOver)]


def test_a_search_is_sent_once_for_all_its_callers_and_over_when_nobody_answers_any_more() -> None:
    one = desk()
    ask(one, "winter garden", caller="a")
    ask(one, "Winter  Garden", caller="b")
    assert sent(one.tick(0, online=True)) == [(41, "winter garden")]
    assert one.answered(41, answer("carol", "x"), 1)
    assert one.answered(41, answer("dave", "x"), 4)
    assert over(one.tick(6, online=True)) == []
    (ended,) = over(one.tick(7.1, online=True))
    assert (ended.callers, ended.home, ended.users, ended.files) == (("a", "b"), "a", 2, 2)
    assert [(one.home, one.result.user) for one in one.flush()] == [("a", "carol"), ("a", "dave")]
    assert one.flush() == []
    assert not one.answered(41, answer("late", "x"), 8)


def test_nothing_is_sent_while_nobody_is_online() -> None:
    one = desk()
    ask(one, "word")
    assert one.tick(0, online=False) == []
    assert len(sent(one.tick(1, online=True))) == 1


def test_a_search_without_an_end_ends_at_the_latest_after_twenty_seconds() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    for second in range(1, 20):
        one.answered(41, answer(f"user {second}", "x"), second)
        assert over(one.tick(second, online=True)) == []
    assert len(over(one.tick(20, online=True))) == 1


def test_equal_queries_are_answered_again_from_what_is_kept_and_only_for_a_while() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    one.answered(41, answer("carol", "x"), 0)
    one.tick(6, online=True)
    ask(one, "WORD", caller="later", now=10)
    (again,) = over(one.tick(10, online=True))
    assert (again.callers, again.home, again.kept, again.users) == (("later",), "job", True, 1)
    assert one.governor.used(10) == 1
    ask(one, "word", caller="anew", now=11, anew=True)
    assert len(sent(one.tick(11, online=True))) == 1
    one.tick(31, online=True)
    ask(one, "word", caller="much later", now=32 + KEPT_S)
    assert len(sent(one.tick(32 + KEPT_S, online=True))) == 1


def test_a_search_that_found_nothing_is_not_kept_as_an_answer() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    one.tick(6, online=True)
    ask(one, "word", now=7)
    assert len(sent(one.tick(7, online=True))) == 1


def test_a_lost_session_sends_unanswered_searches_again_and_ends_those_with_answers() -> None:
    one = desk(at_once=2)
    ask(one, "answered")
    ask(one, "silent")
    one.tick(0, online=True)
    one.answered(41, answer("carol", "x"), 1)
    one.lost(2)
    (ended,) = over(one.tick(2, online=False))
    assert ended.key == search_key("answered")
    assert sent(one.tick(3, online=True)) == [(43, "silent")]
    assert one.governor.used(3) == 3


def test_who_withdraws_ends_a_search_that_nobody_else_waits_for() -> None:
    one = desk()
    ask(one, "word", caller="a")
    ask(one, "word", caller="b")
    one.tick(0, online=True)
    one.withdraw(search_key("word"), caller="a")
    assert over(one.tick(1, online=True)) == []
    one.withdraw(search_key("word"), caller="b")
    (ended,) = over(one.tick(2, online=True))
    assert ended.callers == ()


def test_answers_are_bounded_and_users_counted_once() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    assert one.answered(41, answer("carol", "x", "y"), 1)
    assert one.answered(41, answer("carol", "y", "z"), 1)
    many = answer("greedy", *(str(number) for number in range(search_desk.MAX_FILES_A_USER + 5)))
    assert one.answered(41, many, 1)
    assert not one.answered(41, many, 1)
    for number in range(search_desk.MAX_USERS + 10):
        one.answered(41, answer(f"user {number}", "x"), 1)
    (ended,) = over(one.tick(20, online=True))
    by_user = {each.result.user: len(each.result.files) for each in one.flush()}
    assert (by_user["carol"], by_user["greedy"]) == (3, search_desk.MAX_FILES_A_USER)
    assert (len(by_user), ended.users, ended.truncated) == (search_desk.MAX_USERS, search_desk.MAX_USERS, True)


def test_made_up_tickets_are_nobodys_answer() -> None:
    assert not desk().answered(41, answer("mallory", "x"), 0)


def test_a_user_who_answers_again_is_given_again_with_everything() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    one.answered(41, answer("carol", "x"), 1, locked=3)
    (first,) = one.flush()
    assert (first.home, len(first.result.files), first.locked) == ("job", 1, 3)
    one.answered(41, answer("carol", "y"), 2)
    (second,) = one.flush()
    assert [file.name for file in second.result.files] == ["x", "y"]
    standing = one.standing(search_key("word"))
    assert standing is not None
    assert (standing.home, standing.users, standing.files) == ("job", 1, 2)


def test_answers_from_before_a_restart_are_given_again_while_they_are_young() -> None:
    one = desk()
    one.remember(search_key("word"), Kept(at=-100, home="old", users=2, files=9, truncated=False))
    ask(one, "word", caller="new")
    (again,) = over(one.tick(0, online=True))
    assert (again.home, again.files, again.kept) == ("old", 9, True)
    ask(one, "word", caller="late", now=KEPT_S)
    assert len(sent(one.tick(KEPT_S, online=True))) == 1


def test_what_could_not_be_sent_waits_again_and_counts() -> None:
    one = desk()
    ask(one, "word")
    one.tick(0, online=True)
    one.unsent(41, 1)
    assert not one.awaits(41)
    assert sent(one.tick(2, online=True)) == [(42, "word")]
    assert one.governor.used(2) == 2


def test_a_search_that_has_not_left_us_is_not_over_and_its_place_counts_from_when_it_left() -> None:
    one = SearchDesk(SearchBudget(searches=1, window_s=100), first_ticket=40, now=0)
    ask(one, "first")
    ask(one, "second")
    assert sent(one.tick(0, online=True)) == [(41, "first")]
    assert one.tick(30, online=True) == []
    one.sent(41, 31)
    assert len(over(one.tick(36.5, online=True))) == 1
    assert sent(one.tick(130, online=True)) == []
    assert sent(one.tick(131, online=True)) == [(42, "second")]
