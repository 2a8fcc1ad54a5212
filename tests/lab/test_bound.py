"""The bound against brute force on tiny cases, and against what is known by hand."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.lab.bound import (
    Supply,
    crowd_bound,
    fluid_bound,
    holders_bound,
    optimum,
    supply_of,
    whole_leaf_bound,
)
from tests.lab.profile import FOREVER, Profile

LEAF = 100


def supply(
    rate: float | Profile, *, start: float = 0.0, end: float = FOREVER, delay: float = 0.0, holds=None
) -> Supply:
    profile = rate if isinstance(rate, Profile) else Profile.constant(rate)
    return Supply(profile, start, end, delay, holds)


def drawn_profile(draw: random.Random) -> Profile:
    times = [0.0, *sorted(draw.uniform(0.1, 8.0) for _ in range(draw.randrange(3)))]
    return Profile(tuple(times), tuple(draw.choice([0.0, 20.0, 50.0, 130.0]) for _ in times))


def best_by_trying_everything(supplies: list[Supply], leaves: list[int]) -> float:
    """Every assignment of leaves (of these lengths) to supplies; each supply brings its own one after the other."""
    best = FOREVER
    for assignment in itertools.product(range(len(supplies)), repeat=len(leaves)):
        if any(
            supplies[owner].holds is not None and leaf not in supplies[owner].holds
            for leaf, owner in enumerate(assignment)
        ):
            continue
        loads = [0] * len(supplies)
        for leaf, owner in enumerate(assignment):
            loads[owner] += leaves[leaf]
        ends = [one.completion(load) for one, load in zip(supplies, loads, strict=True) if load]
        best = min(best, max(ends))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_whole_leaves_are_scheduled_as_well_as_by_trying_everything(seed: int) -> None:
    draw = random.Random(seed)
    supplies = [
        supply(
            draw.choice([Profile.constant(draw.uniform(10, 100)), drawn_profile(draw)]),
            start=draw.uniform(0, 2),
            end=draw.choice([FOREVER, draw.uniform(3, 9)]),
            delay=draw.uniform(0, 0.5),
        )
        for _ in range(3)
    ]
    count, short = draw.randrange(1, 6), draw.choice([0, 0, 30])
    lengths = [LEAF] * count + ([short] if short else [])
    found = whole_leaf_bound(supplies, payload_bytes=sum(lengths), leaf_bytes=LEAF)
    assert found == pytest.approx(best_by_trying_everything(supplies, lengths), rel=1e-4)


@pytest.mark.parametrize("seed", range(30))
def test_partial_holders_are_matched_as_well_as_by_trying_everything(seed: int) -> None:
    draw = random.Random(1000 + seed)
    count = draw.randrange(2, 6)
    supplies = [
        supply(draw.uniform(10, 100), holds=frozenset(leaf for leaf in range(count) if draw.random() < 0.6))
        for _ in range(3)
    ]
    expected = best_by_trying_everything(supplies, [LEAF] * count)
    relaxed = whole_leaf_bound(supplies, payload_bytes=count * LEAF, leaf_bytes=LEAF)
    found = holders_bound(supplies, leaf_count=count, leaf_bytes=LEAF, at_least=relaxed)
    assert found == (pytest.approx(expected, rel=1e-4) if expected < FOREVER else FOREVER)


def test_a_leaf_that_nobody_holds_never_comes() -> None:
    supplies = [supply(10.0, holds=frozenset({0}))]
    assert holders_bound(supplies, leaf_count=2, leaf_bytes=LEAF, at_least=1.0) == FOREVER


def test_the_fluid_bound_fills_the_downlink_and_no_more() -> None:
    two = [supply(30.0, delay=1.0), supply(50.0, start=2.0)]
    assert fluid_bound(two, down=Profile.constant(1e9), payload_bytes=110) == pytest.approx(
        3.0
    )  # 30 from 1 s on, 80 from 2 s on
    assert fluid_bound(two, down=Profile.constant(40.0), payload_bytes=110) == pytest.approx(4.0)


@pytest.mark.parametrize("seed", range(20))
def test_the_fluid_bound_is_never_later_than_whole_leaves(seed: int) -> None:
    draw = random.Random(2000 + seed)
    supplies = [supply(drawn_profile(draw), start=draw.uniform(0, 2), delay=draw.uniform(0, 1)) for _ in range(4)]
    whole = whole_leaf_bound(supplies, payload_bytes=7 * LEAF + 10, leaf_bytes=LEAF)
    fluid = fluid_bound(supplies, down=Profile.constant(1e9), payload_bytes=7 * LEAF + 10)
    assert fluid <= whole + 1e-6


def test_a_stay_begins_with_the_manifest_and_a_request() -> None:
    one = supply_of(Profile.constant(1000.0), opened=2.0, end=FOREVER, rtt_s=0.2, manifest_bytes=500)
    # asked at 2.0, heard at 2.1, the manifest is out at 2.6 and here at 2.7, the request is there at 2.8; the leaf leaves until 2.9
    assert one.start == pytest.approx(2.8)
    assert one.completion(100) == pytest.approx(3.0)


def test_who_leaves_brings_only_what_was_sent_by_then() -> None:
    one = supply(100.0, end=1.5)
    assert one.completion(LEAF) == pytest.approx(1.0)
    assert one.completion(2 * LEAF) == FOREVER
    assert whole_leaf_bound([one], payload_bytes=2 * LEAF, leaf_bytes=LEAF) == FOREVER


def test_one_downlink_for_all_is_a_bound_of_its_own() -> None:
    many = [supply(100.0) for _ in range(10)]
    assert optimum(many, down=Profile.constant(200.0), payload_bytes=10 * LEAF, leaf_bytes=LEAF) == pytest.approx(5.0)


def test_a_crowd_is_bound_by_the_seeds_by_a_downlink_and_by_all_uplinks() -> None:
    seed = [supply(100.0)]
    up = [Profile.constant(50.0)] * 4
    fast = Profile.constant(1e9)
    assert crowd_bound(seed, ups=up, down=fast, payload_bytes=600) == pytest.approx(8.0)  # 4 x 600 over 100 + 4 x 50
    assert crowd_bound(seed, ups=[Profile.constant(1e6)] * 4, down=fast, payload_bytes=600) == pytest.approx(6.0)
    assert crowd_bound(seed, ups=up, down=Profile.constant(50.0), payload_bytes=600) == pytest.approx(12.0)
