"""A node among peers that do not behave, while it serves one that does: each is closed or charged alone, nothing is left of them, nobody else notices."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.domain.audio.payload import LEAF_BYTES
from overlay_node.net.link import Link
from overlay_node.protocol import limits
from overlay_node.protocol.limits import Limits
from overlay_node.protocol.messages import (
    CancelReason,
    ChunkCancel,
    ChunkRequest,
    ChunkResponse,
    Hello,
    MbidQuery,
    MbidResponse,
    Message,
    PayloadHave,
    PayloadManifest,
    PayloadRequest,
    VariantOffer,
)
from overlay_node.protocol.sharing import (
    CacheJobRole,
    FingerprintBundleAdvert,
    FingerprintBundleRequest,
    MeshCacheJob,
    RequestedTrack,
)
from overlay_node.services.root import Node
from overlay_node.store.memory_rows import LibraryEntry
from overlay_node.store.memory_store import MemoryStore
from tests.overlay_node.protocol.pair import ROOT
from tests.overlay_node.services.hostile import HostilePeer, census, closings, frame, gather_some
from tests.overlay_node.services.mesh_world import (
    RECORDING,
    MeshWorld,
    assembled,
    library_entry,
    link_between,
    want,
)

QUERY = MbidQuery(recordings=(str(RECORDING),))


def number(count: int) -> str:
    return str(uuid.UUID(int=count))


class Served:
    """An honest peer of the node, and the chunk that it may have for the asking."""

    def __init__(self, mesh: MeshWorld, link: Link, entry: LibraryEntry) -> None:
        self.mesh, self.link, self.entry = mesh, link, entry
        self.transfer = str(uuid.uuid4())
        self.chunks = 0

    async def begin(self) -> Served:
        payload = self.entry.payload
        await self.ask(
            PayloadRequest(
                transfer_id=self.transfer, payload_format=payload.payload_format, payload_root=payload.payload_root
            )
        )
        return self

    async def ask(self, message: Message) -> Message:
        reply = await self.link.request(message, 20.0).asFuture(self.mesh.loop)
        return reply.message

    async def chunk(self) -> None:
        """One leaf, as long as it must be."""
        at = self.chunks % (self.entry.payload.payload_bytes // LEAF_BYTES)
        answer = await self.ask(
            ChunkRequest(
                transfer_id=self.transfer,
                payload_root=self.entry.payload.payload_root,
                offset=at * LEAF_BYTES,
                length=LEAF_BYTES,
            )
        )
        assert isinstance(answer, ChunkResponse)
        assert (answer.error_code, answer.length) == (None, LEAF_BYTES)
        self.chunks += 1


async def a_served_peer(mesh: MeshWorld, node: Node, entry: LibraryEntry) -> Served:
    honest = await mesh.start("honest", MemoryStore())
    return await Served(mesh, await link_between(mesh, honest, node), entry).begin()


# ---- what a vandal on an open link does -----------------------------------------------------------------------------------------------


def chunk_request(peer: HostilePeer, count: int, **changes: Any) -> ChunkRequest:
    whole: dict[str, Any] = {
        "message_id": number(count),
        "transfer_id": number(7),
        "payload_root": ROOT,
        "offset": 0,
        "length": 1000,
        "admission_token": peer.token,
    }
    return ChunkRequest(**{**whole, **changes})


def floods_queries(peer: HostilePeer) -> bytes:
    return b"".join(frame(dataclasses.replace(QUERY, message_id=number(one))) for one in range(100))


def floods_cancels(_peer: HostilePeer) -> bytes:
    cancel = ChunkCancel(message_id=number(1), transfer_id=number(7), reason_code=CancelReason.ERROR)
    return frame(cancel) * 300


def floods_chunk_requests(peer: HostilePeer) -> bytes:
    return b"".join(frame(chunk_request(peer, one)) for one in range(2000))


def asks_with_bad_tokens(peer: HostilePeer) -> bytes:
    return b"".join(frame(chunk_request(peer, one, admission_token=bytes(16))) for one in range(12))


def floods_answers(_peer: HostilePeer) -> bytes:
    answers = (
        ChunkResponse(message_id=number(1), in_reply_to=number(one), transfer_id=number(7), offset=0, length=9)
        for one in range(100)
    )
    return b"".join(frame(answer, b"nine byte") for answer in answers)


def floods_adverts(_peer: HostilePeer) -> bytes:
    advert = FingerprintBundleAdvert(message_id=number(1), bundle_id=number(2), sequence=1, full_snapshot=True)
    return frame(advert) * 800


def floods_advert_requests(_peer: HostilePeer) -> bytes:
    return frame(FingerprintBundleRequest(message_id=number(1))) * 100


def floods_cache_jobs(_peer: HostilePeer) -> bytes:
    return b"".join(
        frame(
            MeshCacheJob(
                message_id=number(one),
                job_id=number(one),
                role=CacheJobRole.REQUEST,
                release=number(9),
                requested_tracks=(RequestedTrack(recording=str(RECORDING)),),
            )
        )
        for one in range(100)
    )


def replays_its_hello(_peer: HostilePeer) -> bytes:
    return frame(Hello(message_id=number(1), nonce=b"n" * 16))


def speaks_of_four_gigabytes(_peer: HostilePeer) -> bytes:
    return b"\xff\xff\xff\xff"


VANDALS: list[tuple[Callable[[HostilePeer], bytes], str]] = [
    (floods_queries, "rate_exceeded"),
    (floods_cancels, "rate_exceeded"),
    (floods_chunk_requests, "rate_exceeded"),
    (asks_with_bad_tokens, "admission_refused"),
    (floods_answers, "rate_exceeded"),
    (floods_adverts, "rate_exceeded"),
    (floods_advert_requests, "rate_exceeded"),
    (floods_cache_jobs, "rate_exceeded"),
    (replays_its_hello, "wrong_state"),
    (speaks_of_four_gigabytes, "bad_length"),
]


@pytest.mark.parametrize(("vandal", "code"), VANDALS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_vandal_is_closed_and_charged_alone(
    mesh: MeshWorld, music: Path, vandal: Callable[[HostilePeer], bytes], code: str
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        node = await mesh.seeder("node", entry)
        served = await a_served_peer(mesh, node, entry)
        await served.chunk()
        await settled(mesh, node)
        before, closed = census(node), closings(node)
        peer = await HostilePeer(node, host="127.0.9.1").greet()
        peer.write(vandal(peer))
        while peer.peer_id not in closed:
            await served.chunk()
        assert closed == {peer.peer_id: code}
        store = node.store
        assert isinstance(store, MemoryStore)
        await mesh.until(lambda: store.peers[peer.peer_id].violations == 1)
        assert {key for key, row in store.peers.items() if row.violations} == {peer.peer_id}
        await peer.leave()
        await served.chunk()
        await settled(mesh, node, before)
        assert served.link.is_open

    mesh.run(scenario())


async def settled(mesh: MeshWorld, node: Node, before: dict[str, int] | None = None) -> None:
    """Wait until short-lived work is done: and, when given, until everything is as it was."""
    await mesh.until(lambda: not node.hub._taken_up and not node.seeder._work and not census(node)["tasks"])
    try:
        async with asyncio.timeout(20):
            await mesh.until(lambda: before is None or census(node) == before)
    except TimeoutError:
        assert census(node) == before


def test_haves_without_number_and_ranges_outside_the_payload_are_put_up_with_up_to_a_point(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        node = await mesh.seeder("node", entry)
        served = await a_served_peer(mesh, node, entry)
        await settled(mesh, node)
        before, closed = census(node), closings(node)
        peer = await HostilePeer(node, host="127.0.9.1").greet()
        peer.write(frame(PayloadHave(message_id=number(1), payload_root=ROOT, ranges=((0, 1),))) * 500)
        payload = entry.payload
        peer.write(
            frame(
                PayloadRequest(
                    message_id=number(2),
                    transfer_id=number(7),
                    payload_format=payload.payload_format,
                    payload_root=payload.payload_root,
                    admission_token=peer.token,
                )
            )
        )
        await mesh.until(lambda: node.seeder.uploads() or peer.gone.is_set())
        outside = chunk_request(
            peer, 3, payload_root=payload.payload_root, offset=payload.payload_bytes - 1, length=1000
        )
        peer.write(frame(outside))
        await served.chunk()
        link = node.overlay.links.get(peer.peer_id)
        assert link is not None
        await mesh.until(lambda: link.counts.get("dropped_haves", 0) >= 400)
        assert link.is_open
        for count in range(10, 4000):  # who lives on refusals is closed
            if peer.peer_id in closed:
                break
            peer.write(frame(dataclasses.replace(outside, message_id=number(count))))
            await served.chunk()
        await mesh.until(lambda: peer.peer_id in closed)
        await peer.leave()
        await settled(mesh, node, before)
        await served.chunk()

    mesh.run(scenario())


def test_a_peer_that_asks_for_everything_and_reads_nothing_costs_only_itself(
    mesh: MeshWorld, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        node = await mesh.seeder("node", entry)
        served = await a_served_peer(mesh, node, entry)
        await settled(mesh, node)
        before = census(node)
        peer = await HostilePeer(node, host="127.0.9.1").greet()
        transport: Any = peer.writer.transport if peer.writer is not None else None
        payload = entry.payload
        peer.write(
            frame(
                PayloadRequest(
                    message_id=number(2),
                    transfer_id=number(7),
                    payload_format=payload.payload_format,
                    payload_root=payload.payload_root,
                    admission_token=peer.token,
                )
            )
        )
        await mesh.until(node.seeder.uploads)
        transport.pause_reading()
        most = 0
        link = node.overlay.links.get(peer.peer_id)
        assert link is not None
        for count in range(100, 160):
            ask = chunk_request(peer, count, payload_root=payload.payload_root, length=LEAF_BYTES)
            peer.write(frame(ask))
            await served.chunk()
            most = max(most, link.queued_bytes)
        assert most <= limits.WRITE_BUFFER_MAX_BYTES
        peer.close()
        await peer.leave()
        await settled(mesh, node, before)

    mesh.run(scenario())


# ---- sources that lie -------------------------------------------------------------------------------------------------------------------


class FalseSource(HostilePeer):
    """Claims a payload it may even hold, and answers each chunk request by `chunk`."""

    def __init__(self, node: Node, *, host: str, entry: LibraryEntry, data: bytes) -> None:
        super().__init__(node, host=host)
        self.entry, self.data = entry, data
        self.asked: list[ChunkRequest] = []
        self.chunk: Callable[[ChunkRequest], bytes] = self.honest
        self.on_message = self.answer

    def honest(self, request: ChunkRequest) -> bytes:
        body = self.data[request.offset : request.offset + request.length]
        return self.response(request, body)

    def response(self, request: ChunkRequest, body: bytes, **changes: Any) -> bytes:
        whole: dict[str, Any] = {
            "message_id": number(1),
            "in_reply_to": request.message_id,
            "transfer_id": request.transfer_id,
            "offset": request.offset,
            "length": len(body),
        }
        return frame(ChunkResponse(**{**whole, **changes}), body)

    def answer(self, message: Message) -> bytes:
        payload = self.entry.payload
        match message:
            case MbidQuery():
                offer = VariantOffer(
                    recording=str(RECORDING),
                    profile=self.entry.variant.profile,
                    size=payload.payload_bytes,
                    payload_format=payload.payload_format,
                    payload_root=payload.payload_root,
                )
                return frame(MbidResponse(message_id=number(1), in_reply_to=message.message_id, variants=(offer,)))
            case PayloadRequest():
                leaves = -(-payload.payload_bytes // payload.leaf_bytes)
                manifest = PayloadManifest(
                    message_id=number(1),
                    in_reply_to=message.message_id,
                    transfer_id=message.transfer_id,
                    payload_format=payload.payload_format,
                    payload_root=payload.payload_root,
                    payload_bytes=payload.payload_bytes,
                    leaf_bytes=payload.leaf_bytes,
                    sample_rate_hz=payload.rate_hz,
                    channels=payload.channels,
                    bits_per_sample=payload.bits,
                    preamble=payload.preamble,
                    have=((0, leaves),),
                )
                return frame(manifest, payload.leaf_hashes)
            case ChunkRequest():
                self.asked.append(message)
                return self.chunk(message)
            case _:
                return b""


def wrong_length(peer: FalseSource, request: ChunkRequest) -> bytes:
    return peer.response(request, peer.data[request.offset : request.offset + request.length - 1])


def wrong_offset(peer: FalseSource, request: ChunkRequest) -> bytes:
    return peer.response(request, bytes(request.length), offset=request.offset + 1)


def another_transfer(peer: FalseSource, request: ChunkRequest) -> bytes:
    return peer.response(request, bytes(request.length), transfer_id=number(99))


def more_than_announced(peer: FalseSource, request: ChunkRequest) -> bytes:
    return peer.honest(request) + b"\x00\x00\x00\x01"


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (wrong_length, "wrong_chunk"),
        (wrong_offset, "wrong_chunk"),
        (another_transfer, "wrong_chunk"),
        (more_than_announced, "bad_length"),
    ],
)
def test_a_source_that_answers_beside_the_question_is_closed_and_charged_and_another_one_serves(
    mesh: MeshWorld, music: Path, lie: Callable[[FalseSource, ChunkRequest], bytes], code: str
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore()
        node = await mesh.start("node", store)
        closed = closings(node)
        liar = FalseSource(node, host="127.0.9.2", entry=entry, data=payload_of(entry))
        liar.chunk = lambda request: lie(liar, request)
        await liar.greet()
        store.want_put(want())
        node.reconciler.wake()
        await mesh.until(lambda: liar.peer_id in closed)
        assert (closed[liar.peer_id], len(liar.asked) > 0) == (code, True)
        await mesh.until(lambda: store.peers[liar.peer_id].violations == 1)
        await mesh.seeder("seeder", entry)
        await mesh.until(lambda: assembled(store))
        await liar.leave()

    mesh.run(scenario())


def payload_of(entry: LibraryEntry) -> bytes:
    held = entry.payload.files[0]
    data = Path(held.path.decode()).read_bytes()
    return data[held.payload_offset : held.payload_offset + entry.payload.payload_bytes]


def test_a_source_whose_file_changes_under_us_is_charged_for_the_leaves_and_nothing_of_it_is_kept(
    mesh: MeshWorld, music: Path
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore()
        node = await mesh.start("node", store)
        peer = FalseSource(node, host="127.0.9.2", entry=entry, data=payload_of(entry))

        def changes(request: ChunkRequest) -> bytes:
            if len(peer.asked) > 2:
                peer.data = bytes(len(peer.data))
            return peer.honest(request)

        peer.chunk = changes
        await peer.greet()
        store.want_put(want())
        node.reconciler.wake()
        await mesh.until(lambda: store.peers.get(peer.peer_id) and store.peers[peer.peer_id].bad_leaves)
        assert store.peers[peer.peer_id].violations == 0
        await mesh.seeder("seeder", entry)
        await mesh.until(lambda: assembled(store))
        await peer.leave()

    mesh.run(scenario())


def test_answers_that_come_after_their_request_was_taken_back_are_read_past(mesh: MeshWorld, music: Path) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        store = MemoryStore()
        node = await mesh.start("node", store)
        late = FalseSource(node, host="127.0.9.2", entry=entry, data=payload_of(entry))
        late.chunk = lambda _request: b""
        await late.greet()
        mine = want()
        store.want_put(mine)
        node.reconciler.wake()
        await mesh.until(lambda: late.asked)
        store.want_put(dataclasses.replace(mine, desired=mine.desired.__class__.CANCELLED))
        node.reconciler.wake()
        await mesh.until(lambda: any(isinstance(one, ChunkCancel) for one in late.said))
        link = node.overlay.links.get(late.peer_id)
        assert link is not None
        for request in list(late.asked):
            late.write(late.honest(request))
        await mesh.until(lambda: link.counts.get("unasked_answers", 0) >= len(late.asked))
        assert link.is_open
        assert not store.peers[late.peer_id].violations
        await late.leave()

    mesh.run(scenario())


# ---- five hundred at once -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def short_timers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Limits]:
    """Deadlines of strangers in tenths of a second, so that five hundred of them need no five minutes."""
    monkeypatch.setattr(limits, "TLS_TIMEOUT_S", 0.5)
    monkeypatch.setattr(limits, "CLOSE_LINGER_S", 0.5)
    yield Limits(handshake_timeout_s=0.5, frame_timeout_s=1.0)


def test_five_hundred_hostile_connections_leave_the_node_serving_and_nothing_behind(
    mesh: MeshWorld, music: Path, short_timers: Limits
) -> None:
    async def scenario() -> None:
        entry = library_entry(music / "one.flac")
        node = await mesh.seeder("node", entry)
        node.overlay._connection_limits = short_timers
        served = await a_served_peer(mesh, node, entry)
        await settled(mesh, node)
        before = census(node)
        met: list[HostilePeer] = []

        def stranger(count: int) -> Callable[[], Coroutine[Any, Any, None]]:
            async def live() -> None:
                peer = HostilePeer(node, host=f"127.0.{20 + count // 200}.{1 + count % 200}")
                met.append(peer)
                try:
                    await asyncio.wait_for(KINDS[count % len(KINDS)](peer), 30)
                except OSError:
                    pass  # not let in, or cut off: as it should be
                finally:
                    await peer.leave()

            return live

        async def serve() -> None:
            while True:
                await served.chunk()
                await asyncio.sleep(0.01)

        serving = asyncio.ensure_future(serve())
        await gather_some([stranger(count) for count in range(500)], at_once=90)
        assert not serving.done()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert len(met) == 500
        assert served.chunks > 20
        assert sum(1 for peer in met if peer.ready.is_set()) >= 100  # many came as far as an open link
        await settled(mesh, node, before)
        await served.chunk()
        store = node.store
        assert isinstance(store, MemoryStore)
        charged = {key for key, row in store.peers.items() if row.violations}
        assert charged
        assert charged <= {peer.peer_id for peer in met}
        newcomer = await link_between(mesh, await mesh.start("newcomer", MemoryStore()), node)
        assert (await newcomer.request(QUERY, 20.0).asFuture(mesh.loop)).message.variants

    mesh.run(scenario(), within_s=150)


async def _silent(peer: HostilePeer) -> None:
    await peer.dial(tls=False)
    assert peer.reader is not None
    await peer.reader.read()


async def _garbage(peer: HostilePeer) -> None:
    await peer.dial(tls=False)
    assert peer.reader is not None
    peer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    await peer.reader.read()


async def _half_tls(peer: HostilePeer) -> None:
    await peer.dial(tls=False)
    assert peer.reader is not None
    peer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40))
    await peer.reader.read()


async def _mute(peer: HostilePeer) -> None:
    await peer.dial()
    assert peer.reader is not None
    await peer.reader.read()


async def _drips(peer: HostilePeer) -> None:
    await peer.greet()
    for byte in frame(dataclasses.replace(QUERY, message_id=number(5))):
        if peer.gone.is_set():
            return
        peer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    raise AssertionError("a frame may take as long as it likes")


async def _floods(peer: HostilePeer) -> None:
    await peer.greet()
    vandal = VANDALS[peer.identity.certificate.serial_number % len(VANDALS)][0]
    peer.write(vandal(peer))
    await peer.gone.wait()


async def _leaves(peer: HostilePeer) -> None:
    await peer.greet()
    peer.write(frame(dataclasses.replace(QUERY, message_id=number(5)))[:-3])


async def _asks_and_leaves(peer: HostilePeer) -> None:
    await peer.greet()
    peer.write(floods_advert_requests(peer)[:2000] + floods_cache_jobs(peer)[:4000])


KINDS: list[Callable[[HostilePeer], Coroutine[Any, Any, None]]] = [
    _silent, _garbage, _half_tls, _mute, _drips, _floods, _floods, _leaves, _asks_and_leaves, _floods,
]  # fmt: skip
