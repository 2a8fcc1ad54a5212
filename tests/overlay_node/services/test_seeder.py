"""The seeder between real nodes: what is asked over a real link, of real files, under limits that change."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from apps.domain.contracts.node_work import RateLimitWork
from overlay_node.net.errors import RequestFailed
from overlay_node.net.link import Link
from overlay_node.protocol.limits import CHUNKS_IN_FLIGHT_ACCEPTED, KIB
from overlay_node.protocol.messages import (
    CancelReason,
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    PayloadManifest,
    PayloadRequest,
)
from overlay_node.services.root import Node
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore
from overlay_node.swarm.fair_queue import REFUSALS_BURST
from overlay_node.swarm.rate_limits import BURST_BYTES
from tests.overlay_node.services.faults import twisted
from tests.overlay_node.services.mesh_world import RELEASE, MeshWorld, library_entry, link_between

LEAF = 256 * KIB


class Asker:
    """A node that asks by hand, chunk by chunk."""

    def __init__(self, mesh: MeshWorld, link: Link, entry: LibraryEntry) -> None:
        self.mesh, self.link, self.entry = mesh, link, entry
        self.transfer = str(uuid.uuid4())
        self.received = 0

    async def manifest(self) -> str:
        """ "" when it came, otherwise the code."""
        request = PayloadRequest(
            transfer_id=self.transfer,
            payload_format=self.entry.payload.payload_format,
            payload_root=self.entry.payload.payload_root,
        )
        try:
            reply = await self.link.request(request, 60.0).asFuture(self.mesh.loop)
        except RequestFailed as error:
            return error.code
        assert isinstance(reply.message, PayloadManifest)
        return ""

    async def chunk(
        self, offset: int = 0, length: int = LEAF, *, transfer: str | None = None, deadline_ms: int = 5000
    ) -> ChunkResponse:
        request = ChunkRequest(
            transfer_id=transfer or self.transfer,
            payload_root=self.entry.payload.payload_root,
            offset=offset,
            length=length,
            deadline_ms=deadline_ms,
        )
        reply = await self.link.request(request, 60.0).asFuture(self.mesh.loop)
        assert isinstance(reply.message, ChunkResponse)
        if reply.message.error_code is None:
            data = self.entry.payload.files[0]
            with Path(os.fsdecode(data.path)).open("rb") as file:
                file.seek(data.payload_offset + offset)
                assert file.read(length) == bytes(reply.attachment)
        self.received += reply.message.length
        return reply.message


async def asker_of(mesh: MeshWorld, seeder: Node, entry: LibraryEntry, name: str = "asker") -> Asker:
    """Linked, and with a manifest."""
    node = await mesh.start(name, MemoryStore())
    asker = Asker(mesh, await link_between(mesh, node, seeder), entry)
    assert await asker.manifest() == ""
    return asker


@pytest.mark.parametrize("cached", [True, False])
def test_chunks_come_whole_whether_they_lie_in_memory_or_are_read_in_a_thread(
    mesh: MeshWorld, music: Path, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        monkeypatch.setattr("overlay_node.services.blobs.LibraryBlob.read_cached", lambda *_asked: False)

    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        asker = await asker_of(mesh, await mesh.seeder("seeder", entry), entry)
        whole = entry.payload.payload_bytes // LEAF * LEAF
        answers = await asyncio.gather(
            *(asker.chunk(offset) for offset in range(0, whole, LEAF)[:CHUNKS_IN_FLIGHT_ACCEPTED])
        )
        assert all(one.error_code is None and not one.eof for one in answers)
        last = await asker.chunk(whole, entry.payload.payload_bytes - whole)
        assert last.eof
        odd = await asker.chunk(12_345, 54_321)
        assert odd.length == 54_321

    mesh.run(scenario())


def test_what_is_wrong_is_refused_with_its_reason_and_the_next_is_served(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        asker = await asker_of(mesh, await mesh.seeder("seeder", entry), entry)
        size = entry.payload.payload_bytes
        assert (await asker.chunk(size, 1)).error_code == "invalid_range"
        assert (await asker.chunk(size - 1, 2)).error_code == "invalid_range"
        assert (await asker.chunk(2**50, LEAF)).error_code == "invalid_range"
        assert (await asker.chunk(transfer=str(uuid.uuid4()))).error_code == "not_found"
        assert (await asker.chunk()).error_code is None
        assert asker.link.is_open

    mesh.run(scenario())


def test_a_file_that_changes_while_it_is_served_is_not_found_any_more(
    mesh: MeshWorld, music: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        path = tmp_path / "changing.flac"
        path.write_bytes((music / "one.flac").read_bytes())
        entry = library_entry(path)
        seeder = await mesh.seeder("seeder", entry)
        asker = await asker_of(mesh, seeder, entry)
        assert (await asker.chunk()).error_code is None
        os.utime(path, ns=(1, 1))
        assert (await asker.chunk(LEAF)).error_code == "not_found"
        assert (await asker.chunk()).error_code == "not_found"
        assert seeder.seeder.uploads() == []
        assert await asker.manifest() == "not_found"

    mesh.run(scenario())


def test_a_disk_that_fails_is_said_and_the_transfer_lives_on(mesh: MeshWorld, music: Path) -> None:
    from overlay_node.services.blobs import BlobError

    failing = [True]

    def read(_offset: int, data: bytes) -> bytes:
        if failing[0]:
            raise BlobError("The disk is broken.", code="io_error", retryable=True)
        return data

    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        asker = await asker_of(mesh, await mesh.seeder("seeder", entry, blobs=twisted(read_twist=read)), entry)
        assert (await asker.chunk()).error_code == "io_error"
        failing[0] = False
        assert (await asker.chunk()).error_code is None

    mesh.run(scenario())


def test_a_limit_that_a_person_sets_holds_at_once_and_is_lifted_at_once(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore([entry])
        seeder = await mesh.start("seeder", store, seed_releases=(RELEASE,))
        asker = await asker_of(mesh, seeder, entry)
        for offset in range(0, 6 * LEAF, LEAF):
            assert (await asker.chunk(offset)).error_code is None
        store.limits.append(RateLimitWork(scope="global", key="", direction="up", kbps=64))
        await mesh.until(lambda: seeder.limits.node_budget("up").rate == 64 * KIB)  # type: ignore[arg-type]
        began, before = mesh.loop.time(), asker.received
        refused = await asker.chunk()
        assert refused.error_code == "rate_limited" or asker.received - before <= BURST_BYTES
        slow = await asker.chunk(deadline_ms=60_000)
        assert slow.error_code is None
        allowed = (mesh.loop.time() - began) * 64 * KIB + BURST_BYTES
        assert asker.received - before <= allowed
        waiting = asyncio.ensure_future(asker.chunk(deadline_ms=600_000))
        await mesh.until(lambda: [one["state"] for one in seeder.seeder.uploads()] == ["throttled"])
        store.limits.clear()
        assert (await waiting).error_code is None

    mesh.run(scenario())


def test_a_limit_of_one_peer_holds_only_that_peer(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore([entry])
        seeder = await mesh.start("seeder", store, seed_releases=(RELEASE,))
        slow = await asker_of(mesh, seeder, entry, "slow")
        fast = await asker_of(mesh, seeder, entry, "fast")
        key = mesh.nodes["slow"].peer_id
        store.limits.append(RateLimitWork(scope="peer", key=key, direction="up", kbps=1))
        await mesh.until(lambda: seeder.limits.kbps_of("peer", key, "up") == 1)  # type: ignore[arg-type]
        assert (await slow.chunk()).error_code == "rate_limited"
        for offset in range(0, 6 * LEAF, LEAF):
            assert (await fast.chunk(offset)).error_code is None

    mesh.run(scenario())


def test_with_one_slot_the_second_peer_is_told_when_to_come(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry, upload_slots=1)
        first = await asker_of(mesh, seeder, entry, "first")
        second = Asker(mesh, await link_between(mesh, await mesh.start("second", MemoryStore()), seeder), entry)
        assert (await first.chunk()).error_code is None
        assert await second.manifest() == "rate_limited"
        report = seeder.seeder.report()
        assert (report["slots"], report["served"], report["waiting"]) == (1, 1, 1)
        first.link.close("stopping")
        await mesh.until(lambda: seeder.seeder.report()["served"] == 0)
        assert await second.manifest() == ""

    mesh.run(scenario())


def test_a_peer_that_lives_on_refusals_is_closed_and_charged(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore([entry])
        seeder = await mesh.start("seeder", store, seed_releases=(RELEASE,))
        asker = await asker_of(mesh, seeder, entry, "vandal")
        asked = 0
        while asker.link.is_open and asked < 20 * REFUSALS_BURST:
            asked += 1
            try:
                await asker.chunk(transfer=str(uuid.uuid4()))
            except RequestFailed:
                break
        await mesh.until(lambda: not asker.link.is_open)
        key = mesh.nodes["vandal"].peer_id
        await mesh.until(lambda: key in store.peers and store.peers[key].violations == 1)

    mesh.run(scenario())


def test_a_peer_that_does_not_read_is_sent_no_more_than_its_socket_takes_and_holds_up_nobody(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry)
        deaf = await asker_of(mesh, seeder, entry, "deaf")
        other = await asker_of(mesh, seeder, entry, "other")
        (link,) = [one for one in seeder.overlay.links if one.peer_id == mesh.nodes["deaf"].peer_id]
        full: list[Deferred[None]] = []

        def drained() -> Deferred[None]:
            full.append(Deferred())
            return full[-1]

        with monkeypatch.context() as patch:
            patch.setattr(link, "drained", drained)
            waiting = [
                asyncio.ensure_future(deaf.chunk(offset, deadline_ms=60_000)) for offset in range(0, 4 * LEAF, LEAF)
            ]
            await mesh.until(lambda: sum(one.done() for one in waiting) == 1)
            for offset in range(0, 6 * LEAF, LEAF):
                assert (await other.chunk(offset)).error_code is None
            assert sum(one.done() for one in waiting) == 1
        full[0].callback(None)
        assert all(one.error_code is None for one in await asyncio.gather(*waiting))

    mesh.run(scenario())


def test_a_request_that_is_taken_back_while_it_is_read_is_not_sent(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overlay_node.services.blobs.LibraryBlob.read_cached", lambda *_asked: False)

    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        seeder = await mesh.seeder("seeder", entry)
        asker = await asker_of(mesh, seeder, entry)
        before = seeder.swarms.up_bytes.total()
        may = asyncio.Event()
        run = mesh.loop.run_in_executor

        async def slow(*asked: object) -> object:
            await may.wait()
            return await run(*asked)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(mesh.loop, "run_in_executor", slow)
            request = ChunkRequest(
                transfer_id=asker.transfer, payload_root=entry.payload.payload_root, offset=0, length=LEAF
            )
            asker.link.send(request)
            await mesh.until(lambda: seeder.seeder.reading == 1)
            asker.link.send(ChunkCancel(transfer_id=asker.transfer, reason_code=CancelReason.USER_CANCELLED))
            await mesh.until(lambda: not seeder.seeder.uploads())
            may.set()
            await mesh.until(lambda: seeder.seeder.reading == 0)
        assert seeder.swarms.up_bytes.total() == before
        assert (await asker.chunk()).error_code is None

    mesh.run(scenario())
