"""Who is known to claim something is dialled and fetched from at once; who has not what it claims is left alone for a while."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from apps.domain.contracts.node_work import AddressTried, ClaimReport, PeerReport
from apps.domain.jobs.lifecycle import WantPhase
from overlay_node.services.rendezvous import DhtRendezvous
from overlay_node.services.root import Node
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.services.mesh_world import RECORDING, MeshWorld, assembled, library_entry, only_transfer, want


async def never(*_args: object, **_options: object) -> Any:
    await asyncio.Event().wait()


async def know(store: MemoryStore, node: Node, entry: LibraryEntry) -> None:
    """What an earlier run of the fetcher learnt: the node claims the entry's payload, and where it listens."""
    host, port = node.config.overlay_host, node.overlay_port
    await store.peer_met(PeerReport(key=node.peer_id, host=host, port=port, group="g"))
    await store.claims_record([claim_of(node.peer_id, entry)])


def claim_of(peer: str, entry: LibraryEntry) -> ClaimReport:
    return ClaimReport(
        peer=peer,
        group="g",
        recording_mbid=RECORDING,
        payload_format=entry.payload.payload_format,
        payload_root=entry.payload.payload_root,
        profile=entry.variant.profile,
        payload_bytes=entry.payload.payload_bytes,
        complete=True,
    )


def test_known_claimers_are_dialled_although_the_dht_never_answers(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DhtRendezvous, "get_peers", never)

    async def scenario() -> None:
        entry, store = library_entry(music / "one.flac"), MemoryStore()
        await know(store, await mesh.seeder("seeder", entry), entry)
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_a_vanished_claimer_is_replaced_by_a_known_one_although_the_dht_never_answers(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        entry, store = library_entry(music / "one.flac"), MemoryStore()
        store.want_put(want())
        vanishing = await mesh.seeder("vanishing", entry, upload_kbps=300)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: fetcher.swarms.running and fetcher.swarms.running[0].serves)
        monkeypatch.setattr(DhtRendezvous, "get_peers", never)
        other = await mesh.seeder("other", entry)
        await know(store, other, entry)
        for link in list(vanishing.overlay.links):
            link._transport.abortConnection()
        await mesh.stop("vanishing")
        await mesh.until(lambda: assembled(store))
        assert only_transfer(store).sources[other.peer_id].verified_bytes > 0

    mesh.run(scenario())


def test_a_known_claimer_is_fetched_from_before_it_has_answered_any_query(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry, store = library_entry(music / "one.flac"), MemoryStore()
        seeder = await mesh.seeder("seeder", entry)
        monkey: Any = seeder.offers
        monkey.answer = never
        await know(store, seeder, entry)
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: assembled(store))

    mesh.run(scenario())


def test_who_has_not_what_it_claims_is_noted_left_alone_and_replaced(
    mesh: MeshWorld, music: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        path = tmp_path / "changed.flac"
        path.write_bytes((music / "one.flac").read_bytes())
        entry = library_entry(path)
        os.utime(path, ns=(1, 1))
        boaster = await mesh.seeder("boaster", entry)
        store, wanted = MemoryStore(), want()
        store.want_put(wanted)
        fetcher = await mesh.start("fetcher", store)
        await mesh.until(lambda: store.undelivered)
        key = (entry.payload.payload_format, entry.payload.payload_root)
        assert store.undelivered == {(boaster.peer_id, *key): 1}
        (runner,) = fetcher.swarms.running
        assert fetcher.deliveries.cooling(boaster.peer_id, runner.key)
        assert fetcher.discovery.holders(runner.key) == []
        await mesh.until(lambda: store.progress[wanted.id].phase is WantPhase.NO_SOURCE)
        honest = await mesh.seeder("honest", library_entry(music / "one.flac"))
        await mesh.until(lambda: assembled(store))
        await mesh.until(lambda: store.delivered == {(honest.peer_id, *key)})
        assert store.undelivered == {(boaster.peer_id, *key): 1}

    mesh.run(scenario())


def test_what_came_of_dialling_is_told(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry, store = library_entry(music / "one.flac"), MemoryStore()
        gone = await mesh.seeder("gone", entry)
        await know(store, gone, entry)
        place = (gone.config.overlay_host, gone.overlay_port)
        await mesh.stop("gone")
        there = await mesh.seeder("there", entry)
        store.want_put(want())
        await mesh.start("fetcher", store)
        await mesh.until(lambda: len({(one.host, one.port) for one in store.tried}) == 2)
        assert AddressTried(host=place[0], port=place[1], answered=False) in store.tried
        found = AddressTried(host=there.config.overlay_host, port=there.overlay_port, answered=True)
        assert found in store.tried

    mesh.run(scenario())
