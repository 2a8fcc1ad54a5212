"""What peers say costs only the wants that it is about: rows are not read for everybody at every word of anybody."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.domain.contracts.node_work import KnownClaim, WantWork
from apps.domain.jobs.constraints import Constraints
from apps.domain.jobs.lifecycle import WantDesired
from overlay_node.config import NodeConfig
from overlay_node.services.background import Background
from overlay_node.services.deliveries import Deliveries
from overlay_node.services.payload_choice import PayloadChoice
from overlay_node.services.reconciler import Reconciler, utc_now
from overlay_node.services.swarms import Swarms
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.peer_book import MemoryPeerBook
from overlay_node.swarm.rate_limits import RateLimits
from tests.overlay_node.services.mesh_world import Balanced

WANTS = [
    WantWork(
        id=uuid.UUID(int=number + 1),
        recording_mbid=uuid.UUID(int=1000 + number),
        release_mbids=(uuid.UUID(int=1),),
        duration_ms=None,
        constraints=Constraints(),
        desired=WantDesired.ACTIVE,
        priority=5,
    )
    for number in range(20)
]


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[uuid.UUID] = Counter()

    async def claims_of(self, recording_mbid: uuid.UUID) -> list[KnownClaim]:
        self.asked[recording_mbid] += 1
        return await super().claims_of(recording_mbid)


class NobodyThere:
    def set_wanted(self, _wants: Iterable[WantWork]) -> None: ...

    def note_holders(self, _claims: Mapping[PayloadKey, Iterable[str]]) -> None: ...

    def linked(self, _peer: str) -> bool:
        return False

    async def look(self, _wants: Sequence[WantWork]) -> None: ...

    async def completed(self, _releases: Sequence[uuid.UUID]) -> None: ...


def test_a_claim_makes_only_the_wants_of_its_recording_read_their_rows_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        store, nobody = CountingStore(), NobodyThere()
        for want in WANTS:
            store.want_put(want)
        discovery: Any = nobody
        clock = lambda: 1000.0  # noqa: E731
        deliveries = Deliveries(store=store, clock=clock)
        reconciler = Reconciler(
            NodeConfig(data_dir=tmp_path),
            store=store,
            discovery=discovery,
            choice=PayloadChoice(
                store=store, discovery=discovery, deliveries=deliveries, book=MemoryPeerBook(1000.0), clock=clock
            ),
            limits=RateLimits(now=1000.0),
            fairness=Balanced(),
            background=Background(),
            partial_dir=tmp_path,
            completions=nobody,
            clock=clock,
            wall=utc_now,
            rng=random.Random(1),
        )
        swarms: Any = _NoSwarms()
        reconciler.attach(swarms)
        for _ in range(3):
            await reconciler.reconcile()
            await asyncio.sleep(0)
        store.asked.clear()
        await reconciler.reconcile()
        assert not store.asked
        for _ in range(5):
            reconciler.claims_heard({WANTS[3].recording_mbid, uuid.UUID(int=77)})
            await reconciler.reconcile()
        assert store.asked == {WANTS[3].recording_mbid: 5}
        reconciler.claims_heard()
        await reconciler.reconcile()
        assert len(store.asked) == len(WANTS)

    asyncio.run(scenario())


class _NoSwarms:
    runners: Mapping[uuid.UUID, Swarms] = {}
    running: Sequence[Swarms] = ()
