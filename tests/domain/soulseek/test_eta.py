"""Intervals for arrivals: on simulated sharers an 80 % interval holds about 80 %."""

from __future__ import annotations

import math
import random

import pytest

from apps.domain.contracts.soulseek_downloads import SharerPast
from apps.domain.soulseek.eta import Everybody, eta, everybody, quantile

SIZE = 30_000_000


def simulated(rng: random.Random, streams: int) -> tuple[SharerPast, tuple[float, int, float]]:
    """A sharer with a speed and a pace of its own, what is remembered of it, and its next stream: (speed, place, wait)."""
    speed, pace = math.exp(rng.gauss(math.log(3e5), 1.2)), math.exp(rng.gauss(math.log(60), 1.0))

    def one() -> tuple[float, int, float]:
        place = rng.randint(1, 20)
        return speed * math.exp(rng.gauss(0, 0.4)), place, place * pace * math.exp(rng.gauss(0, 0.5))

    past = [one() for _ in range(streams)]
    return SharerPast(
        user="somebody", speeds=tuple(each[0] for each in past), waits=tuple((each[1], each[2]) for each in past)
    ), one()


def held(streams: int, *, waiting: bool) -> tuple[float, float]:
    """(share of next streams inside their interval, median width as a factor) over many sharers of which `streams` are known."""
    rng = random.Random(7)
    others = everybody(simulated(rng, 8)[0] for _ in range(120))
    inside, widths = 0, []
    runs = 300
    for _ in range(runs):
        past, (speed, place, wait) = simulated(rng, streams)
        true = SIZE / speed + (wait if waiting else 0.0)
        found = eta(
            past,
            others,
            left_bytes=SIZE,
            place=place if waiting else None,
            waited_s=0.0,
            speed_bps=None if waiting else 0.0,
        )
        inside += found.low_s <= true <= found.high_s
        widths.append(found.high_s / max(1, found.low_s))
    return inside / runs, sorted(widths)[runs // 2]


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("streams", [0, 1, 3, 8, 20])
def test_four_of_five_arrive_within_their_interval_however_much_is_known(streams: int, waiting: bool) -> None:
    share, _ = held(streams, waiting=waiting)
    assert 0.72 <= share <= 0.92


def test_knowing_a_sharer_makes_the_interval_narrower() -> None:
    widths = [held(streams, waiting=True)[1] for streams in (0, 3, 20)]
    assert widths[0] > 1.3 * widths[1] > 1.3 * 1.1 * widths[2]


def test_one_value_of_a_sharer_does_not_outweigh_everybody() -> None:
    others = Everybody(speeds=(1e5,) * 50, waits=(30.0,) * 50)
    odd = SharerPast(user="odd", speeds=(1e7,))
    wide = eta(odd, others, left_bytes=10_000_000, place=None, waited_s=0, speed_bps=0.0)
    assert wide.low_s <= 10 < 90 <= wide.high_s


def test_a_running_stream_is_judged_by_its_present_speed() -> None:
    others = Everybody(speeds=(1e5, 2e5, 4e5), waits=(30.0,))
    found = eta(SharerPast(user="x"), others, left_bytes=8_000_000, place=None, waited_s=0, speed_bps=1e6)
    assert found.low_s <= 8 <= found.high_s
    assert found.high_s <= 90


def test_whoever_has_waited_long_is_compared_with_long_waits() -> None:
    past = SharerPast(user="x", waits=tuple((1, wait) for wait in (10.0, 20.0, 40.0, 600.0, 900.0) * 4))
    others = Everybody(speeds=(1e6,), waits=(10.0, 900.0))
    fresh = eta(past, others, left_bytes=0, place=1, waited_s=0.0, speed_bps=None)
    later = eta(past, others, left_bytes=0, place=1, waited_s=300.0, speed_bps=None)
    assert fresh.low_s < 60
    assert later.low_s >= 200
    beyond = eta(past, others, left_bytes=0, place=1, waited_s=5000.0, speed_bps=None)
    assert 0 < beyond.low_s < beyond.high_s


def test_nothing_known_at_all_gives_a_wide_interval_and_no_error() -> None:
    found = eta(SharerPast(user="x"), Everybody(), left_bytes=SIZE, place=None, waited_s=0, speed_bps=None)
    assert 0 <= found.low_s < found.high_s <= 30 * 86_400


def test_quantiles_of_a_weighted_sample() -> None:
    values = tuple((float(one), 1.0) for one in range(1, 101))
    assert quantile(values, 0.5) == pytest.approx(50.5, rel=0.02)
    assert quantile(((5.0, 1.0),), 0.9) == 5.0
    assert quantile(((1.0, 1.0), (100.0, 99.0)), 0.5) > 50
    with pytest.raises(IndexError):
        quantile((), 0.5)
