"""A swarm session against simulated peers: whatever they do and in whatever order, no unverified byte is accepted and no leaf is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.domain.audio.payload import LEAF_BYTES, PayloadFacts, PayloadFormat
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.states import DownloaderState
from overlay_node.swarm.actions import (
    Action,
    AskChunk,
    AskManifest,
    CancelChunks,
    ChargePeer,
    Completed,
    DropPeer,
    KeepManifest,
    StoreLeaf,
)
from overlay_node.swarm.invariants import broken
from overlay_node.swarm.piece_map import leaves_of
from overlay_node.swarm.session import SwarmSession
from tests.overlay_node.swarm.payloads import TestPayload, make_payload

LEAVES = 9
PAYLOAD = make_payload(LEAF_BYTES * (LEAVES - 1) + 1234)


@dataclass
class SimPeer:
    """A peer with a speed; `bad_until_try` and `bad_leaves` say which of its answers are wrong."""

    name: str
    seconds_per_chunk: float = 0.01
    have: tuple[tuple[int, int], ...] = ((0, LEAVES),)
    bad_until_try: int = 0
    bad_leaves: frozenset[int] = frozenset()
    queue: list[tuple[float, int, int]] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    free_at: float = 0.0

    def ask(self, now: float, offset: int, length: int) -> None:
        self.free_at = max(now, self.free_at) + self.seconds_per_chunk
        self.queue.append((self.free_at, offset, length))


def leaves_in(offset: int, length: int) -> range:
    """The leaves that a range touches."""
    return range(offset // LEAF_BYTES, -(-(offset + length) // LEAF_BYTES))


class Swarm:
    """Pumps one session against simulated peers in virtual time."""

    def __init__(self, peers: list[SimPeer], payload: TestPayload = PAYLOAD, **options: object) -> None:
        self.payload = payload
        self.session = SwarmSession(payload.key, **options)  # type: ignore[arg-type]
        self.peers = {peer.name: peer for peer in peers}
        self.now = 0.0
        self.file: dict[int, bytes] = {}
        self.giver: dict[int, str] = {}
        self.charges: list[ChargePeer] = []
        self.drops: list[DropPeer] = []
        self.completed = 0
        self.asked: list[tuple[str, int]] = []
        for peer in peers:
            self.do(self.session.peer_added(peer.name, self.now))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case AskManifest(peer):
                    manifest = self.payload.manifest
                    self.do(
                        self.session.manifest_received(
                            peer,
                            manifest.facts,
                            manifest.leaves.hashes,
                            leaf_bytes=LEAF_BYTES,
                            preamble=b"",
                            have=self.peers[peer].have,
                            now=self.now,
                        )
                    )
                case KeepManifest():
                    self.do(self.session.storage_ready(self.now))
                case AskChunk(peer=peer, offset=offset, length=length):
                    self.asked += [(peer, leaf) for leaf in leaves_in(offset, length)]
                    self.peers[peer].ask(self.now, offset, length)
                case CancelChunks(peer=peer, ranges=ranges):
                    queue = self.peers[peer].queue
                    queue[:] = [one for one in queue if ranges and not any(a <= one[1] < b for a, b in ranges)]
                case StoreLeaf(peer=peer, leaf=leaf, data=data):
                    if leaf in self.file:
                        before = [one for one in self.session.all_sources() if one.peer == self.giver[leaf]]
                        assert all(one.quarantined for one in before), "stored again only to part from a corrupt sender"
                    assert bytes(data) == self.payload.leaf(leaf), "only true bytes are stored"
                    self.file[leaf] = bytes(data)
                    self.giver[leaf] = peer
                case ChargePeer():
                    self.charges.append(action)
                case DropPeer():
                    self.drops.append(action)
                case Completed():
                    self.completed += 1
                case _:
                    pass

    def run(self, *, until: float = 600.0) -> None:
        while not self.session.completed and self.now < until:
            self.now = round(self.now + 0.01, 6)
            for peer in self.peers.values():
                due = [one for one in peer.queue if one[0] <= self.now]
                for one in due:
                    if one not in peer.queue:
                        continue
                    peer.queue.remove(one)
                    _, offset, length = one
                    data = bytearray(self.payload.data[offset : offset + length])
                    for leaf in leaves_in(offset, length):
                        start = max(leaf * LEAF_BYTES - offset, 0)
                        if leaf * LEAF_BYTES >= offset:  # the first piece of a leaf: one more try of it
                            peer.tries[leaf] = peer.tries.get(leaf, 0) + 1
                        if peer.tries.get(leaf, 1) <= peer.bad_until_try or leaf in peer.bad_leaves:
                            end = min((leaf + 1) * LEAF_BYTES - offset, length)
                            data[start:end] = bytes(end - start)
                    self.do(self.session.chunk_received(peer.name, offset, data, self.now))
            self.do(self.session.tick(self.now))


def test_three_good_peers_fill_the_payload_together() -> None:
    swarm = Swarm([SimPeer("a"), SimPeer("b"), SimPeer("c")])
    swarm.run()
    assert swarm.completed == 1
    assert b"".join(swarm.file[leaf] for leaf in range(LEAVES)) == PAYLOAD.data
    assert set(swarm.giver.values()) == {"a", "b", "c"}
    assert {source.state for source in swarm.session.sources.values()} == {DownloaderState.VERIFYING}
    swarm.session.finished()
    assert {source.state for source in swarm.session.sources.values()} == {DownloaderState.COMPLETED}


def test_a_slow_peer_does_not_hold_up_the_end() -> None:
    swarm = Swarm([SimPeer("fast", 0.02), SimPeer("slow", 8.0)])
    swarm.run()
    assert swarm.completed == 1
    assert swarm.now < 8.0
    assert sum(giver == "fast" for giver in swarm.giver.values()) >= LEAVES - 1


def test_a_peer_that_always_corrupts_is_charged_and_the_others_deliver() -> None:
    swarm = Swarm([SimPeer("liar", 0.01, bad_until_try=99), SimPeer("honest", 0.05)])
    swarm.run()
    assert swarm.completed == 1
    assert set(swarm.giver.values()) == {"honest"}
    assert 1 <= len(swarm.charges) <= 4  # one, and what was in flight when it came
    assert {charge.peer for charge in swarm.charges} == {"liar"}


def test_the_only_source_is_asked_again_although_it_corrupts() -> None:
    swarm = Swarm([SimPeer("liar", 0.01, bad_until_try=1)])
    swarm.run()
    assert swarm.completed == 1
    assert len(swarm.charges) == LEAVES


def test_an_only_source_that_always_lies_is_given_up_and_the_session_goes_on_when_another_appears() -> None:
    liar = SimPeer("liar", 0.01, bad_until_try=999)
    swarm = Swarm([liar])
    swarm.run(until=120)
    assert not swarm.session.completed
    assert swarm.session.waiting == "only_bad_sources"
    assert len(swarm.charges) <= LEAVES * 6
    honest = SimPeer("honest")
    swarm.peers["honest"] = honest
    swarm.do(swarm.session.peer_added("honest", swarm.now))
    swarm.run(until=240)
    assert swarm.completed == 1


def test_a_corrupt_peer_is_parted_from_exactly_the_leaves_it_sent_once_another_holds_them() -> None:
    swarm = Swarm([SimPeer("corrupt", 0.01, bad_leaves=frozenset({3, 6})), SimPeer("partial", 0.01, have=((0, 2),))])
    swarm.run(until=120)
    assert not swarm.session.completed
    from_partial = {leaf for leaf, giver in swarm.giver.items() if giver == "partial"}
    assert from_partial == {0, 1}
    asked_before = len(swarm.asked)
    swarm.peers["honest"] = SimPeer("honest")
    swarm.do(swarm.session.peer_added("honest", swarm.now))
    swarm.run(until=240)
    assert swarm.completed == 1
    assert {leaf for _, leaf in swarm.asked[asked_before:]} == set(range(LEAVES)) - from_partial
    assert set(swarm.giver.values()) == {"honest", "partial"}
    corrupt = next(source for source in swarm.session.all_sources() if source.peer == "corrupt")
    assert corrupt.verified_bytes == 0
    assert corrupt.bad_leaves > 0


def test_a_peer_that_dies_loses_its_turn_and_nothing_else() -> None:
    swarm = Swarm([SimPeer("a", 0.05), SimPeer("b", 0.05)])
    swarm.run(until=0.06)
    swarm.peers["a"].queue.clear()
    swarm.do(swarm.session.peer_gone("a", swarm.now))
    swarm.run()
    assert swarm.completed == 1


def test_a_silent_peer_times_out_and_its_leaves_go_to_others() -> None:
    swarm = Swarm([SimPeer("silent", 10_000.0), SimPeer("b", 0.05)])
    swarm.run()
    assert swarm.completed == 1
    assert set(swarm.giver.values()) == {"b"}


def test_a_manifest_that_does_not_hash_to_the_root_is_charged_and_never_used() -> None:
    session = SwarmSession(PAYLOAD.key)
    session.peer_added("liar", 0.0)
    facts = PayloadFacts(PayloadFormat.FILE, PAYLOAD.manifest.facts.payload_bytes + 1)  # lies about size
    actions = session.manifest_received(
        "liar", facts, PAYLOAD.manifest.leaves.hashes, leaf_bytes=LEAF_BYTES, preamble=b"", have=((0, 9),), now=0.1
    )
    assert any(isinstance(action, ChargePeer) for action in actions)
    assert any(isinstance(action, DropPeer) for action in actions)
    assert session.manifest is None
    assert session.waiting == "no_source"


def test_held_leaves_are_never_asked_for_again() -> None:
    swarm = Swarm([SimPeer("a")], manifest=PAYLOAD.manifest, held=range(5))
    swarm.run()
    assert swarm.completed == 1
    assert {leaf for _, leaf in swarm.asked} == {5, 6, 7, 8}


def test_what_peers_gave_in_an_earlier_run_stays_theirs_when_they_come_back() -> None:
    session = SwarmSession(PAYLOAD.key, manifest=PAYLOAD.manifest, held=range(5))
    session.recall({"a": 3 * LEAF_BYTES, "b": 9 * LEAF_BYTES})
    for peer in ("a", "b", "c"):
        session.peer_added(peer, 0.0)
    assert [session.sources[peer].verified_bytes for peer in ("a", "b", "c")] == [3 * LEAF_BYTES, 2 * LEAF_BYTES, 0]
    session.peer_gone("a", 1.0)
    session.peer_added("a", 2.0)
    assert session.sources["a"].verified_bytes == 3 * LEAF_BYTES  # counted once


def test_partial_seeders_are_asked_for_what_they_have_and_then_for_what_they_get() -> None:
    swarm = Swarm([SimPeer("a", have=((0, 3),)), SimPeer("b", have=((6, 9),))])
    swarm.run(until=5)
    assert sorted(swarm.file) == [0, 1, 2, 6, 7, 8]
    assert swarm.session.waiting == "sources_incomplete"
    swarm.do(swarm.session.have_received("a", ((3, 6),), swarm.now))
    assert swarm.session.waiting == ""
    swarm.run(until=10)
    assert swarm.completed == 1


def test_a_spent_budget_slows_down_and_does_not_stop() -> None:
    bucket = TokenBucket(rate=LEAF_BYTES, burst=LEAF_BYTES, now=0.0)
    swarm = Swarm([SimPeer("a")], budgets=(bucket,))
    swarm.run()
    assert swarm.completed == 1
    assert swarm.now >= LEAVES - 3


def test_a_leaf_that_could_not_be_written_is_fetched_again() -> None:
    swarm = Swarm([SimPeer("a", 0.05)])
    swarm.run(until=0.2)
    lost = next(iter(swarm.file))
    del swarm.file[lost]
    swarm.do(swarm.session.leaf_lost(lost, swarm.now))
    swarm.run()
    assert swarm.completed == 1
    assert sorted(swarm.file) == list(range(LEAVES))


def test_refusals_pause_strike_or_end_a_source() -> None:
    swarm = Swarm([SimPeer("a", 100.0), SimPeer("b", 100.0)])
    source = swarm.session.sources["a"]
    offset = next(iter(source.flight))
    swarm.do(swarm.session.chunk_refused("a", offset, "rate_limited", now=1.0, retry_after_s=7))
    assert source.retry_at == 8.0
    offset = next(iter(source.flight))
    swarm.do(swarm.session.chunk_refused("a", offset, "not_found", now=1.0))
    assert "a" not in swarm.session.sources
    assert [drop.code for drop in swarm.drops] == ["not_found"]


def test_a_source_that_wants_to_be_asked_tomorrow_does_not_hold_the_transfer_until_then() -> None:
    swarm = Swarm([SimPeer("a", 100.0)])
    offset = next(iter(swarm.session.sources["a"].flight))
    swarm.do(swarm.session.chunk_refused("a", offset, "rate_limited", now=1.0, retry_after_s=86_400))
    assert [(drop.code, drop.retry_after_s) for drop in swarm.drops] == [("rate_limited", 86_400)]
    assert swarm.session.waiting == "no_source"
    swarm.do(swarm.session.peer_added("a", 100_000.0))
    swarm.now = 100_000.0
    swarm.peers["a"].seconds_per_chunk = swarm.peers["a"].free_at = 0.01
    swarm.run(until=100_100.0)
    assert swarm.completed == 1


NAMES = ("a", "b", "c")
EVENTS = st.one_of(
    st.tuples(st.just("answer"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(st.just("corrupt"), st.sampled_from(NAMES), st.integers(0, 3)),
    st.tuples(
        st.just("refuse"), st.sampled_from(NAMES), st.sampled_from(["rate_limited", "io_error", "invalid_range"])
    ),
    st.tuples(st.just("gone"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("add"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("unasked"), st.sampled_from(NAMES), st.integers(0, 5)),
    st.tuples(st.just("have"), st.sampled_from(NAMES), st.integers(0, 5)),
    st.tuples(st.just("lost"), st.sampled_from(NAMES), st.integers(0, 4)),
    st.tuples(st.just("time"), st.sampled_from(NAMES), st.sampled_from([1, 50, 1200, 3500])),
)
SMALL = make_payload(LEAF_BYTES * 4 + 99, seed=2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(EVENTS, max_size=60), partial=st.sampled_from([((0, 5),), ((0, 2),), ((1, 2), (4, 5))]))
def test_any_order_of_events_stores_true_bytes_once_and_ends_or_says_why(
    events: list[tuple[str, str, object]], partial: tuple[tuple[int, int], ...]
) -> None:
    peers = [SimPeer(name, 1e9, have=partial if name == "b" else ((0, 5),)) for name in NAMES]
    swarm = Swarm(peers[:2], payload=SMALL)
    swarm.peers["c"] = peers[2]
    for kind, name, extra in events:
        peer, session = swarm.peers[name], swarm.session
        source = session.sources.get(name)
        if kind in {"answer", "corrupt", "refuse"} and source is not None and source.flight:
            offset = sorted(source.flight)[extra % len(source.flight) if isinstance(extra, int) else 0]
            data = SMALL.data[offset : offset + source.flight[offset].length]
            peer.queue = [one for one in peer.queue if one[1] != offset]
            if kind == "refuse":
                swarm.do(session.chunk_refused(name, offset, str(extra), now=swarm.now))
            else:
                swarm.do(
                    session.chunk_received(name, offset, data if kind == "answer" else bytes(len(data)), swarm.now)
                )
        elif kind == "gone":
            peer.queue.clear()
            swarm.do(session.peer_gone(name, swarm.now))
        elif kind == "add":
            swarm.do(session.peer_added(name, swarm.now))
        elif kind == "unasked":
            assert isinstance(extra, int)
            if source is None or extra * LEAF_BYTES not in source.flight:
                swarm.do(session.chunk_received(name, extra * LEAF_BYTES, b"x" * LEAF_BYTES, swarm.now))
        elif kind == "have":
            assert isinstance(extra, int)
            swarm.do(session.have_received(name, ((extra, extra + 2),), swarm.now))
        elif kind == "lost" and extra in swarm.file and not session.completed:
            assert isinstance(extra, int)
            del swarm.file[extra]
            swarm.do(session.leaf_lost(extra, swarm.now))
        elif kind == "time":
            assert isinstance(extra, int)
            swarm.now += extra / 100
            swarm.do(session.tick(swarm.now))
        check(swarm)
    # whatever happened, one honest and complete newcomer is enough
    newcomer = SimPeer("new")
    swarm.peers["new"] = newcomer
    for one in swarm.peers.values():
        if one is not newcomer:
            one.queue.clear()
    swarm.do(swarm.session.peer_added("new", swarm.now))
    swarm.run(until=swarm.now + 400)
    assert swarm.session.completed
    assert b"".join(swarm.file[leaf] for leaf in range(5)) == SMALL.data


def check(swarm: Swarm) -> None:
    """What holds after every event."""
    session = swarm.session
    assert session.map is not None
    assert list(broken(session, swarm.now)) == []
    assert not session.violations
    assert leaves_of(session.map.held(), leaf_count=5) <= set(swarm.file)
    for source in session.all_sources():
        sent = [leaf for leaf, giver in swarm.giver.items() if giver == source.peer and session.map.holds(leaf)]
        if source.quarantined and not session.completed:
            elsewhere = [other for other in session.sources.values() if any(other.clean_for(leaf) for leaf in sent)]
            assert not elsewhere, "a corrupt peer is parted from what it sent wherever there is a choice"
    owners = {leaf: session.map.owner(leaf) for leaf in session.map.missing()}
    requests = [one for source in session.sources.values() for one in source.flight.values()]
    in_flight = {leaf for one in requests for leaf in range(one.leaf, one.leaf + one.leaves)}
    assert {leaf for leaf, owner in owners.items() if owner} <= in_flight, "a leaf with an owner is on its way"
    for source in session.sources.values():
        assert len(source.flight) <= source.cap
        assert source.verified_bytes >= 0
    moving = in_flight or any(
        s.state is DownloaderState.NEGOTIATING or s.retry_at > swarm.now for s in session.sources.values()
    )
    pausing = any(s.bad_retry_at for s in session.sources.values())
    if not session.completed and not moving and not pausing:
        assert session.waiting, "nothing moves, and nobody is told why"


@pytest.mark.parametrize("size", [1, LEAF_BYTES, LEAF_BYTES + 1])
def test_payloads_of_any_size_complete(size: int) -> None:
    payload = make_payload(size, seed=size)
    swarm = Swarm([SimPeer("a", have=((0, -(-size // LEAF_BYTES)),))], payload=payload)
    swarm.run()
    assert swarm.completed == 1
