"""How much of a payload is needed for a fingerprint."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from overlay_node.swarm.sampling import sample_bytes

MINUTE = 60_000


def test_two_minutes_of_a_long_recording_are_a_part_of_it_and_of_a_short_one_all() -> None:
    assert sample_bytes(60_000_000, duration_ms=20 * MINUTE) == 7_800_001
    assert sample_bytes(20_000_000, duration_ms=3 * MINUTE) is None


def test_without_a_length_nothing_is_sampled() -> None:
    assert sample_bytes(1000, duration_ms=None) is None
    assert sample_bytes(1000, duration_ms=0) is None


def test_what_claims_to_be_more_than_music_is_not_copied() -> None:
    assert sample_bytes(4 << 30, duration_ms=4 * MINUTE) is None


@given(payload_bytes=st.integers(1, 10**10), duration_ms=st.integers(1, 10**8))
def test_a_sample_is_never_more_than_worth_it(payload_bytes: int, duration_ms: int) -> None:
    needed = sample_bytes(payload_bytes, duration_ms=duration_ms)
    assert needed is None or 0 < needed <= 0.7 * payload_bytes + 1
