"""S4's success metrics of rescues."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.domain.soulseek.rescue_success import (
    RATIO_BOUNDS,
    RescueFact,
    buckets,
    cumulative,
    rescue_success,
)
from apps.domain.soulseek.states import RescueState


def fact(
    number: int,
    state: RescueState,
    *,
    overlay: int = 0,
    soulseek: int = 0,
    first_byte_s: float | None = None,
    trouble: str = "stalled",
) -> RescueFact:
    return RescueFact(
        download_id=uuid.UUID(int=number),
        trouble=trouble,
        state=state,
        overlay_bytes=overlay,
        soulseek_bytes=soulseek,
        first_byte_s=first_byte_s,
    )


def test_nothing_yet_is_told_as_nothing() -> None:
    told = rescue_success([])
    assert (told.rescued_share, told.ratio_median, told.wait_median_s, told.running) == (None, None, None, 0)
    assert dict(told.outcomes) == {"finished": 0, "recovered": 0, "ended": 0, "no_source": 0, "refused": 0}


def test_a_download_counts_once_by_the_best_that_came_of_it() -> None:
    told = rescue_success(
        [
            fact(1, RescueState.REFUSED),
            fact(1, RescueState.NO_SOURCE),
            fact(1, RescueState.FINISHED, overlay=1, soulseek=1),
            fact(2, RescueState.REFUSED),
            fact(3, RescueState.RECOVERED),
            fact(4, RescueState.ACTIVE),
            fact(5, RescueState.ENDED, trouble="too_slow"),
        ]
    )
    assert dict(told.outcomes) == {"finished": 1, "recovered": 1, "ended": 1, "no_source": 0, "refused": 1}
    assert told.rescued_of == (("stalled", 0.5), ("too_slow", 0.0))  # of each trouble, the first one of a download
    assert told.rescued_share == pytest.approx(1 / 3)  # one of three that did not recover by themselves
    assert told.running == 1
    assert dict(told.troubles) == {"stalled": 4, "too_slow": 1}


def test_ratios_and_waits_are_spread_over_buckets() -> None:
    told = rescue_success(
        [
            fact(1, RescueState.FINISHED, overlay=1, soulseek=10, first_byte_s=1.0),
            fact(2, RescueState.FINISHED, overlay=20, soulseek=10, first_byte_s=40.0),
            fact(3, RescueState.FINISHED, overlay=20, soulseek=0, first_byte_s=4000.0),
            fact(4, RescueState.FINISHED, overlay=0, soulseek=10),
        ]
    )
    assert told.ratios == (1, 0, 0, 0, 1, 0, 0, 1)
    assert told.ratio_median == 1.05
    assert told.waits == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert told.wait_median_s == 40.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 100)))
def test_histograms_hold_every_value_and_never_fall(values: list[float]) -> None:
    told = cumulative(buckets(values, RATIO_BOUNDS), RATIO_BOUNDS)
    assert told[-1] == ("+Inf", len(values))
    counts = [count for _bound, count in told]
    assert counts == sorted(counts)
    for bound, (_name, count) in zip(RATIO_BOUNDS, told, strict=False):
        assert count == sum(1 for value in values if value <= bound)
