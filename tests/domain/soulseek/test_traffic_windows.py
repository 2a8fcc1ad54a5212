"""Rolling windows over hours, days of a person's calendar, and the contribution in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.soulseek.contribution import RULE_DOES, RULE_WORDS, overall, ratios, said
from apps.domain.soulseek.fairness import GIB, Colour, FairnessRules, Traffic, rule_states
from apps.domain.soulseek.traffic_windows import WINDOWS, HourBytes, days_traffic, first_hour, window_traffic

NOW = datetime(2026, 3, 29, 12, 15, tzinfo=UTC)


def hour(back: int, count: int, *, plane: str = "overlay", direction: str = "down") -> HourBytes:
    return HourBytes(NOW.replace(minute=0) - timedelta(hours=back), plane, direction, count)


def test_the_oldest_hour_counts_by_the_part_inside() -> None:
    found = window_traffic([hour(0, 100), hour(1, 100), hour(2, 100)], now=NOW, window=WINDOWS["1h"])
    assert found == Traffic(overlay_down=175)


def test_what_lies_outside_or_ahead_is_left_out() -> None:
    assert window_traffic([hour(26, 9), hour(-3, 9)], now=NOW, window=WINDOWS["24h"]) == Traffic()


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(0, 10**12)), max_size=60))
def test_a_longer_window_never_holds_less(hours: list[tuple[int, int]]) -> None:
    rows = [hour(back, count) for back, count in hours]
    found = [window_traffic(rows, now=NOW, window=window).overlay_down for window in WINDOWS.values()]
    assert found == sorted(found)
    assert found[-1] <= sum(count for _, count in hours)


@given(st.integers(0, 3599))
def test_every_hour_that_a_window_touches_is_read(second: int) -> None:
    now = NOW.replace(minute=0) + timedelta(seconds=second)
    start = first_hour(now, WINDOWS["24h"])
    assert start <= now - WINDOWS["24h"] < start + timedelta(hours=1)


def test_days_are_those_of_the_persons_calendar_also_when_the_clock_is_moved() -> None:
    zone = ZoneInfo("Europe/Berlin")  # summer time began at 01:00 UTC on this day
    rows = [
        HourBytes(datetime(2026, 3, 28, 22, tzinfo=UTC), "soulseek", "up", 1),
        HourBytes(datetime(2026, 3, 28, 23, tzinfo=UTC), "soulseek", "up", 2),
    ]
    days = days_traffic(rows, now=NOW, days=3, zone=zone)
    assert [(one.day, one.traffic.soulseek_up) for one in days] == [
        (date(2026, 3, 27), 0),
        (date(2026, 3, 28), 1),
        (date(2026, 3, 29), 2),
    ]


def test_ratios_have_no_figure_where_nothing_can_be_divided_by() -> None:
    assert ratios(Traffic()).total is None
    found = ratios(Traffic(overlay_up=2, soulseek_up=4, soulseek_down=1))
    assert (found.total, found.soulseek, found.overlay, found.overlay_to_soulseek_upload) == (6.0, 4.0, None, 0.5)


@pytest.mark.parametrize(
    ("traffic", "codes"),
    [
        (Traffic(), ["contribution_nothing"]),
        (Traffic(soulseek_up=5), ["contribution_soulseek_only_up"]),
        (Traffic(soulseek_down=5), ["contribution_soulseek_only_down"]),
        (Traffic(overlay_up=5, overlay_down=6), ["contribution_overlay_more_down"]),
        (
            Traffic(overlay_up=5, overlay_down=5, soulseek_up=9, soulseek_down=1),
            ["contribution_soulseek_more_up", "contribution_overlay_more_up", "contribution_overlay_usage"],
        ),
    ],
)
def test_what_passed_is_said_in_words(traffic: Traffic, codes: list[str]) -> None:
    assert [one.code for one in said(traffic)] == codes


@given(
    st.builds(
        Traffic,
        **{name: st.integers(0, 10**15) for name in ("overlay_up", "overlay_down", "soulseek_up", "soulseek_down")},
    )
)
def test_no_figure_in_words_is_below_one_but_the_overlays_usage(traffic: Traffic) -> None:
    for one in said(traffic):
        if one.code.endswith(("more_up", "more_down")):
            assert float(str(one.params["ratio"])) >= 1


def test_the_status_is_the_worst_rules_and_every_rule_has_words() -> None:
    day = Traffic(overlay_down=45 * GIB)
    states = rule_states(
        Traffic(overlay_up=9 * GIB, overlay_down=10 * GIB, soulseek_up=9 * GIB),
        FairnessRules(min_soulseek_contribution=0.1),
        day=day,
    )
    assert overall(states) is Colour.YELLOW
    assert overall(()) is Colour.NONE
    assert overall(rule_states(Traffic(), FairnessRules(), day=Traffic())) is Colour.NONE
    assert {one.rule for one in states} <= RULE_WORDS.keys() & RULE_DOES.keys()
    assert RULE_WORDS.keys() == RULE_DOES.keys()
