"""Filters of events: one value of every key that is given."""

from __future__ import annotations

import pytest

from apps.domain.swarm.trace_filter import TraceFilter, TraceFilterInvalid, events_matching
from tests.domain.swarm.test_trace_summary import trace_of
from tests.domain.swarm.traces import TRACK, chunk, event

EVENTS = [
    event(0, "transfer_started"),
    *chunk(1, "alice", 0),
    event(2, "chunk_error", "bob", code="timed_out"),
    event(3, "chunk_error", "soulseek:carol", code="rate_limited"),
]


def found(*texts: str, after: int = -1) -> list[int]:
    return [number for number, _event in events_matching(trace_of(EVENTS), TraceFilter.of(texts), after=after)]


def test_keys_narrow_and_values_of_one_key_widen() -> None:
    assert found() == [0, 1, 2, 3, 4, 5]
    assert found("action=chunk_error") == [4, 5]
    assert found("action=chunk_error,peer=bo") == [4]
    assert found("action=chunk_error", "action=leaf_verified") == [3, 4, 5]
    assert found("source=soulseek") == [5]
    assert found(f"track={str(TRACK)[:8]}, code=timed_out") == [4]
    assert found("peer=nobody") == []


def test_reading_goes_on_after_an_id() -> None:
    assert found("action=chunk_error", after=4) == [5]


@pytest.mark.parametrize("text", ["colour=blue", "action", "=x", "action=", "peer=a,b"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(TraceFilterInvalid):
        TraceFilter.of([text])
