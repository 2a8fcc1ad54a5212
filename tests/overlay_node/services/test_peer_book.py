"""The node's book of peers: what is read, what is written, what is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from apps.domain.contracts.node_work import PeerReport
from apps.domain.contracts.peer_work import PeerHistory, PeerMetricsReport
from apps.domain.errors import DomainError
from apps.domain.peers.metrics import PeerMetrics
from apps.domain.peers.reputation import Standing
from apps.domain.swarm.settings import SchedulerSettings
from overlay_node.services.background import Background
from overlay_node.services.peer_book import NodePeerBook
from overlay_node.store.memory_store import MemoryStore

T = TypeVar("T")
LEAF = 256 * 1024
START = datetime(2026, 5, 1, tzinfo=UTC)


class CountingStore(MemoryStore):
    """Counts the calls that write, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, ...]] = []
        self.away = False

    async def peer_metrics_record(self, reports: Sequence[PeerMetricsReport]) -> None:
        self._check()
        self.writes.append(tuple(report.peer for report in reports))
        await super().peer_metrics_record(reports)

    async def peer_histories(self, keys: Collection[str]) -> list[PeerHistory]:
        self._check()
        return await super().peer_histories(keys)

    def _check(self) -> None:
        if self.away:
            raise DomainError("The database can't be used.", code="store_unavailable", retryable=True)


class World:
    """A book with hands on its clock."""

    def __init__(self, store: CountingStore | None = None, *, limit: int = 1000) -> None:
        self.store = store or CountingStore()
        self.now, self.wall = 1000.0, START
        self.links: set[str] = set()
        self.background = Background()
        self.book = NodePeerBook(
            store=self.store,
            background=self.background,
            settings=SchedulerSettings(),
            linked=self.links.__contains__,
            clock=lambda: self.now,
            wall=lambda: self.wall,
            limit=limit,
        )

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.wall += timedelta(seconds=seconds)

    def gives(self, peer: str, leaves: int = 1) -> PeerMetrics:
        metrics = self.book.metrics_of(peer)
        for _ in range(leaves):
            metrics.chunk_received(self.now, length=LEAF, busy_s=0.1, rtt_s=0.02)
            metrics.leaf_verified(self.now, length=LEAF)
        return metrics


def run(steps: Coroutine[object, object, T]) -> T:
    return asyncio.run(steps)


def test_a_peer_has_one_object_for_all_transfers() -> None:
    async def steps() -> None:
        world = World()
        assert world.book.metrics_of("p") is world.book.metrics_of("p")
        await world.background.close()

    run(steps())


def test_what_changed_is_written_in_one_call_and_nothing_else_is() -> None:
    async def steps() -> None:
        world = World()
        world.gives("a")
        world.gives("b")
        world.book.link_opened("silent")
        await world.book.flush()
        assert world.store.writes == [("a", "b")]
        await world.book.flush()
        assert len(world.store.writes) == 1, "nothing changed, nothing is written"
        world.gives("b")
        await world.book.flush()
        assert world.store.writes[1:] == [("b",)]

    run(steps())


def test_what_was_learnt_survives_a_restart() -> None:
    async def steps() -> None:
        first = World()
        first.gives("p", 40)
        await first.book.flush()
        second = World(first.store)
        second.passes(7 * 86_400)
        second.book.link_opened("p")
        await asyncio.sleep(0)
        await second.book.flush()
        metrics = second.book.metrics_of("p")
        assert metrics.successful == pytest.approx(20)
        assert metrics.throughput_bps == pytest.approx(LEAF / 0.1)
        assert second.book.reputation_of("p", second.now) == pytest.approx(
            0.5 + (first.book.reputation_of("p", first.now) - 0.5) / 2, rel=1e-3
        )

    run(steps())


def test_bytes_that_come_before_the_rows_were_read_add_to_them() -> None:
    async def steps() -> None:
        first = World()
        first.gives("p", 40)
        await first.book.flush()
        second = World(first.store)
        second.store.away = True
        second.gives("p", 2)
        await second.book.flush()
        assert len(first.store.writes) == 1, "what is not read yet must not be overwritten"
        second.store.away = False
        await second.book.flush()
        (history,) = await second.store.peer_histories(["p"])
        assert history.metrics is not None
        assert history.metrics.successful == pytest.approx(42)

    run(steps())


def test_a_database_that_is_away_costs_nothing() -> None:
    async def steps() -> None:
        world = World()
        world.gives("p")
        await world.book.flush()
        world.gives("p")
        world.store.away = True
        await world.book.flush()
        world.store.away = False
        await world.book.flush()
        assert world.store.writes == [("p",), ("p",)]

    run(steps())


def test_wrong_claims_that_others_judged_count_once() -> None:
    async def steps() -> None:
        world = World()
        await world.store.peer_met(PeerReport(key="liar"))
        world.store.peers["liar"].wrong_claims = 2
        world.gives("liar")
        await world.book.flush()
        await world.book.flush()
        assert world.book.metrics_of("liar").wrong_claims == 2
        again = World(world.store)
        again.book.link_opened("liar")
        await again.book.flush()
        assert again.book.metrics_of("liar").wrong_claims == 2
        world.store.peers["liar"].wrong_claims = 3
        await again.book.flush()
        assert again.book.metrics_of("liar").wrong_claims == 3
        assert again.book.reputation_of("liar", again.now) < 0.3

    run(steps())


def test_at_most_so_many_peers_are_kept_and_the_linked_and_the_unwritten_stay() -> None:
    async def steps() -> None:
        world = World(limit=3)
        world.links.add("linked")
        world.book.link_opened("linked")
        world.gives("gave")
        for number in range(10):
            world.book.link_opened(f"passer-by{number}")
        assert len(world.book) == 3
        await world.book.flush()
        world.book.link_opened("one more")
        world.book.link_opened("and another")
        assert len(world.book) == 3
        assert world.book.metrics_of("linked") is not None
        assert [history.peer for history in await world.store.peer_histories(["gave"])] == ["gave"]
        await world.background.close()

    run(steps())


def test_a_thousand_strangers_do_not_make_the_book_grow() -> None:
    async def steps() -> None:
        world = World()
        for number in range(5000):
            world.book.link_opened(f"p{number}")
        assert len(world.book) == 1000
        await world.book.flush()
        assert world.store.writes == []

    run(steps())


def test_a_score_is_not_computed_at_every_question_but_never_old() -> None:
    async def steps() -> None:
        world = World()
        assert world.book.reputation_of("nobody", world.now) == 0.5
        metrics = world.gives("p", 40)
        good = world.book.reputation_of("p", world.now)
        for _ in range(20):
            metrics.leaf_corrupt(world.now)
        assert world.book.reputation_of("p", world.now + 0.4) == good
        assert world.book.reputation_of("p", world.now + 0.6) < 0.3
        await world.background.close()

    run(steps())


def test_the_facts_count_peers_by_what_their_score_means() -> None:
    async def steps() -> None:
        world = World()
        assert world.book.facts().known == 0
        world.gives("good", 40)
        world.book.link_opened("stranger")
        liar = world.book.metrics_of("liar")
        for _ in range(10):
            liar.leaf_corrupt(world.now)
        facts = world.book.facts()
        assert facts.known == 3
        assert (
            facts.bands[Standing.PREFERRED] == facts.bands[Standing.NEUTRAL] == facts.bands[Standing.QUARANTINED] == 1
        )
        assert facts.lowest < 0.3 < facts.median == 0.5
        await world.background.close()

    run(steps())
