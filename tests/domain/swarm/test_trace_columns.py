"""Columns for drawing: each request with what became of it."""

from __future__ import annotations

import json
from typing import Any

from apps.domain.swarm.trace import TraceEvent
from apps.domain.swarm.trace_columns import Outcome, trace_columns
from apps.domain.swarm.trace_summary import trace_summary
from tests.domain.swarm.test_trace_summary import trace_of
from tests.domain.swarm.traces import LEAF, chunk, event


def columns_of(events: list[TraceEvent]) -> dict[str, Any]:
    trace = trace_of(events)
    columns = trace_columns(trace, trace_summary(trace).whole.stalls)
    json.dumps(columns)
    lengths = {len(column) for column in columns["chunks"].values()}
    assert len(lengths) == 1
    return columns


def outcomes(events: list[TraceEvent]) -> list[Outcome]:
    return [Outcome(number) for number in columns_of(events)["chunks"]["outcome"]]


def test_a_chunk_stands_from_its_request_to_its_arrival_with_its_verdict() -> None:
    columns = columns_of([event(0, "transfer_started"), *chunk(1, "a", 3, code="")])
    chunks = columns["chunks"]
    assert {name: column[0] for name, column in chunks.items()} == {
        "peer": 0, "transfer": 0, "start": 10000, "end": 15000, "leaf": 3, "offset": 3 * LEAF, "bytes": LEAF,
        "outcome": Outcome.VERIFIED, "code": 0, "why": 0,
    }  # fmt: skip
    assert columns["peers"] == [{"key": "a", "source": "overlay"}]


def ended(action: str, code: str = "") -> Outcome:
    where = {"leaf": 0, "offset": 0, "length": LEAF}
    asked = event(1, "chunk_requested", "a", **where)
    return outcomes([asked, event(2, action, "a", code=code, **where)])[0]


def test_every_end_of_a_request_has_its_outcome() -> None:
    assert ended("chunk_received") is Outcome.ARRIVED
    assert ended("chunk_received", "duplicate") is Outcome.IN_VAIN
    assert ended("chunk_error", "timed_out") is Outcome.TIMED_OUT
    assert ended("chunk_error", "rate_limited") is Outcome.REFUSED
    assert ended("chunk_cancelled", "swarm_rebalanced") is Outcome.CANCELLED
    assert ended("chunk_cancelled", "timeout") is Outcome.TIMED_OUT
    assert outcomes([event(1, "chunk_requested", "a", leaf=0, offset=0, length=LEAF)]) == [Outcome.UNDER_WAY]


def test_a_request_over_two_leaves_is_bad_when_one_of_them_is() -> None:
    where = {"leaf": 0, "offset": 0, "length": 2 * LEAF}
    events = [event(1, "chunk_requested", "a", **where), event(2, "chunk_received", "a", **where)]
    first = event(2, "leaf_verified", "a", leaf=0, offset=0, length=LEAF)
    assert outcomes([*events, first]) == [Outcome.VERIFIED]
    assert outcomes([*events, first, event(2, "leaf_bad", "a", leaf=1, offset=LEAF, length=LEAF)]) == [Outcome.BAD]
    assert outcomes([*events, event(2, "leaf_bad", "b", leaf=1, offset=LEAF, length=LEAF)]) == [Outcome.ARRIVED]


def test_parts_of_a_leaf_share_its_verdict() -> None:
    half = LEAF // 2
    events = []
    for number in range(2):
        where = {"leaf": 0, "offset": number * half, "length": half}
        events += [
            event(number, "chunk_requested", "a", **where),
            event(number + 0.5, "chunk_received", "a", **where),
        ]
    events.append(event(3, "leaf_verified", "a", leaf=0, offset=0, length=LEAF))
    assert outcomes(events) == [Outcome.VERIFIED] * 2
    events.append(event(4, "leaf_lost", "a", leaf=0, offset=0, length=LEAF, code="sender_corrupt"))
    assert outcomes(events) == [Outcome.LOST] * 2


def test_what_arrived_and_was_there_already_is_in_vain() -> None:
    where = {"leaf": 0, "offset": 0, "length": LEAF}
    events = [event(1, "chunk_requested", "a", **where), event(2, "chunk_received", "a", **where)]
    assert outcomes([*events, event(2, "leaf_in_vain", "a", **where)]) == [Outcome.IN_VAIN]


def test_a_leaf_that_is_lost_again_shows_on_the_chunk_that_had_brought_it() -> None:
    lost = event(5, "leaf_lost", "a", leaf=0, offset=0, length=LEAF, code="sender_corrupt")
    assert outcomes([*chunk(0, "a", 0), lost, *chunk(6, "b", 0)]) == [Outcome.LOST, Outcome.VERIFIED]


def test_an_arrival_whose_request_is_gone_from_the_trace_stands_where_it_began() -> None:
    where = {"leaf": 0, "offset": 0, "length": LEAF}
    columns = columns_of([event(0, "waiting"), event(9, "chunk_received", "a", duration_ms=4000.0, **where)])
    assert (columns["chunks"]["start"], columns["chunks"]["end"]) == ([50000], [90000])


def test_marks_stalls_and_quiet_stretches_are_told() -> None:
    events = [
        event(0, "transfer_started", length=9 * LEAF),
        *chunk(0, "a", 0),
        event(1, "decision", "a", code="rebalance"),
        event(2, "waiting", code="no_source"),
        event(200, "peer_added", "b"),
        *chunk(200, "b", 1),
        event(201, "peer_gone", "b", code="complete"),
    ]
    columns = columns_of(events)
    words = columns["words"]
    assert [words[number] for number in columns["marks"]["action"]] == [
        "transfer_started",
        "decision",
        "waiting",
        "peer_added",
    ]
    assert columns["marks"]["peer"] == [-1, 0, -1, 1]
    assert columns["quiet"] == [[20000, 2000000]]
    (stall,) = columns["stalls"]
    assert (stall["start"], stall["end"], stall["code"]) == (5000, 2005000, "no_source")


def test_an_empty_trace_has_empty_columns() -> None:
    columns = columns_of([])
    assert (columns["end"], columns["peers"], columns["chunks"]["start"], columns["quiet"]) == (0, [], [], [])
