"""What a real node learns of its peers while it fetches, what it says of it, and that it survives a restart."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from apps.domain.peers.reputation import Standing
from apps.jobs.swarm_words import peer_facts, transfer_facts
from overlay_node.services.peer_book import BookFacts
from overlay_node.services.scheduler_report import scheduler_metrics, scheduler_report
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.explain import SchedulingTotals
from tests.overlay_node.services.faults import corrupt, twisted
from tests.overlay_node.services.mesh_world import (
    MeshWorld,
    assembled,
    library_entry,
    link_between,
    only_transfer,
    want,
)


async def ask(socket: Path, **question: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(json.dumps(question).encode() + b"\n")
    answer: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return answer


def test_a_transfer_under_way_is_explained_over_the_control_socket(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry, upload_kbps=600)
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.down_bytes[seeder.peer_id])
        socket = mesh.root / "fetcher" / "run" / "node.sock"
        told = await ask(socket, ask="swarm", of=str(only_transfer(store).work.id))
        assert told["policy"] == "cost"
        assert told["leaves"] > 0
        assert told["held"] <= told["leaves"]
        (peer,) = told["peers"]
        assert peer["peer"] == seeder.peer_id
        assert peer["cost"] > 0
        assert peer["role"] in {"works", "waits", "cold"}
        assert transfer_facts(told)[0][0] == "Leaves"
        assert peer_facts(peer)[0] in {"working", "waiting", "first answers awaited"}
        assert await ask(socket, ask="swarm", of="nothing") == {"error": "not_found"}
        assert await ask(socket, ask="swarm") == {"error": "unknown_question"}
        numbers = (await ask(socket, ask="metrics"))["metrics"]
        assert numbers["slskdn_node_scheduler_decisions_total"] > 0
        assert numbers["slskdn_node_peers_known"] == 1
        assert numbers["slskdn_node_scheduler_violations_total"] == 0
        report = (await ask(socket, ask="report"))["scheduler"]
        assert report["mode"] == "balanced"
        assert report["peers"]["known"] == 1

    mesh.run(scenario())


def test_what_was_learnt_is_written_at_the_end_and_read_when_the_peer_is_met_again(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore()
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))
        await mesh.stop("fetcher")
        row = store.peers[seeder.peer_id]
        assert row.metrics is not None
        learnt = row.metrics.metrics
        assert learnt.successful >= 1
        assert learnt.verified_bytes > 0
        assert learnt.throughput_bps
        assert row.reputation > 0.5
        again = await mesh.start("again", store)
        await link_between(mesh, again, seeder)
        metrics = again.book.metrics_of(seeder.peer_id)
        await mesh.until(lambda: metrics.successful)
        assert abs(metrics.successful - learnt.successful) < 0.1

    mesh.run(scenario())


def test_a_peer_that_corrupts_is_quarantined_from_the_next_meeting_on(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        liar = await mesh.seeder("liar", entry, blobs=twisted(read_twist=corrupt))
        store = MemoryStore()
        store.want_put(want())
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.book.metrics_of(liar.peer_id).corrupt >= 2)
        await mesh.stop("fetcher")
        assert store.peers[liar.peer_id].reputation < fetcher.config.scheduler.min_reputation

    mesh.run(scenario())


def test_the_report_has_all_its_keys_when_nothing_happened_yet() -> None:
    from apps.domain.swarm.settings import SchedulerSettings

    facts = BookFacts(known=0, bands=dict.fromkeys(Standing, 0), lowest=0.5, median=0.5, cost_variance=0.0)
    report = scheduler_report(SchedulingTotals(), facts, SchedulerSettings())
    assert set(report) == {
        "mode",
        "cost_based",
        "decisions",
        "moves",
        "races",
        "rebalances",
        "duplicate_bytes",
        "bad_bytes",
        "parted_bytes",
        "violations",
        "cost_variance",
        "speed_up",
        "peers",
        "reputation",
    }
    assert all(isinstance(value, int | float) for value in scheduler_metrics(SchedulingTotals(), facts).values())
