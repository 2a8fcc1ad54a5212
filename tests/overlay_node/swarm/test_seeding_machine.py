"""The seeding core under any order of events: Hypothesis plays peers, disk, sockets, the person who sets limits, and time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.domain.contracts.node_work import RateLimitWork
from overlay_node.protocol.limits import KIB, MAX_CHUNK_BYTES
from overlay_node.protocol.messages import ChunkRequest
from overlay_node.swarm.fair_queue import QUANTUM_BYTES, READS_AT_ONCE
from overlay_node.swarm.rate_limits import BURST_BYTES, Direction, Scope
from overlay_node.swarm.seeding import MAX_QUEUED, MAX_QUEUED_PER_PEER
from overlay_node.swarm.seeding_actions import SeedingAction, SendChunk, SendManifest
from tests.overlay_node.swarm.seeding_world import LEAF, SeedingWorld, new_id

LEAVES = 8
NODE_UP = (Scope.NODE, Direction.UP)


class _Watched(SeedingWorld):
    """Notes what is handed out, and when: that is what limits are about."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.handed: list[tuple[float, str, int]] = []

    def carry_out(self, actions: list[SeedingAction[str]]) -> None:
        for action in actions:
            if isinstance(action, SendChunk | SendManifest):
                request = action.upload.request
                size = request.length if isinstance(request, ChunkRequest) else self.leaf_count * 32
                self.handed.append((self.now, self.peers[action.upload.link], size))
        super().carry_out(actions)


class SeedingMachine(RuleBasedStateMachine):
    @initialize(kbps=st.sampled_from([0, 0, 50, 500, 5000]), slots=st.integers(1, 4))
    def start(self, kbps: int, slots: int) -> None:
        self.world = _Watched(slots=slots, limits={NODE_UP: kbps}, leaf_count=LEAVES, auto=False)
        self.transfers: list[tuple[int, str]] = []
        self.blocked: set[int] = set()
        self.rates: list[tuple[float, int]] = [(0.0, kbps)]
        self.taken_back: set[str] = set()

    # ---- peers

    @rule(peer=st.sampled_from("abcdef"))
    def opens_a_link(self, peer: str) -> None:
        if len(self.world.peers) < 8:
            self.world.link(peer)

    @precondition(lambda self: self.world.peers)
    @rule(data=st.data())
    def closes_a_link(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(sorted(self.world.peers)))
        self.transfers = [one for one in self.transfers if one[0] != link]
        self.blocked.discard(link)
        self.world.close(link)

    @precondition(lambda self: self.world.peers)
    @rule(data=st.data(), again=st.booleans())
    def asks_for_a_manifest(self, data: st.DataObject, again: bool) -> None:
        link = data.draw(st.sampled_from(sorted(self.world.peers)))
        known = [name for one, name in self.transfers if one == link]
        transfer = known[0] if again and known else new_id()
        self.world.manifest(link, transfer)
        self.transfers.append((link, transfer))

    @precondition(lambda self: self.transfers)
    @rule(
        data=st.data(),
        at=st.integers(0, LEAVES * LEAF),
        length=st.one_of(st.just(LEAF), st.integers(1, MAX_CHUNK_BYTES)),
        priority=st.integers(0, 10),
        deadline_ms=st.sampled_from([1, 1000, 5000, 60_000, 600_000]),
        count=st.integers(1, 8),
    )
    def asks_for_chunks(
        self, data: st.DataObject, at: int, length: int, priority: int, deadline_ms: int, count: int
    ) -> None:
        link, transfer = data.draw(st.sampled_from(self.transfers))
        for _ in range(count):
            self.world.chunk(link, transfer, offset=at, length=length, priority=priority, deadline_ms=deadline_ms)

    @precondition(lambda self: self.transfers)
    @rule(data=st.data(), whole=st.booleans(), at=st.integers(0, LEAVES * LEAF))
    def takes_requests_back(self, data: st.DataObject, whole: bool, at: int) -> None:
        link, transfer = data.draw(st.sampled_from(self.transfers))
        queued = {one.request.message_id for one in self.world.out}
        before = set(self.world.open_requests) - queued
        self.world.cancel(link, transfer, *(() if whole else ((at, at + LEAF),)))
        still = {one.request.message_id for account in self._accounts() for one in account.queue}
        for name in before - still - set(self.world.answers):
            self.world.open_requests.pop(name, None)

    # ---- disk and sockets

    @precondition(lambda self: self.world.out)
    @rule(data=st.data(), what=st.sampled_from(["done", "done", "done", "blocked", "io_error", "not_found"]))
    def an_upload_ends(self, data: st.DataObject, what: str) -> None:
        upload = data.draw(st.sampled_from(range(len(self.world.out))).map(lambda at: self.world.out[at]))
        if upload.cancelled or upload.link not in self.world.peers:
            self.world.drop(upload)
        elif what in {"done", "blocked"} or not isinstance(upload.request, ChunkRequest):
            if what == "blocked":
                self.blocked.add(upload.link)
            self.world.done(upload, blocked=what == "blocked")
        else:
            self.world.fail(upload, what)

    @precondition(lambda self: self.blocked)
    @rule(data=st.data())
    def a_socket_drains(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(sorted(self.blocked)))
        self.blocked.discard(link)
        self.world.carry_out(self.world.core.link_writable(link, self.world.now))

    # ---- people and time

    @rule(kbps=st.sampled_from([0, 20, 60, 120, 300, 3000]), peer=st.sampled_from(["", "a", "b"]))
    def a_person_changes_limits(self, kbps: int, peer: str) -> None:
        rows = [RateLimitWork(scope="peer" if peer else "global", key=peer, direction="up", kbps=kbps)]
        self.world.rates.apply(rows, self.world.now)
        node = self.world.rates.kbps_of(Scope.NODE, "", Direction.UP)
        self.rates.append((self.world.now, node))

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    # ---- what must always hold

    @invariant()
    def queues_and_reads_are_bounded(self) -> None:
        accounts = self._accounts()
        assert all(len(one.queue) <= MAX_QUEUED_PER_PEER for one in accounts)
        assert all(0 <= one.reading <= READS_AT_ONCE for one in accounts)
        assert all(one.finding == 0 for one in accounts)
        assert all(one.deficit <= MAX_CHUNK_BYTES + QUANTUM_BYTES for one in accounts)
        assert all(one.queued_cost == sum(upload.cost for upload in one.queue) for one in accounts)
        assert self.world.core.queue_length == sum(len(one.queue) for one in accounts) <= MAX_QUEUED
        reading = Counter(self.world.peers.get(one.link) for one in self.world.out)
        assert all(reading[one.peer] == one.reading for one in accounts)

    @invariant()
    def no_request_is_lost(self) -> None:
        queued = {one.request.message_id for account in self._accounts() for one in account.queue}
        out = {one.request.message_id for one in self.world.out}
        closed = set(self.world.closed)
        lost = {name for name, link in self.world.open_requests.items() if link not in closed} - queued - out
        assert not lost

    @invariant()
    def the_limit_is_kept(self) -> None:
        moved, allowed, since = 0, 0.0, 0.0
        windows = self.world.handed[-12:]
        for first in range(len(windows)):
            moved, since = 0, windows[first][0]
            for at, _, size in windows[first:]:
                moved += size
                allowed = self._allowed(since, at)
                assert moved <= allowed + BURST_BYTES + 1

    def teardown(self) -> None:
        """When disk and sockets work again, and time passes, everybody has an answer."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for _ in range(3000):
            for link in sorted(self.blocked):
                world.carry_out(world.core.link_writable(link, world.now))
            self.blocked.clear()
            while world.out:
                upload = world.out[0]
                if upload.cancelled or upload.link not in world.peers:
                    world.drop(upload)
                else:
                    world.done(upload)
            if not world.core.queue_length:
                break
            world.pass_time(1.0)
        self.no_request_is_lost()
        assert world.core.queue_length == 0
        for link in list(world.peers):
            world.close(link)
        assert not self._accounts()
        assert world.core.peers_served == 0

    def _accounts(self) -> list:  # type: ignore[type-arg]
        return list(self.world.core._accounts.values())

    def _allowed(self, start: float, end: float) -> float:
        total = 0.0
        for (since, kbps), until in zip(self.rates, [*(at for at, _ in self.rates[1:]), float("inf")], strict=True):
            if until < start or since > end:
                continue
            width = min(end, until) - max(start, since)
            total += float("inf") if not kbps else width * kbps * KIB
        return total


TestSeedingMachine = SeedingMachine.TestCase
TestSeedingMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@settings(max_examples=40, deadline=None)
@given(
    ours=st.lists(st.integers(1, MAX_CHUNK_BYTES), min_size=1, max_size=6),
    theirs=st.lists(st.integers(1, MAX_CHUNK_BYTES), min_size=1, max_size=6),
    links=st.integers(1, 2),
    kbps=st.sampled_from([200, 600, 1000]),
)
def test_two_greedy_peers_get_the_same_within_one_chunk_and_one_quantum(
    ours: list[int], theirs: list[int], links: int, kbps: int
) -> None:
    """Counted in what they are charged with: at least 16 KiB a request. Both always have something queued."""
    world = _Watched(limits={NODE_UP: kbps}, leaf_count=LEAVES)
    first = [world.link("first")]
    second = [world.link("second") for _ in range(links)]
    early = world.link("early")
    transfers = {link: world.offered(link) for link in (early, *first, *second)}
    sizes = {"first": ours, "second": theirs}
    asked: Counter[str] = Counter()
    base = len(world.handed)
    world.rates.node_budget(Direction.UP).take_debt(0.0, BURST_BYTES)
    world.chunk(early, transfers[early], deadline_ms=600_000)  # holds the line until both have something queued
    while world.now < 10:
        for peer, of_peer in (("first", first), ("second", second)):
            for link in of_peer:
                while sum(one == link for one in world.open_requests.values()) < 8:
                    length = sizes[peer][asked[peer] % len(sizes[peer])]
                    asked[peer] += 1
                    name = world.chunk(link, transfers[link], length=length, deadline_ms=600_000)
                    if name in world.answers and world.answers[name].code:
                        break
        gone: Counter[str] = Counter()
        for _, peer, size in world.handed[base:]:
            gone[peer] += max(size, 16 * KIB)
        assert abs(gone["first"] - gone["second"]) <= MAX_CHUNK_BYTES + QUANTUM_BYTES
        world.pass_time(0.05)
    assert world.sent["first"]
    assert world.sent["second"]
