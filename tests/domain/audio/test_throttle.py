"""The share of cores and the quiet hours, with a passed clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.throttle import LONGEST_REST_S, Throttle


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("percent", "cores", "slots", "rest"),
    [(100, 4, 4, 0.0), (50, 4, 2, 0.0), (25, 2, 1, 10.0), (10, 1, 1, 90.0), (75, 2, 2, 10 / 3), (1, 1, 1, 600.0)],
)
def test_a_share_becomes_slots_and_rests(percent: int, cores: int, slots: int, rest: float) -> None:
    throttle = Throttle(cores_percent=percent, cores=cores)
    assert throttle.slots == slots
    assert throttle.rest_s(10.0) == pytest.approx(rest)


@given(st.integers(1, 100), st.integers(1, 128), st.floats(0.01, 5.0))
def test_work_and_rest_keep_to_the_share(percent: int, cores: int, busy: float) -> None:
    throttle = Throttle(cores_percent=percent, cores=cores)
    rest = throttle.rest_s(busy)
    used = throttle.slots * busy / (busy + rest)
    assert rest <= LONGEST_REST_S
    assert used == pytest.approx(cores * percent / 100, rel=1e-6) or rest == LONGEST_REST_S


@pytest.mark.parametrize(
    ("hours", "now", "left"),
    [
        ("", at(3), 0),
        ("22:00-07:00", at(21, 59), 0),
        ("22:00-07:00", at(22), 9 * 3600),
        ("22:00-07:00", at(0), 7 * 3600),
        ("22:00-07:00", at(6, 59), 60),
        ("22:00-07:00", at(7), 0),
        ("09:30-17:00", at(9, 29), 0),
        ("09:30-17:00", at(12), 5 * 3600),
        ("09:30-17:00", at(17), 0),
        ("08:00-08:00", at(8), 0),
    ],
)
def test_quiet_hours_end_where_they_say(hours: str, now: datetime, left: int) -> None:
    assert Throttle(quiet_hours=hours).quiet_s(now) == left


@pytest.mark.parametrize("wrong", [{"cores_percent": 0}, {"cores_percent": 101}, {"cores": 0}, {"quiet_hours": "late"}])
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Throttle(**wrong)  # type: ignore[arg-type]
