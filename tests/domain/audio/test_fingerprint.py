"""Fingerprints: Chromaprint's compressed format both ways, and when two are one recording."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.audio.fingerprint import (
    MAX_ITEMS,
    FingerprintError,
    Items,
    decode,
    encode,
    is_low_entropy,
    items_of,
    same_recording,
)

SHARED = Path(__file__).parents[4] / "shared" / "fixtures"


def music(length: int, *, seed: int) -> Items:
    """Items like those of music: each differs from its predecessor in a few bits."""
    chance = np.random.default_rng(seed)
    flips = (chance.random((length, 32)) < 0.1) @ (1 << np.arange(32, dtype=np.uint64))
    return np.bitwise_xor.accumulate(
        flips.astype(np.uint32) ^ np.where(np.arange(length) == 0, chance.integers(1 << 32), 0).astype(np.uint32)
    )


def noisy(items: Items, *, share: float, seed: int = 99) -> Items:
    flips = (np.random.default_rng(seed).random((len(items), 32)) < share) @ (1 << np.arange(32, dtype=np.uint64))
    return items ^ flips.astype(np.uint32)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], "AQAAAA"),
        ([1], "AQAAAQE"),
        ([7], "AQAAAUkA"),
        ([1 << 6], "AQAAAQcA"),
        ([1 << 31], "AQAAAQcZ"),
        ([1 << 8], "AQAAAQcC"),
        ([1, 0], "AQAAAkEA"),
        ([1, 1], "AQAAAgEA"),
        ([0, 0, 0], "AQAAAwAA"),
    ],
)
def test_compressed_text_of_these_items(items: list[int], text: str) -> None:
    assert encode(np.array(items, dtype=np.uint32)) == text
    decoded, algorithm = decode(text)
    assert decoded.tolist() == items
    assert algorithm == 1


@given(st.lists(st.integers(0, 0xFFFF_FFFF), max_size=60), st.integers(0, 255))
def test_encoding_reads_back(values: list[int], algorithm: int) -> None:
    items = np.array(values, dtype=np.uint32)
    decoded, got = decode(encode(items, algorithm=algorithm))
    assert decoded.tolist() == values
    assert got == algorithm


@given(st.one_of(st.text(max_size=60), st.text(alphabet="AQabcdEF019-_", max_size=80)))
def test_any_text_is_a_fingerprint_or_an_error(text: str) -> None:
    try:
        items, _ = decode(text)
    except FingerprintError:
        return
    assert len(items) <= MAX_ITEMS


def test_every_truncation_is_an_error_or_shorter() -> None:
    text = encode(music(50, seed=3))
    for cut in range(len(text) - 1):
        with pytest.raises(FingerprintError):
            decode(text[:cut])


@pytest.mark.parametrize("text", ["AQ______", "AX___w", "AQAAAf8", "é", "AQAA AA"])
def test_a_wrong_count_or_alphabet_is_refused_before_anything_is_allocated(text: str) -> None:
    with pytest.raises(FingerprintError):
        decode(text)


def test_raw_items_may_be_signed_and_are_bounded() -> None:
    assert items_of([-1, 5]).tolist() == [0xFFFF_FFFF, 5]
    for wrong in ([1 << 32], [-(1 << 31) - 1], [0] * (MAX_ITEMS + 1)):
        with pytest.raises(FingerprintError):
            items_of(wrong)


def test_the_same_sound_with_a_few_wrong_bits_is_the_same_recording() -> None:
    a = music(948, seed=1)
    found = same_recording(a, noisy(a, share=0.05))
    assert (found.verdict, found.offset, found.overlap) == ("same", 0, 948)
    assert 0.04 < found.ber < 0.06


@pytest.mark.parametrize("shift", [-60, -7, 1, 24, 75, 300])
def test_a_crop_is_aligned(shift: int) -> None:
    long = music(1300, seed=2)
    a, b = (
        (long[:948], noisy(long[shift : shift + 900], share=0.03))
        if shift >= 0
        else (long[-shift : 900 - shift], noisy(long[:948], share=0.03))
    )
    found = same_recording(a, b)
    assert (found.verdict, found.offset) == ("same", shift)
    assert same_recording(b, a).offset == -shift


def test_other_music_is_different() -> None:
    found = same_recording(music(948, seed=4), music(948, seed=5))
    assert found.verdict == "different"
    assert found.ber > 0.3


def test_the_verdict_changes_at_a_bit_error_rate_of_fifteen_percent() -> None:
    a = music(948, seed=6)
    assert same_recording(a, noisy(a, share=0.14)).verdict == "same"
    assert same_recording(a, noisy(a, share=0.17)).verdict == "different"


def test_silence_proves_nothing() -> None:
    silence = np.full(948, 627_964_279, dtype=np.uint32)
    assert is_low_entropy(silence)
    found = same_recording(silence, silence)
    assert (found.verdict, found.reason) == ("undecidable", "low_entropy")
    assert same_recording(silence, music(948, seed=1)).verdict == "undecidable"


@pytest.mark.parametrize("length", [0, 1, 59])
def test_a_short_fingerprint_proves_nothing(length: int) -> None:
    a = music(948, seed=1)
    for left, right in ((a, a[:length]), (a[:length], a)):
        found = same_recording(left, right)
        assert (found.verdict, found.reason) == ("undecidable", "overlap_short")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded fingerprints are not beside this checkout")
def test_recorded_fingerprints_survive_decoding_and_encoding_to_the_letter() -> None:
    texts = [
        json.loads(line)["fingerprint"]
        for line in (SHARED / "acoustid" / "fingerprints.jsonl").read_text().splitlines()
    ]
    assert len(texts) > 100
    decoded = []
    for text in texts:
        items, algorithm = decode(text)
        assert encode(items, algorithm=algorithm) == text
        assert not is_low_entropy(items)
        decoded.append(items)
    assert all(
        same_recording(a, b).verdict == "different"
        for a, b in zip(decoded[::2], decoded[1::2], strict=False)
        if not np.array_equal(a, b)
    )
