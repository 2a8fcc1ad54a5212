"""The queue of uploads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.uploads import (
    Discipline,
    Refusal,
    SpeedWindow,
    Upload,
    UploadGroup,
    UploadQueue,
    UploadRules,
    leecher,
    windows_clash,
)

BUDDIES = UploadGroup(name="buddies", priority=1, slots_a_user=2, speed_kib_s=None)
DEFAULT = UploadGroup(name="default", priority=5)
LEECHERS = UploadGroup(name="leechers", priority=9, slots=1, speed_kib_s=50, day_bytes=100)
RULES = UploadRules(slots=2, groups=(BUDDIES, LEECHERS, DEFAULT))


def places_are_kept(one: UploadQueue) -> None:
    """Each is served in the place that it is told."""
    told = {(upload.user, upload.path): one.place(upload.user, upload.path) for upload in one.waiting()}
    happened: list[tuple[str, str]] = []
    while sum(one.counts()):
        started = one.due(speed_kib_s=None)
        happened += [(upload.user, upload.path) for upload in started]
        if not started:
            first = one.running()[0]
            one.over(first.user, first.path)
    assert {key: place + 1 for place, key in enumerate(happened)} == told


def queue(rules: UploadRules = RULES) -> UploadQueue:
    return UploadQueue(rules)


def ask(one: UploadQueue, user: str, *paths: str, size: int = 10, groups: tuple[str, ...] = ()) -> None:
    for path in paths:
        assert isinstance(one.ask(user, path, size=size, groups=groups), Upload)


def served(one: UploadQueue, turns: int) -> list[str]:
    """Who is served when each upload ends before the next begins."""
    order = []
    for _ in range(turns):
        for upload in one.due(speed_kib_s=None):
            order.append(upload.path)
            one.over(upload.user, upload.path)
    return order


def test_users_take_turns_and_buddies_go_first() -> None:
    one = queue(replace(RULES, slots=1))
    ask(one, "carol", "c1", "c2", "c3")
    ask(one, "dave", "d1", "d2")
    ask(one, "bob", "b1", groups=("buddies",))
    assert served(one, 6) == ["b1", "c1", "d1", "c2", "d2", "c3"]


def test_fifo_is_first_come_first_served() -> None:
    fifo = UploadRules(slots=1, groups=(UploadGroup(name="default", discipline=Discipline.FIFO),))
    one = queue(fifo)
    ask(one, "carol", "c1", "c2")
    ask(one, "dave", "d1")
    assert served(one, 3) == ["c1", "c2", "d1"]


def test_slots_are_counted_in_all_per_group_and_per_user() -> None:
    one = queue(replace(RULES, slots=4))
    ask(one, "carol", "c1", "c2")
    ask(one, "l1", "x1", groups=("leechers",))
    ask(one, "l2", "x2", groups=("leechers",))
    ask(one, "bob", "b1", "b2", "b3", groups=("buddies",))
    started = {upload.path for upload in one.due(speed_kib_s=None)}
    assert started == {"b1", "b2", "c1", "x1"}
    assert one.due(speed_kib_s=None) == ()


def test_a_file_is_queued_once_and_quotas_count_what_was_promised() -> None:
    one = queue()
    first = one.ask("carol", "c1", size=1)
    assert one.ask("carol", "c1", size=1) is first
    assert isinstance(one.ask("lea", "x1", size=60, groups=("leechers",)), Upload)
    refused = one.ask("lea", "x2", size=60, groups=("leechers",))
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.params) == ("quota_day", {"limit": 100, "had": 60})
    again = one.ask("mia", "x1", size=60, groups=("leechers",), day_bytes=41)
    assert isinstance(again, Refusal)


def test_nobody_fills_the_queue_alone() -> None:
    one = queue(UploadRules(groups=(replace(DEFAULT, waiting_a_user=2),)))
    ask(one, "carol", "c1", "c2")
    refused = one.ask("carol", "c3", size=1)
    assert isinstance(refused, Refusal)
    assert refused.code == "too_many_files"
    assert one.withdraw("carol", "c1") == 1
    assert one.withdraw("carol") == 1
    assert one.counts() == (0, 0)


def test_who_is_not_there_is_passed_over_and_keeps_the_place() -> None:
    one = queue(replace(RULES, slots=1))
    ask(one, "carol", "c1")
    ask(one, "dave", "d1")
    assert [upload.path for upload in one.due(speed_kib_s=None, online={"dave"})] == ["d1"]
    one.over("dave", "d1")
    assert one.place("carol", "c1") == 1


def test_speeds_share_the_global_limit_and_leave_over_what_a_group_may_not_have() -> None:
    one = queue(replace(RULES, slots=3))
    ask(one, "lea", "x1", groups=("leechers",))
    ask(one, "carol", "c1")
    ask(one, "dave", "d1")
    one.due(speed_kib_s=None)
    assert one.speeds(speed_kib_s=350) == {("lea", "x1"): 50.0, ("carol", "c1"): 150.0, ("dave", "d1"): 150.0}
    assert one.speeds(speed_kib_s=None)["carol", "c1"] is None


def test_schedules_run_over_midnight_and_nothing_starts_at_no_speed() -> None:
    night = SpeedWindow(start=22 * 60, until=6 * 60, speed_kib_s=1000, days={4})
    rules = replace(RULES, speed_kib_s=100, windows=(night, SpeedWindow(start=600, until=660, speed_kib_s=0)))
    assert rules.speed_now(day=4, minute=23 * 60) == 1000
    assert rules.speed_now(day=5, minute=60) == 1000
    assert rules.speed_now(day=4, minute=60) == 100
    one = queue(rules)
    ask(one, "carol", "c1")
    assert one.due(speed_kib_s=rules.speed_now(day=0, minute=630)) == ()
    assert windows_clash(rules.windows) is None
    assert windows_clash((night, SpeedWindow(start=0, until=10, speed_kib_s=5))) == (0, 1)


@pytest.mark.parametrize(("files", "is_one"), [(0, True), (9, True), (10, False)])
def test_leechers_share_less_than_is_asked(files: int, is_one: bool) -> None:
    assert leecher(files=files, folders=3, least_files=10, least_folders=1) is is_one


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.sampled_from(["", "buddies", "leechers"])),
        max_size=60,
    ),
    st.integers(1, 3),
)
def test_places_that_are_told_are_those_that_are_kept(asked: list[tuple[str, int, str]], slots: int) -> None:
    one = queue(replace(RULES, slots=slots))
    groups = {user: group for user, _, group in asked}
    for user, path, _ in asked:
        one.ask(user, str(path), size=1, groups=(groups[user],))
    places_are_kept(one)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.sampled_from(["ask", "ask", "withdraw", "serve"])),
        max_size=80,
    )
)
def test_places_hold_also_after_withdrawals_and_some_service(steps: list[tuple[str, int, str]]) -> None:
    one = queue(replace(RULES, slots=2))
    for user, path, step in steps:
        if step == "ask":
            one.ask(user, str(path), size=1)
        elif step == "withdraw":
            one.withdraw(user, str(path))
        elif not one.due(speed_kib_s=None) and one.running():
            first = one.running()[0]
            one.over(first.user, first.path)
    places_are_kept(one)


@pytest.mark.parametrize("discipline", list(Discipline))
def test_places_far_back_are_counted_and_right_while_one_group_waits(discipline: Discipline) -> None:
    rules = UploadRules(slots=1, groups=(UploadGroup(name="default", discipline=discipline, waiting_a_user=10_000),))
    one = queue(rules)
    for turn in range(100):
        for user in ("carol", "dave", "eve", "frank")[: 1 + turn % 4]:
            ask(one, user, f"{user}{turn}")
    told = {upload.path: one.place(upload.user, upload.path) for upload in one.waiting()}
    assert {path: place for place, path in enumerate(served(one, 300), 1)} == told


def test_one_who_could_not_be_reached_waits_again() -> None:
    one = queue(UploadRules(slots=1, groups=(replace(DEFAULT, discipline=Discipline.FIFO),)))
    ask(one, "carol", "c1")
    (started,) = one.due(speed_kib_s=None)
    ask(one, "dave", "d1")
    one.again(started)
    assert one.place("carol", "c1") == 2
    assert one.users() == {"carol", "dave"}
