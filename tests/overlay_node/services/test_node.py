"""The node as a whole: what its mode and its limits allow strangers, what stops none of its loops, how it starts and refuses to start."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from apps.domain.contracts.node_work import Heartbeat, HeldVariant, NodeWork, ProgressReport, WantReport
from apps.domain.errors import DomainError
from apps.domain.jobs.lifecycle import WantPhase
from apps.domain.mesh.policy import Mode
from overlay_node.net.errors import RequestFailed
from overlay_node.protocol.messages import CancelReason, ChunkCancel, MbidQuery, PayloadManifest, PayloadRequest
from overlay_node.services import links
from overlay_node.services.identity_lock import NodeRunning
from overlay_node.services.links import MAX_WORK_PER_LINK
from overlay_node.services.root import build_node
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.seeding import MAX_SERVED_OF_ONE_PAYLOAD
from tests.overlay_node.services.mesh_world import (
    RECORDING,
    RELEASE,
    MeshWorld,
    assembled,
    library_entry,
    link_between,
    want,
)


def test_a_passive_node_neither_announces_nor_serves_but_fetches(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = MemoryStore([library_entry(music / "two.flac", recording=uuid.uuid4())])
        store.want_put(want())
        passive = await mesh.start("passive", store, passive=True, seed_releases=(RELEASE,))
        await mesh.until(lambda: assembled(store))
        assert store.announced == {}
        assert await passive.offers.releases() == ()
        assert passive.overlay.local.features == ("payload/1", "adverts/1", "cache_jobs/1")

    mesh.run(scenario())


def test_a_broken_rule_is_counted_against_the_peer_in_the_rows_too(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        node = await mesh.start("node", store)
        vandal = await mesh.start("vandal", MemoryStore())
        link = await link_between(mesh, vandal, node)
        link._transport.write(b"\xff\xff\xff\xff")  # an envelope of 4 GiB
        await mesh.until(lambda: store.peers.get(vandal.peer_id) and store.peers[vandal.peer_id].violations)
        assert store.peers[vandal.peer_id].violations == 1

    mesh.run(scenario())


def test_questions_without_number_take_no_more_than_their_share_of_the_database(mesh: MeshWorld, music: Path) -> None:
    class Slow(MemoryStore):
        """Answers nothing before it may."""

        def __init__(self) -> None:
            super().__init__([library_entry(music / "one.flac")])
            self.asked = 0
            self.may = asyncio.Event()

        async def variants_offered(self, **asked: Any) -> list[HeldVariant]:
            if asked["recordings"]:  # otherwise it is read for adverts, once for all who read them
                self.asked += 1
                await self.may.wait()
            return await super().variants_offered(**asked)

    async def scenario() -> None:
        store = Slow()
        seeder = await mesh.start("seeder", store, seed_releases=(RELEASE,))
        link = await link_between(mesh, await mesh.start("asker", MemoryStore()), seeder)
        query = MbidQuery(recordings=(str(RECORDING),))
        answers = [link.request(query, 60.0).asFuture(mesh.loop) for _ in range(MAX_WORK_PER_LINK + 4)]
        await mesh.until(lambda: sum(one.done() for one in answers) == 4)
        assert store.asked == MAX_WORK_PER_LINK
        store.may.set()
        ended = await asyncio.gather(*answers, return_exceptions=True)
        assert [one.code for one in ended if isinstance(one, RequestFailed)] == ["rate_limited"] * 4
        assert (await link.request(query, 60.0).asFuture(mesh.loop)).message.variants

    mesh.run(scenario())


def test_peers_that_do_not_read_their_answers_take_nobody_elses_place(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_WORK", 2)

    async def scenario() -> None:
        seeder = await mesh.seeder("seeder", library_entry(music / "one.flac"))
        deaf = await link_between(mesh, await mesh.start("deaf", MemoryStore()), seeder)
        await mesh.until(lambda: len(seeder.overlay.links) == 1)
        for link in seeder.overlay.links:
            monkeypatch.setattr(link, "drained", Deferred)
        query = MbidQuery(recordings=(str(RECORDING),))
        waiting = [deaf.request(query, 60.0).asFuture(mesh.loop) for _ in range(4)]
        other = await link_between(mesh, await mesh.start("other", MemoryStore()), seeder)
        assert (await other.request(query, 60.0).asFuture(mesh.loop)).message.variants
        assert not any(one.done() for one in waiting)
        for one in waiting:
            one.cancel()

    mesh.run(scenario())


def test_a_payload_is_not_offered_to_one_peer_under_ever_new_names(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry)
        link = await link_between(mesh, await mesh.start("asker", MemoryStore()), seeder)

        async def ask() -> str:
            request = PayloadRequest(
                transfer_id=str(uuid.uuid4()),
                payload_format=entry.payload.payload_format,
                payload_root=entry.payload.payload_root,
            )
            try:
                reply = await link.request(request, 60.0).asFuture(mesh.loop)
            except RequestFailed as error:
                return error.code
            assert isinstance(reply.message, PayloadManifest)
            return reply.message.transfer_id

        names = [await ask() for _ in range(MAX_SERVED_OF_ONE_PAYLOAD)]
        assert await ask() == "rate_limited"
        link.send(ChunkCancel(transfer_id=names[0], reason_code=CancelReason.COMPLETE))
        assert await ask() != "rate_limited"  # what has ended makes room

    mesh.run(scenario())


def test_errors_nobody_thought_of_stop_no_loop_for_good(
    mesh: MeshWorld, music: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Surprising(MemoryStore):
        """Every call that the node's loops live by fails twice with something that is no DomainError."""

        def __init__(self) -> None:
            super().__init__()
            self.left = dict.fromkeys(("work", "heartbeat", "want_progress", "transfers_progress", "traffic_add"), 2)

        def surprise(self, name: str) -> None:
            self.left[name] -= 1
            if self.left[name] >= 0:
                raise RuntimeError(name)

        async def work(self) -> NodeWork:
            self.surprise("work")
            return await super().work()

        async def heartbeat(self, beat: Heartbeat) -> None:
            self.surprise("heartbeat")
            await super().heartbeat(beat)

        async def want_progress(self, reports: Sequence[WantReport]) -> None:
            self.surprise("want_progress")
            await super().want_progress(reports)

        async def transfers_progress(self, reports: Sequence[ProgressReport]) -> None:
            self.surprise("transfers_progress")
            await super().transfers_progress(reports)

    async def scenario() -> None:
        await mesh.seeder("seeder", library_entry(music / "one.flac"))
        store = Surprising()
        store.want_put(want())
        await mesh.start("fetcher", store, heartbeat_s=0.05)
        await mesh.until(lambda: assembled(store) and store.beats)
        await mesh.until(lambda: any(one.phase is WantPhase.VERIFYING for one in store.progress.values()))

    mesh.run(scenario())
    assert "background_failed" not in caplog.text


def test_a_legacy_node_opens_no_socket_and_still_beats(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        node = await mesh.start("legacy", store, mode=Mode.LEGACY)
        await mesh.until(lambda: store.beats)
        assert store.beats[0].report["overlay"] == {"host": node.config.overlay_host, "port": 0}
        assert store.beats[0].report["dht"] == {"port": 0}

    mesh.run(scenario())


def test_partial_files_of_ended_transfers_are_swept_and_others_left_alone(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        partial = mesh.root / "fetcher" / "partial"
        (partial / str(uuid.uuid4())).mkdir(parents=True)
        (partial / "keep me").mkdir()
        await mesh.start("fetcher", MemoryStore())
        await mesh.until(lambda: [path.name for path in partial.iterdir()] == ["keep me"])

    mesh.run(scenario())


def test_the_control_socket_answers_what_it_is_asked_and_only_to_its_owner(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        node = await mesh.start("node", MemoryStore())
        path = mesh.root / "node" / "run" / "node.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        reader, writer = await asyncio.open_unix_connection(str(path))
        answers = []
        for question in (b'{"ask": "health"}', b'{"ask": "metrics"}', b'{"ask": "rm"}', b"nonsense"):
            writer.write(question + b"\n")
            answers.append(await reader.readline())
        writer.close()
        assert node.peer_id.encode() in answers[0]
        assert b"slskdn_node_links" in answers[1]
        assert b"unknown_question" in answers[2]
        assert b"not_json" in answers[3]

    mesh.run(scenario())


def test_a_second_node_with_the_same_identity_is_refused(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        node = await mesh.start("node", MemoryStore())
        second = build_node(node.config, store=MemoryStore(), reactor=mesh.reactor)
        with pytest.raises(NodeRunning):
            await second.start()
        await second.stop()

    mesh.run(scenario())


def test_a_node_whose_port_is_taken_says_so_and_leaves_nothing_behind(mesh: MeshWorld) -> None:
    async def scenario() -> None:
        first = await mesh.start("first", MemoryStore())
        config = dataclasses.replace(
            first.config, data_dir=mesh.root / "second", dht_port=first.dht.port, overlay_port=0
        )
        second = build_node(config, store=MemoryStore(), reactor=mesh.reactor)
        with pytest.raises(DomainError) as failure:
            await second.start()
        assert failure.value.code == "dht_port_unavailable"
        await second.stop()
        third = build_node(dataclasses.replace(config, dht_port=0), store=MemoryStore(), reactor=mesh.reactor)
        mesh.nodes["third"] = third
        await third.start()

    mesh.run(scenario())
