"""Popularity halves every week, and neither the order of updates nor the moment of asking changes it."""

from __future__ import annotations

import math
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.mesh.popularity import (
    FORGOTTEN_S,
    HALF_LIFE_S,
    NOTHING,
    Heard,
    crate_order,
    label_rank,
    popularity_at,
    presence_of,
    rank_of,
    releases_of,
)

NOW = 1_800_000_000.0
TIMES = st.floats(min_value=0.0, max_value=4e9, allow_nan=False)
A, B = uuid.UUID(int=1), uuid.UUID(int=2)


def test_one_peer_heard_now_is_one_and_half_of_it_a_week_later() -> None:
    rank = rank_of([NOW])
    assert popularity_at(rank, now_s=NOW) == pytest.approx(1.0)
    assert popularity_at(rank, now_s=NOW + HALF_LIFE_S) == pytest.approx(0.5)
    assert popularity_at(rank, now_s=NOW + FORGOTTEN_S) == pytest.approx(1 / 256)


def test_nobody_is_nothing_at_any_time() -> None:
    assert rank_of([]) == label_rank([]) == NOTHING
    assert popularity_at(NOTHING, now_s=NOW) == 0.0


@given(st.lists(st.tuples(st.integers(1, 5), TIMES), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_updates_makes_no_difference_at_all(heard: list[tuple[int, float]], rng: random.Random) -> None:
    shuffled = heard[:]
    rng.shuffle(shuffled)
    assert label_rank(shuffled) == label_rank(heard)
    assert rank_of(at for _, at in shuffled) == rank_of(at for _, at in heard)


@given(st.lists(TIMES, min_size=1, max_size=20), st.lists(TIMES, min_size=1, max_size=20), TIMES)
def test_who_is_ahead_stays_ahead_whenever_it_is_asked(one: list[float], other: list[float], now_s: float) -> None:
    first, second = rank_of(one), rank_of(other)
    later = now_s + HALF_LIFE_S
    assert (popularity_at(first, now_s=now_s) <= popularity_at(second, now_s=now_s)) or first > second
    assert popularity_at(first, now_s=later) <= popularity_at(first, now_s=now_s)


@given(st.lists(st.tuples(st.integers(1, 4), TIMES), min_size=1, max_size=20), st.integers(1, 4), TIMES)
def test_hearing_more_never_makes_less(heard: list[tuple[int, float]], peer: int, at_s: float) -> None:
    more = label_rank([*heard, (peer, at_s)])
    assert more >= label_rank(heard) or math.isclose(more, label_rank(heard), rel_tol=1e-12)


def test_it_is_the_sum_that_the_definition_says() -> None:
    ages = [0.0, 3 * 86_400.0, 20 * 86_400.0]
    told = rank_of(NOW - age for age in ages)
    assert popularity_at(told, now_s=NOW) == pytest.approx(sum(0.5 ** (age / HALF_LIFE_S) for age in ages))


def test_a_peer_counts_by_the_root_of_what_it_has() -> None:
    hoarder = label_rank((1, NOW) for _ in range(100))
    many = label_rank((peer, NOW) for peer in range(11))
    assert popularity_at(hoarder, now_s=NOW) == pytest.approx(10.0)
    assert popularity_at(many, now_s=NOW) == pytest.approx(11.0)


def test_a_clock_that_was_set_back_makes_nothing_infinite() -> None:
    assert math.isfinite(popularity_at(rank_of([4e12]), now_s=0.0))


def test_a_crate_goes_by_popularity_and_among_alike_ones_by_quality() -> None:
    assert crate_order(2.0, quality=0.1) > crate_order(1.0, quality=1.0)
    assert crate_order(1.03, quality=0.9) > crate_order(1.07, quality=0.2)
    assert crate_order(1.0, quality=0.5) > crate_order(1.0, quality=None) > 0
    assert crate_order(0.004, quality=None) > 0


def test_figures_count_releases_artists_and_peers_once() -> None:
    found = presence_of(
        [
            Heard(peer=1, release=A, at_s=NOW, artist="Nirvana", name="Sub Pop"),
            Heard(peer=2, release=A, at_s=NOW, artist="NIRVANA ", name="Sub Pop"),
            Heard(peer=3, release=A, at_s=NOW, artist="Someone else", name="sub pop records"),
            Heard(peer=1, release=B, at_s=NOW, artist="", name="Sub Pop"),
        ]
    )
    assert (found.releases, found.artists, found.peers, found.name) == (2, 1, 3, "Sub Pop")


def test_figures_of_releases_are_those_of_the_last_word_the_best_quality_and_the_fullest_copy() -> None:
    heard = [
        Heard(
            peer=1,
            release=A,
            at_s=NOW - 60,
            title="Old",
            artist="X",
            profile="flac-16-44100-2",
            tracks=10,
            tracks_held=9,
        ),
        Heard(peer=2, release=A, at_s=NOW, title="New", quality=0.4, profile="mp3-cbr-320", tracks=12, tracks_held=2),
        Heard(peer=2, release=A, at_s=NOW - 9, title="Older word", quality=0.7, tracks=12, tracks_held=2),
        Heard(peer=1, release=B, at_s=NOW),
    ]
    found = releases_of(heard)
    assert releases_of(reversed(heard)) == found
    one = found[A]
    assert (one.title, one.artist, one.peers, one.quality) == ("New", "X", 2, 0.7)
    assert (one.tracks_held, one.tracks, one.profiles) == (9, 10, ("flac-16-44100-2", "mp3-cbr-320"))
    assert one.at_s == NOW
    assert popularity_at(one.rank, now_s=NOW) == pytest.approx(2.0, rel=1e-3)
    assert found[B].quality is None


def test_no_label_is_no_error() -> None:
    assert presence_of([]) == presence_of(())
    assert presence_of([]).rank == NOTHING
