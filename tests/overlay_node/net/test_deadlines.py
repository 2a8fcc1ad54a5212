"""A peer that is too slow, in either direction, is cut by a timer of its own; one that is merely slow is not."""

from __future__ import annotations

from twisted.internet.task import Clock

from overlay_node.protocol import limits
from overlay_node.protocol.messages import ChunkRequest, ChunkResponse, Ping
from tests.overlay_node.net.test_hostile import frame, greeted, still_serves
from tests.overlay_node.net.world import World
from tests.overlay_node.protocol.pair import ROOT, uuid


def test_a_frame_that_trickles_in_byte_by_byte_ends_the_link(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw, _connection, _peer = await greeted(world, alice)
        link = alice.ready[0]
        data, before = frame(Ping(message_id=uuid(5), nonce=1)), link.bytes_received
        for count, byte in enumerate(data[:-1], 1):
            raw.send(bytes([byte]))
            await world.until(lambda: link.bytes_received == before + count or alice.closed)  # noqa: B023
            clock.advance(1.0)
            if alice.closed or not link.is_open:
                break
        assert count <= limits.FRAME_TIMEOUT_S + 1
        await world.until(lambda: alice.closed)
        assert alice.closed[0][1] == "frame_timeout"

    world.run(scene())


def test_a_peer_that_is_quiet_between_frames_is_not_cut_by_the_deadline_of_frames(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw, _connection, _peer = await greeted(world, alice)
        for number in range(3):
            ping = frame(Ping(message_id=uuid(5 + number), nonce=number))
            seen = alice.ready[0].bytes_received
            raw.send(ping[:10])
            await world.until(lambda: alice.ready[0].bytes_received == seen + 10)  # noqa: B023
            clock.advance(limits.FRAME_TIMEOUT_S - 1)
            raw.send(ping[10:])
            await world.until(lambda: b'"nonce":%d' % number in raw.received)  # noqa: B023
            clock.advance(limits.FRAME_TIMEOUT_S + 1)
        assert alice.ready[0].is_open
        raw.transport.abortConnection()  # type: ignore[union-attr]

    world.run(scene())


def test_a_peer_that_takes_nothing_of_what_waits_for_it_is_cut_after_a_while(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw, connection, _peer = await greeted(world, alice)
        link = alice.ready[0]
        assert raw.transport is not None
        raw.transport.pauseProducing()
        # What one peer may ask for at once is more than the buffers of the kernel and of the transport hold.
        number = 0
        while link.queued_bytes <= limits.WRITE_BUFFER_HIGH_BYTES:
            number += 1
            request = ChunkRequest(
                message_id=uuid(1000 + number),
                transfer_id=uuid(1),
                payload_root=ROOT,
                offset=0,
                length=limits.MAX_CHUNK_BYTES,
                admission_token=connection._peer_token,
            )
            raw.send(frame(request))
            await world.until(lambda: len(alice.messages) == number)  # noqa: B023
            link.send(
                ChunkResponse(
                    in_reply_to=request.message_id, transfer_id=uuid(1), offset=0, length=limits.MAX_CHUNK_BYTES
                ),
                bytes(limits.MAX_CHUNK_BYTES),
            )
        drained = link.drained()
        clock.advance(limits.WRITE_STALL_S - 1)
        await world.turn()
        assert link.is_open
        assert not drained.called
        clock.advance(2.0)
        await drained
        await world.until(lambda: alice.closed)
        assert alice.closed[0][1] == "reads_too_slowly"
        await still_serves(world, alice)
        raw.transport.abortConnection()

    world.run(scene())
