"""What events add up to: exactly the bytes, and the same whether the events are there or were carried."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.swarm.trace import ACTIONS, TraceEvent, TraceSource
from apps.domain.swarm.trace_tally import Tally
from tests.domain.swarm.traces import JOB, LEAF, TRANSFER, chunk, event

some_events = st.lists(
    st.builds(
        event,
        st.integers(0, 10**6).map(lambda n: n / 1000),
        st.sampled_from(sorted(ACTIONS)),
        st.sampled_from(["", "a", "b", "soulseek:c"]),
        leaf=st.integers(-1, 40),
        offset=st.integers(-1, 1 << 30),
        length=st.integers(0, 1 << 20),
        duration_ms=st.just(-1.0) | st.integers(0, 10**6).map(float),
        code=st.sampled_from(["", "timed_out", "duplicate"]),
    ),
    max_size=40,
)


def tally_of(events: list[TraceEvent]) -> Tally:
    tally = Tally()
    for one in events:
        tally.add(one)
    return tally


@given(some_events, st.integers(0, 40))
def test_a_tally_carried_over_a_rotation_is_that_of_all_events(events: list[TraceEvent], cut: int) -> None:
    whole = tally_of(events)
    carried = Tally.from_json(json.loads(json.dumps(tally_of(events[:cut]).to_json())), job=JOB)
    for one in events[cut:]:
        carried.add(one)
    assert carried.to_json() == whole.to_json()


def test_bytes_add_up_over_bad_lost_and_vain_ones() -> None:
    events = [
        event(0, "transfer_started", offset=0, length=4 * LEAF),
        *chunk(0, "a", 0),
        *chunk(1, "b", 1),
        event(2, "chunk_received", "b", leaf=2, offset=2 * LEAF, length=LEAF, duration_ms=100.0),
        event(2, "leaf_bad", "b", leaf=2, offset=2 * LEAF, length=LEAF),
        event(2, "leaf_lost", "b", leaf=1, offset=LEAF, length=LEAF, code="sender_corrupt"),
        event(3, "chunk_received", "a", leaf=0, length=LEAF, code="duplicate"),
        *chunk(4, "a", 1),
        *chunk(5, "soulseek:c", 2),
        *chunk(6, "a", 3),
        event(7, "transfer_completed", length=4 * LEAF),
    ]
    transfer = tally_of(events).transfers[TRANSFER]
    assert transfer.verified + transfer.held_before == transfer.payload == 4 * LEAF
    assert transfer.received == 7 * LEAF
    assert transfer.received - transfer.wasted == transfer.verified
    assert {key: peer.verified for key, peer in transfer.peers.items()} == {
        "a": 3 * LEAF,
        "b": 0,
        "soulseek:c": LEAF,
    }
    assert transfer.peers["soulseek:c"].source is TraceSource.SOULSEEK
    assert (transfer.outcome, transfer.peers["b"].bad_leaves) == ("completed", 1)


def test_what_arrived_and_counted_for_nothing_is_counted_once() -> None:
    where = {"leaf": 0, "offset": 0, "length": LEAF}
    events = [*chunk(0, "a", 0), event(1, "chunk_received", "b", **where), event(1, "leaf_in_vain", "b", **where)]
    transfer = tally_of(events).transfers[TRANSFER]
    assert (transfer.received, transfer.wasted, transfer.verified) == (2 * LEAF, LEAF, LEAF)


def test_a_resumed_transfer_has_one_beginning_and_no_end_until_it_comes() -> None:
    events = [
        event(0, "transfer_started", offset=LEAF, length=3 * LEAF),
        *chunk(0, "a", 1),
        event(1, "transfer_aborted", code="policy_change"),
        event(60, "transfer_started", offset=2 * LEAF, length=3 * LEAF),
    ]
    transfer = tally_of(events).transfers[TRANSFER]
    assert (transfer.sessions, transfer.outcome, transfer.ended_at, transfer.held_before) == (2, "", None, LEAF)


def test_events_that_the_sink_dropped_are_told() -> None:
    assert tally_of([event(1, "trace_gap", length=12, code="behind")]).dropped == 12


def test_a_carried_tally_full_of_nonsense_is_an_empty_one() -> None:
    nonsense = {"events": "many", "transfers": [3, {"transfer": "x"}, {"transfer": str(TRANSFER), "track": None}]}
    assert Tally.from_json(nonsense, job=JOB).to_json() == {"events": 0, "dropped": 0, "transfers": []}
