"""The picture of a file's evidence stays inside its box, whatever was stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, charts_of

NUMBERS = st.floats(-200, 200, allow_nan=False)
JUNK = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.integers()))


@given(
    st.lists(NUMBERS, min_size=2, max_size=60),
    st.floats(1, 2000),
    st.sampled_from([0, 44_100, 192_000]),
    st.integers(0, 96_000),
)
def test_a_spectrum_stays_in_its_box(levels: list[float], step: float, rate: int, edge: int) -> None:
    [chart] = charts_of({"spectrum": {"step_hz": step, "levels_db": levels}}, rate_hz=rate, bandwidth_hz=edge)
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in chart.line)
    assert all(LEFT <= mark.x <= WIDTH - RIGHT for mark in chart.marks)


@given(st.lists(NUMBERS, min_size=2, max_size=60), st.one_of(st.none(), NUMBERS))
def test_a_notch_stays_in_its_box_and_is_named_only_above_its_bar(depths: list[float], bar: float | None) -> None:
    curves = {"transcode": {"notch_offset": list(range(len(depths))), "notch_depth": depths}}
    [chart] = charts_of(curves, rate_hz=44_100, evidence={"bar": bar, "family": "mp3"})
    assert all(TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1 for _, y in chart.line)
    assert bool(chart.marks) == (bar is not None and max(depths) >= bar)


@given(JUNK, JUNK, JUNK)
def test_what_is_malformed_is_left_out(one: object, two: object, three: object) -> None:
    assert charts_of({"spectrum": one, "transcode": two}, rate_hz=44_100) == ()
    assert charts_of({"spectrum": {"step_hz": three, "levels_db": two}}, rate_hz=44_100) == ()
