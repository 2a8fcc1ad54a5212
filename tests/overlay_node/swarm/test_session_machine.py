"""A session in any order of events: the invariants of `overlay_node.swarm.invariants` hold after each, and one honest newcomer is always enough."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apps.domain.audio.payload import LEAF_BYTES
from apps.domain.swarm.estimate import Pace
from apps.domain.swarm.ranges import Urgency, UrgentRange
from apps.domain.swarm.settings import SchedulerMode, SchedulerSettings
from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED
from overlay_node.protocol.rates import TokenBucket
from overlay_node.protocol.states import DownloaderState
from overlay_node.swarm.actions import Action, AskChunk, AskManifest, Completed, KeepManifest, StoreLeaf
from overlay_node.swarm.explain import explain
from overlay_node.swarm.invariants import broken
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.policy import Policy
from overlay_node.swarm.policy_cost import CostPolicy
from overlay_node.swarm.policy_plain import PlainPolicy
from overlay_node.swarm.session import SwarmSession
from tests.overlay_node.swarm.payloads import make_payload

LEAVES = 7
PAYLOAD = make_payload(LEAF_BYTES * (LEAVES - 1) + 4321, seed=7)
NAMES = st.sampled_from(["a", "b", "c", "d", "shady"])
NUMBER = st.integers(0, 12)
CODES = st.sampled_from(
    ["rate_limited", "not_found", "io_error", "invalid_range", "policy_violation", "timeout", "unheard_of"]
)


class Book(MemoryPeerBook):
    """One has a bad name from elsewhere."""

    def reputation_of(self, peer: str, now: float) -> float:
        return 0.2 if peer == "shady" else super().reputation_of(peer, now)


class SessionMachine(RuleBasedStateMachine):
    """Peers do what they like; nothing they do breaks anything."""

    @initialize(
        policy=st.sampled_from(["plain", *SchedulerMode]),
        budget=st.sampled_from([None, 4e5]),
        draws=st.integers(0, 1000),
    )
    def begin(self, policy: str, budget: float | None, draws: int) -> None:
        self.now = 1.0
        self.file: dict[int, bytes] = {}
        self.completions = 0
        self.draws = draws
        self.paces: dict[str, Pace] = {}
        self.received: dict[str, int] = {}
        chosen: Policy = PlainPolicy()
        if policy != "plain":
            chosen = CostPolicy(SchedulerSettings(mode=SchedulerMode(policy)), draw=self.draw)
        buckets = () if budget is None else (TokenBucket(rate=budget, burst=LEAF_BYTES, now=self.now),)
        self.session = SwarmSession(
            PAYLOAD.key, policy=chosen, budgets=buckets, book=Book(), paces=self.paces, now=self.now
        )

    def draw(self, count: int) -> int:
        self.draws = (self.draws * 1103515245 + 12345) % 2**31
        return self.draws % count

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case KeepManifest():
                    self.do(self.session.storage_ready(self.now))
                case StoreLeaf(leaf=leaf, data=data):
                    assert bytes(data) == PAYLOAD.leaf(leaf), "no byte is accepted unverified"
                    self.file[leaf] = bytes(data)
                case AskChunk(length=length, offset=offset, priority=priority):
                    assert 0 < length <= 512 * 1024
                    assert offset + length <= len(PAYLOAD.data)
                    assert 0 <= priority <= 10
                case AskManifest() | _:
                    pass
            self.completions += isinstance(action, Completed)

    def answer_manifest(self, name: str, have: tuple[tuple[int, int], ...], *, honest: bool = True) -> None:
        manifest = PAYLOAD.manifest
        hashes = manifest.leaves.hashes if honest else manifest.leaves.hashes[::-1]
        self.do(
            self.session.manifest_received(
                name, manifest.facts, hashes, leaf_bytes=LEAF_BYTES, preamble=b"", have=have, now=self.now
            )
        )

    # ---- what may happen

    @rule(name=NAMES, have=st.sampled_from([((0, LEAVES),), ((0, 3),), ((2, 5), (6, 7)), ()]), honest=st.booleans())
    def joins(self, name: str, have: tuple[tuple[int, int], ...], honest: bool) -> None:
        self.do(self.session.peer_added(name, self.now))
        self.answer_manifest(name, have, honest=honest or name != "d")

    @rule(name=NAMES)
    def leaves(self, name: str) -> None:
        self.do(self.session.peer_gone(name, self.now))

    @rule(name=NAMES, which=NUMBER, kind=st.sampled_from(["true", "true", "true", "wrong", "short"]))
    def answers(self, name: str, which: int, kind: str) -> None:
        source = self.session.sources.get(name)
        if source is None or not source.flight:
            return
        request = list(source.flight.values())[which % len(source.flight)]
        data = PAYLOAD.data[request.offset : request.offset + request.length]
        if kind == "wrong":
            data = bytes(len(data))
        elif kind == "short":
            data = data[:-1]
        self.received[name] = self.received.get(name, 0) + len(data)
        self.do(self.session.chunk_received(name, request.offset, data, self.now))

    @rule(name=NAMES, which=NUMBER, true=st.booleans())
    def answers_what_was_taken_back(self, name: str, which: int, true: bool) -> None:
        source = self.session.sources.get(name)
        if source is None or not source.recalled:
            return
        request = list(source.recalled.values())[which % len(source.recalled)]
        if request.offset not in source.flight:
            data = PAYLOAD.data[request.offset : request.offset + request.length]
            self.do(self.session.chunk_received(name, request.offset, data if true else bytes(len(data)), self.now))

    @rule(name=NAMES, leaf=st.integers(0, LEAVES))
    def sends_what_nobody_asked_for(self, name: str, leaf: int) -> None:
        source = self.session.sources.get(name)
        if source is not None and leaf * LEAF_BYTES not in source.flight:
            self.do(self.session.chunk_received(name, leaf * LEAF_BYTES, b"x" * LEAF_BYTES, self.now))

    @rule(name=NAMES, which=NUMBER, code=CODES, pause=st.sampled_from([None, 3.0, 5000.0]))
    def refuses(self, name: str, which: int, code: str, pause: float | None) -> None:
        source = self.session.sources.get(name)
        if source is not None and source.flight:
            offset = list(source.flight)[which % len(source.flight)]
            self.do(self.session.chunk_refused(name, offset, code, now=self.now, retry_after_s=pause))

    @rule(name=NAMES, first=st.integers(0, LEAVES), length=st.integers(1, 3))
    def holds_more(self, name: str, first: int, length: int) -> None:
        self.do(self.session.have_received(name, ((first, first + length),), self.now))

    @rule(leaf=st.integers(0, LEAVES - 1))
    def a_leaf_is_lost(self, leaf: int) -> None:
        if leaf in self.file and self.session.map is not None and self.session.map.holds(leaf):
            del self.file[leaf]
            self.do(self.session.leaf_lost(leaf, self.now))

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 3.0, 12.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.session.tick(self.now))

    @rule(name=NAMES, count=st.integers(0, 100_000))
    def bytes_arrive(self, name: str, count: int) -> None:
        self.received[name] = self.received.get(name, 0) + count
        self.session.progress(name, self.received[name], self.now)

    @rule(name=NAMES, cap=st.integers(1, CHUNKS_IN_FLIGHT_ACCEPTED))
    def the_share_changes(self, name: str, cap: int) -> None:
        source = self.session.sources.get(name)
        if source is not None and len(source.flight) <= cap:  # what is in flight already is not taken back for it
            self.session.share(name, cap)

    @rule(first=st.integers(0, LEAVES - 1))
    def somebody_listens(self, first: int) -> None:
        self.session.urgent([UrgentRange(first=first, end=first + 1, urgency=Urgency.PLAYBACK)])

    # ---- what holds

    @invariant()
    def nothing_is_broken(self) -> None:
        if not hasattr(self, "session"):
            return
        session = self.session
        assert list(broken(session, self.now)) == []
        assert not session.violations
        assert session.statistics.refused_orders == 0
        told = explain(session, self.now)
        assert told.held + told.in_flight + told.free == told.leaves
        if session.map is not None:
            assert {leaf for leaf in range(LEAVES) if session.map.holds(leaf)} <= set(self.file)

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        for name in list(self.session.sources):
            self.do(self.session.peer_gone(name, self.now))
        self.do(self.session.peer_added("honest", self.now))
        self.answer_manifest("honest", ((0, LEAVES),))
        for _ in range(600):
            if self.session.completed:
                break
            source = self.session.sources["honest"]
            for request in list(source.flight.values()):
                self.now += 0.02
                data = PAYLOAD.data[request.offset : request.offset + request.length]
                self.do(self.session.chunk_received("honest", request.offset, data, self.now))
            self.now += 0.1
            self.do(self.session.tick(self.now))
        assert self.session.completed
        assert b"".join(self.file[leaf] for leaf in range(LEAVES)) == PAYLOAD.data
        self.session.finished()
        assert self.session.sources["honest"].state is DownloaderState.COMPLETED


TestSession = SessionMachine.TestCase
TestSession.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
