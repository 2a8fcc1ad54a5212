"""Keeping a session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.session import BAN_S, MAX_PAUSE_S, PATIENCE_S, Health, Phase, SessionKeeper


def started(now: float = 0.0) -> SessionKeeper:
    keeper = SessionKeeper(now=now)
    keeper.start(now)
    return keeper


def online(now: float = 0.0) -> SessionKeeper:
    keeper = started(now)
    assert keeper.due(now)
    keeper.logged_in(now)
    return keeper


def test_nothing_happens_before_it_is_wanted_and_then_once() -> None:
    keeper = SessionKeeper(now=0)
    assert (keeper.due(0), keeper.state(0).health) == (False, Health.OFF)
    keeper.start(5)
    assert keeper.due(5)
    assert not keeper.due(5)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("INVALIDPASS", "soulseek_wrong_password"),
        ("INVALIDUSERNAME", "soulseek_bad_username"),
        ("SVRFULL", "soulseek_refused"),
    ],
)
def test_a_refusal_ends_all_attempts_until_a_person_acts(reason: str, code: str) -> None:
    keeper = started()
    assert keeper.due(0)
    keeper.refused(reason, 1)
    keeper.lost(1, jitter=0)  # the server closes behind it
    state = keeper.state(1e6)
    assert (state.phase, state.health, state.code) == (Phase.STOPPED, Health.UNAVAILABLE, code)
    assert not keeper.due(1e6)
    keeper.start(1e6)
    assert keeper.due(1e6)


def test_who_is_kicked_does_not_come_back_by_itself() -> None:
    keeper = online()
    keeper.kicked(100)
    keeper.lost(100, jitter=0)
    assert keeper.state(100).code == "soulseek_kicked"
    assert not keeper.due(1e9)


def test_a_lost_session_is_taken_up_again_with_growing_pauses_that_end_at_five_minutes() -> None:
    keeper, now, pauses = online(), 10.0, []
    keeper.lost(now, jitter=0.5)
    for _ in range(12):
        retry = keeper.state(now).retry_at
        assert retry is not None
        pauses.append(retry - now)
        assert not keeper.due(retry - 0.01)
        assert keeper.due(retry)
        now = retry
        keeper.unreachable(now, jitter=0.5, error="refused")
    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses[-1] == MAX_PAUSE_S
    assert keeper.state(now).params == {"error": "refused"}


def test_a_steady_session_makes_the_next_pause_short_again() -> None:
    keeper = online()
    for now in (1.0, 20.0, 50.0):
        keeper.lost(now, jitter=0.5)
        retry = keeper.state(now).retry_at
        assert retry is not None
        assert keeper.due(retry)
        keeper.logged_in(retry)
    keeper.lost(500, jitter=0.5)
    assert keeper.state(500).retry_at == 502


def test_ends_before_the_login_is_answered_are_taken_for_a_ban() -> None:
    keeper, now = started(), 0.0
    for _ in range(3):
        assert keeper.due(now)
        keeper.lost(now, jitter=0)
        state = keeper.state(now)
        assert state.retry_at is not None
        banned_at, now = now, state.retry_at
    assert (state.code, state.health, now - banned_at) == ("soulseek_banned", Health.UNAVAILABLE, BAN_S)
    assert keeper.due(now)


def test_health_is_degraded_at_first_and_unavailable_after_a_while() -> None:
    keeper = online()
    assert keeper.state(1000).health is Health.HEALTHY
    keeper.lost(1000, jitter=0)
    assert keeper.state(1001).health is Health.DEGRADED
    assert keeper.state(1000 + PATIENCE_S).health is Health.UNAVAILABLE


def test_a_session_that_comes_and_goes_is_degraded_while_it_stands() -> None:
    keeper, now = online(), 0.0
    for _ in range(3):
        now += 30
        keeper.lost(now, jitter=0)
        retry = keeper.state(now).retry_at
        assert retry is not None
        now = retry
        assert keeper.due(now)
        keeper.logged_in(now)
    assert keeper.state(now).health is Health.DEGRADED
    assert keeper.state(now + 700).health is Health.HEALTHY


EVENTS = ("due", "logged_in", "refused", "kicked", "unreachable", "lost", "start", "stop")


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 400)), max_size=60), st.floats(0, 0.999))
def test_whatever_happens_it_never_tries_twice_without_a_pause_nor_after_it_was_told_to_stop(
    events: list[tuple[str, float]], jitter: float
) -> None:
    keeper, now, tried_at, stopped = SessionKeeper(now=0), 0.0, -1e9, True
    for event, pause in events:
        now += pause
        if event == "due":
            if keeper.due(now):
                assert not stopped
                assert now > tried_at
                tried_at = now
        elif event == "start":
            keeper.start(now)
            stopped, tried_at = False, -1e9
        elif event == "stop":
            keeper.stop()
            stopped = True
        elif keeper.state(now).phase in (Phase.CONNECTING, Phase.ONLINE):
            if event == "logged_in":
                keeper.logged_in(now)
            elif event == "refused":
                keeper.refused("INVALIDPASS", now)
                stopped = True
            elif event == "kicked":
                keeper.kicked(now)
                stopped = True
            elif event == "unreachable":
                keeper.unreachable(now, jitter=jitter)
            else:
                keeper.lost(now, jitter=jitter)
        state = keeper.state(now)
        assert (state.retry_at is not None) == (state.phase is Phase.WAITING)


def test_what_only_a_person_can_mend_stops_it_until_they_start_it_again() -> None:
    keeper = started()
    assert keeper.due(0)
    keeper.barred("soulseek_password_readable", {"mode": "0644"}, 1)
    state = keeper.state(10_000)
    assert (state.phase, state.health, state.code, state.params) == (
        Phase.STOPPED,
        Health.UNAVAILABLE,
        "soulseek_password_readable",
        {"mode": "0644"},
    )
    assert not keeper.due(10_000)
    keeper.start(10_001)
    assert keeper.due(10_001)


def test_a_hindrance_degrades_a_standing_session_and_says_so() -> None:
    keeper = online()
    keeper.hindered("soulseek_port_taken", {"port": 1})
    assert (keeper.state(1).health, keeper.state(1).code) == (Health.DEGRADED, "soulseek_port_taken")
    keeper.unhindered()
    assert (keeper.state(1).health, keeper.state(1).code) == (Health.HEALTHY, "")


def test_a_session_that_keeps_breaking_says_how_often() -> None:
    keeper, now = online(), 0.0
    for _ in range(3):
        now += 70
        keeper.lost(now, jitter=0.5)
        now += 2.1
        assert keeper.due(now)
        keeper.logged_in(now)
    state = keeper.state(now)
    assert (state.health, state.code, state.params) == (
        Health.DEGRADED,
        "soulseek_unsteady",
        {"losses": 3, "minutes": 10},
    )
