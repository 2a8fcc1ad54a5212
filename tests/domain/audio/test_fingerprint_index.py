"""Like prints are found among very many, aligned or not; what says nothing is left out."""

from __future__ import annotations

import numpy as np
import pytest

from apps.domain.audio.fingerprint import Items
from apps.domain.audio.fingerprint_index import (
    FingerprintIndex,
    Segment,
    merged,
    segment_built,
    segment_of,
    slice_items,
)


def noise(seed: int, count: int = 400) -> Items:
    return np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint32)


def spoilt(items: Items, *, ber: float, seed: int = 0) -> Items:
    flips = np.random.default_rng(seed).random((len(items), 32)) < ber
    return items ^ (flips.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)


def packed(items: Items) -> bytes:
    return slice_items(items).astype("<u4").tobytes()


@pytest.fixture(scope="module")
def index() -> Segment:
    return segment_of({number: packed(noise(number)) for number in range(1, 401)})


def test_a_twin_is_found_at_the_error_rates_of_real_encodes(index: Segment) -> None:
    for ber in (0.0, 0.02, 0.06):
        for number in (1, 17, 400):
            (hit,) = index.query(slice_items(spoilt(noise(number), ber=ber)))
            assert hit.id == number and hit.offset == 0 and hit.overlap == 120
            assert hit.ber == pytest.approx(ber, abs=0.01)


@pytest.mark.parametrize("shift", [1, 7, 40, -5, -40])
def test_a_cut_or_delayed_twin_is_found_where_it_lies(shift: int, index: Segment) -> None:
    whole = noise(33)
    late = np.concatenate((noise(999, 50)[:-shift], whole)) if shift < 0 else whole[shift:]
    moved = late if shift > 0 else np.concatenate((noise(998, -shift), whole))
    (hit,) = index.query(slice_items(moved))
    assert (hit.id, hit.offset, hit.overlap) == (33, -shift, 120 - abs(shift))


def test_other_music_is_not_found(index: Segment) -> None:
    assert index.query(slice_items(noise(5_000))) == []
    assert index.query(slice_items(spoilt(noise(3), ber=0.3))) == []


def test_a_slice_is_the_middle_and_of_short_tracks_the_end() -> None:
    long, middling, short = noise(1, 948), noise(1, 150), noise(1, 79)
    assert np.array_equal(slice_items(long), long[80:200])
    assert np.array_equal(slice_items(middling), middling[30:150])
    assert np.array_equal(slice_items(short), short)
    assert len(slice_items(noise(1, 59))) == 0


def test_silence_and_short_tracks_are_left_out_or_found_by_what_they_have(index: Segment) -> None:
    silence = np.zeros(400, dtype=np.uint32)
    hum = np.tile(np.arange(5, dtype=np.uint32), 80)
    assert len(slice_items(silence)) == len(slice_items(hum)) == 0
    short = noise(70_000, 75)
    made = segment_of({1: packed(short), 2: b"", 3: silence[:120].tobytes(), 4: b"123"})
    assert made.ids.tolist() == [1]
    (hit,) = made.query(slice_items(spoilt(short[:72], ber=0.02)))
    assert (hit.id, hit.overlap) == (1, 72)


def test_a_key_shared_by_very_many_costs_nothing_and_hides_nobody() -> None:
    common = noise(1, 30)
    rows = {}
    for number in range(3_000):
        own = noise(number + 10, 400)
        own[100:130] = common
        rows[number] = packed(own)
    made = segment_of(rows)
    asked = noise(10, 400)
    asked[100:130] = common
    assert [hit.id for hit in made.query(slice_items(asked))] == [0]


def test_segments_are_asked_as_one_and_merge_without_those_that_are_gone(index: Segment) -> None:
    other = segment_of({number: packed(noise(number)) for number in range(401, 421)})
    both = FingerprintIndex((index, other))
    assert len(both) == 420 and both.nbytes == index.nbytes + other.nbytes
    assert [hit.id for hit in both.query(slice_items(noise(410)))] == [410]
    one = merged([index, other], without=frozenset({7, 410}))
    assert len(one.ids) == 418
    assert one.query(slice_items(noise(410))) == [] and one.query(slice_items(noise(411)))[0].id == 411
    assert len(merged([]).ids) == 0
    assert FingerprintIndex().query(noise(1)[:120]) == ()


def test_an_empty_index_and_an_unusable_question_find_nothing(index: Segment) -> None:
    assert segment_of({}).query(noise(1)[:120]) == []
    assert index.query(noise(1)[:59]) == [] and index.query(noise(1)[:200]) == []
    with pytest.raises(ValueError, match="rows"):
        segment_built(
            np.zeros(1 << 26, dtype=np.int64), np.zeros(0, dtype=np.uint8), np.zeros((0, 120), dtype=np.uint32)
        )
