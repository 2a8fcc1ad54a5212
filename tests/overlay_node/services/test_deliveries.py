"""Who had what it claimed to have, and how long whoever had not is left alone."""

from __future__ import annotations

import asyncio
import uuid

from apps.domain.contracts.node_work import ClaimReport, DeliveryReport
from apps.domain.errors import DomainError
from apps.domain.mesh.claims import COOLING_S, MAX_COOLING_S, contradicts, cooling_s
from overlay_node.services import deliveries
from overlay_node.services.deliveries import Deliveries
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.choice import PayloadKey

KEY, OTHER = PayloadKey("flac", b"r" * 32), PayloadKey("flac", b"o" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Refusing(MemoryStore):
    """A store that can't be reached for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.told: list[DeliveryReport] = []

    async def claims_delivery(self, reports: list[DeliveryReport]) -> None:  # type: ignore[override]
        if self.away:
            raise DomainError("away", code="store_unavailable")
        self.told += reports


def made(store: MemoryStore | None = None) -> tuple[Deliveries, Clock]:
    clock = Clock()
    return Deliveries(store=store or MemoryStore(), clock=clock), clock


def test_pauses_double_are_about_one_payload_alone_and_end_with_a_delivery() -> None:
    known, clock = made()
    assert [known.failed("a", KEY) for _ in range(3)] == [COOLING_S, 2 * COOLING_S, 4 * COOLING_S]
    assert known.cooling("a", KEY)
    assert not known.cooling("a", OTHER)
    assert not known.cooling("b", KEY)
    clock.now += 4 * COOLING_S
    assert not known.cooling("a", KEY)
    assert known.failed("a", KEY) == 8 * COOLING_S
    known.delivered("a", KEY)
    assert not known.cooling("a", KEY)
    assert known.failed("a", KEY) == COOLING_S


def test_no_pause_is_longer_than_a_day() -> None:
    assert cooling_s(0) == 0.0
    assert cooling_s(10_000) == MAX_COOLING_S


def test_a_pause_of_an_earlier_run_goes_on_and_what_was_seen_since_knows_better() -> None:
    known, clock = made()
    known.restore("a", KEY, cooling_s=50.0)
    assert known.left_s("a", KEY) == 50.0
    known.restore("a", KEY, cooling_s=500.0)
    clock.now += 51.0
    assert not known.cooling("a", KEY)
    known.delivered("b", KEY)
    known.restore("b", KEY, cooling_s=500.0)
    assert not known.cooling("b", KEY)


def test_only_the_first_delivery_is_told_and_it_reaches_the_claim() -> None:
    store = MemoryStore()
    claim = ClaimReport(
        peer="a",
        group="g",
        recording_mbid=uuid.uuid4(),
        payload_format="flac",
        payload_root=KEY.payload_root,
        profile="flac-16-44100-2",
        payload_bytes=1,
        complete=True,
    )
    known, _ = made(store)

    async def scenario() -> None:
        await store.claims_record([claim])
        for _ in range(5):
            known.delivered("a", KEY)
        assert len(known._untold) == 1
        await known.flush()
        assert (await store.claims_of(claim.recording_mbid))[0].delivered

    asyncio.run(scenario())


def test_what_could_not_be_written_is_written_later_in_its_order() -> None:
    store = Refusing()
    known, _ = made(store)

    async def scenario() -> None:
        known.failed("a", KEY)
        await known.flush()
        known.delivered("a", KEY)
        store.away = False
        await known.flush()
        assert [one.delivered for one in store.told] == [False, True]

    asyncio.run(scenario())


def test_a_flood_of_peers_does_not_fill_the_memory() -> None:
    known, _ = made()
    for number in range(deliveries.MAX_KNOWN + 10):
        known.failed(f"p{number}", KEY)
    assert len(known._known) == deliveries.MAX_KNOWN


def test_facts_contradict_only_where_both_sides_say_something() -> None:
    assert contradicts({"dur_ms": 90_000}, {"dur_ms": 60_000})
    assert not contradicts({"dur_ms": 61_000}, {"dur_ms": 60_000})
    assert not contradicts({"dur_ms": 61_000}, {"dur_ms": 0})
    assert not contradicts({}, {"dur_ms": 60_000, "suspect": 1, "quality_milli": 0})
    assert contradicts({"suspect": 0}, {"suspect": 1})
    assert not contradicts({"suspect": 1}, {"suspect": 0})
    assert contradicts({"quality_milli": 900}, {"quality_milli": 500})
    assert not contradicts({"quality_milli": 500}, {"quality_milli": 900})
