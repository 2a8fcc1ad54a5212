"""Arithmetic of leaves and ranges."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlay_node.swarm.piece_map import PieceMap, largest_ranges, leaves_of, ranges_of


@given(st.frozensets(st.integers(0, 60)))
def test_ranges_and_leaves_are_two_ways_to_say_the_same(leaves: frozenset[int]) -> None:
    ranges = ranges_of(leaves)
    assert leaves_of(ranges, leaf_count=61) == leaves
    assert all(first < end for first, end in ranges)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


def test_the_longest_ranges_are_kept_when_there_are_too_many() -> None:
    assert largest_ranges(((0, 1), (3, 9), (11, 13)), limit=2) == ((3, 9), (11, 13))


def test_ranges_outside_the_payload_are_cut() -> None:
    assert leaves_of(((-3, 2), (4, 900)), leaf_count=6) == {0, 1, 4, 5}


@given(st.integers(1, 5000), st.integers(1, 700))
def test_leaves_cover_the_payload_exactly(payload_bytes: int, leaf_bytes: int) -> None:
    pieces = PieceMap(payload_bytes=payload_bytes, leaf_bytes=leaf_bytes)
    assert sum(pieces.length(leaf) for leaf in range(pieces.leaf_count)) == payload_bytes
    for leaf in range(pieces.leaf_count):
        pieces.hold(leaf)
    assert pieces.complete
    assert pieces.held_bytes == payload_bytes


def test_a_leaf_has_one_owner_and_a_held_one_none() -> None:
    pieces = PieceMap(payload_bytes=10, leaf_bytes=4)
    pieces.assign(0, "a")
    with pytest.raises(ValueError, match="not free"):
        pieces.assign(0, "b")
    assert list(pieces.free()) == [1, 2]
    pieces.hold(0)
    assert pieces.owner(0) is None
    with pytest.raises(ValueError, match="not free"):
        pieces.assign(0, "a")
    pieces.lose(0)
    assert list(pieces.free()) == [0, 1, 2]
    assert pieces.free_count == 3
