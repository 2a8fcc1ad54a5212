"""Median, extremes and percentiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slskdn_site.bench.statistics import Spread, percentile, spread_of

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=200)


def test_a_spread_has_the_middle_round_and_the_extremes() -> None:
    assert spread_of([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert spread_of([1.0, 2.0]) == Spread(1.5, 1.0, 2.0)


def test_percentiles_are_nearest_ranks() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 50) == 50.0
    assert percentile(values, 99) == 99.0
    assert percentile(values, 100) == 100.0
    assert percentile([7.0], 1) == 7.0


@given(numbers, st.floats(0.1, 100))
def test_a_percentile_is_one_of_the_values_and_not_exceeded_by_that_share(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_a_percentile_needs_values_and_a_share(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([], 50)
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)
    with pytest.raises(ValueError, match="no values"):
        spread_of([])
