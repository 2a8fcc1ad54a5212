from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from overlay_node.net.bulk_tls import BulkTLS, bulk_tls_is_possible
from overlay_node.net.errors import DialError, RequestFailed
from overlay_node.net.link import Link
from overlay_node.protocol import limits
from overlay_node.protocol.connection import LocalHello
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import (
    ChunkRequest,
    ChunkResponse,
    ErrorReply,
    MbidQuery,
    MbidResponse,
    Message,
    PayloadManifest,
    PayloadRequest,
)
from tests.overlay_node.net.world import Node, World
from tests.overlay_node.protocol.pair import ROOT, uuid

CHUNK = bytes(range(256)) * 1024


def serve(link: Link, message: Message, _attachment: Attachment) -> None:
    """A small honest seeder of an endless payload."""
    match message:
        case MbidQuery():
            link.send(MbidResponse(in_reply_to=message.message_id))
        case PayloadRequest():
            link.send(ErrorReply(in_reply_to=message.message_id, code="not_found", retry_after_s=7))
        case ChunkRequest():
            link.send(
                ChunkResponse(
                    in_reply_to=message.message_id,
                    transfer_id=message.transfer_id,
                    offset=message.offset,
                    length=message.length,
                ),
                memoryview(CHUNK)[: message.length],
            )
        case _:
            pass


async def connected(world: World, **options: Any) -> tuple[Node, Node, Link, Link]:
    """alice listens and serves, bob dials."""
    alice, bob = world.node(**options), world.node(**options)
    alice.on_message = serve
    await alice.listen()
    mine = await bob.dial(alice, expected_peer_id=alice.peer_id)
    await world.until(lambda: alice.ready)
    return alice, bob, alice.ready[0], mine


def test_two_nodes_prove_their_keys_to_each_other(world: World) -> None:
    async def scene() -> None:
        alice, bob, theirs, mine = await connected(world)
        assert (mine.peer_id, theirs.peer_id) == (alice.peer_id, bob.peer_id)
        assert (mine.dialled_by_me, theirs.dialled_by_me) == (True, False)
        assert mine.hello is not None
        assert mine.hello.listen_port == alice.port
        assert mine.boot_id == alice.overlay.local.boot_id
        assert mine.group == "127.0.0.0/24"
        assert bob.overlay.links.get(alice.peer_id) is mine
        assert bob.ready == [mine]

    world.run(scene())


def test_a_dial_to_a_known_peer_gives_the_link_that_exists(world: World) -> None:
    async def scene() -> None:
        alice, bob, _theirs, mine = await connected(world)
        assert await bob.dial(alice, expected_peer_id=alice.peer_id) is mine
        assert len(alice.ready) == 1

    world.run(scene())


@pytest.mark.parametrize("tls", [lambda: BulkTLS, lambda: None], ids=["tuned", "stock"])
def test_eight_megabytes_of_chunks_arrive_whole(world: World, tls: Any) -> None:
    """With four in flight, twice as fast a producer as consumer, and never more than the accepted in the buffers."""

    async def scene() -> None:
        alice, bob, theirs, mine = await connected(world, tls_protocol=tls)
        wanted = 8 * limits.MIB // len(CHUNK)
        received: list[bool] = []
        asked = 0

        def ask() -> None:
            nonlocal asked
            while asked < wanted and mine.chunks_in_flight < limits.CHUNKS_IN_FLIGHT_DEFAULT:
                mine.send(
                    ChunkRequest(transfer_id=uuid(1), payload_root=ROOT, offset=asked * len(CHUNK), length=len(CHUNK))
                )
                asked += 1

        def take(_link: Link, _message: Message, attachment: Attachment) -> None:
            received.append(attachment == CHUNK)
            assert theirs.queued_bytes <= limits.CHUNKS_IN_FLIGHT_DEFAULT * (len(CHUNK) + 4096)
            ask()

        bob.on_message = take
        ask()
        await world.until(lambda: len(received) == wanted)
        assert all(received)
        assert mine.bytes_received > 8 * limits.MIB
        assert not alice.closed

    world.run(scene())


def test_the_tuned_tls_class_is_in_use_here() -> None:
    assert bulk_tls_is_possible()


def test_a_request_gets_its_answer_its_refusal_or_its_timeout(world: World) -> None:
    async def scene() -> None:
        alice, bob, _theirs, mine = await connected(world)
        reply = await mine.request(MbidQuery(recordings=(uuid(1),)), 5.0)
        assert isinstance(reply.message, MbidResponse)
        with pytest.raises(RequestFailed) as refused:
            await mine.request(PayloadRequest(transfer_id=uuid(1), payload_format="flac", payload_root=ROOT), 5.0)
        assert (refused.value.code, refused.value.retry_after_s) == ("not_found", 7)
        alice.on_message = None
        with pytest.raises(RequestFailed) as late:
            await mine.request(MbidQuery(recordings=(uuid(1),)), 0.01)
        assert late.value.code == "request_timeout"
        pending = mine.request(MbidQuery(recordings=(uuid(1),)), 5.0)
        mine.close("user")
        with pytest.raises(RequestFailed) as closed:
            await pending
        assert closed.value.code == "link_closed"
        assert bob.messages == []

    world.run(scene())


def test_a_manifest_with_all_its_hashes_arrives(world: World) -> None:
    async def scene() -> None:
        alice, _bob, _theirs, mine = await connected(world)

        def manifest(link: Link, message: Message, _attachment: Attachment) -> None:
            link.send(
                PayloadManifest(
                    in_reply_to=message.message_id,
                    transfer_id=uuid(1),
                    payload_format="flac",
                    payload_root=ROOT,
                    payload_bytes=limits.MAX_LEAVES * limits.DEFAULT_LEAF_BYTES,
                    leaf_bytes=limits.DEFAULT_LEAF_BYTES,
                    have=((0, limits.MAX_LEAVES),),
                ),
                bytes(limits.MAX_ATTACHMENT_BYTES),
            )

        alice.on_message = manifest
        reply = await mine.request(PayloadRequest(transfer_id=uuid(1), payload_format="flac", payload_root=ROOT), 5.0)
        assert len(reply.attachment) == limits.MAX_LEAVES * 32

    world.run(scene())


def test_bye_closes_both_ends_with_its_reason(world: World) -> None:
    async def scene() -> None:
        alice, bob, theirs, mine = await connected(world)
        mine.close("going_home")
        await world.until(lambda: alice.closed and bob.closed)
        assert alice.closed == [(theirs, "going_home")]
        assert bob.closed == [(mine, "going_home")]
        assert len(alice.overlay.links) == len(bob.overlay.links) == 0
        assert alice.overlay.gate.open_connections == bob.overlay.gate.open_connections == 0

    world.run(scene())


async def dial_code(node: Node, host: str, port: int, **options: Any) -> str | None:
    try:
        await node.overlay.dial(host, port, **options)
    except DialError as error:
        return error.code
    return None


def test_a_pinned_peer_must_be_that_peer(world: World) -> None:
    async def scene() -> None:
        alice, bob = world.node(), world.node()
        await alice.listen()
        assert await dial_code(bob, "127.0.0.1", alice.port, expected_peer_id="a" * 52) == "wrong_peer"
        assert alice.ready == []
        assert alice.overlay.offences.banned_for_s(bob.peer_id, world.reactor.seconds()) == 0

    world.run(scene())


def test_we_do_not_link_with_ourselves(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        assert await dial_code(alice, "127.0.0.1", alice.port) == "self_connection"
        assert await dial_code(alice, "127.0.0.1", 1, expected_peer_id=alice.peer_id) == "self_connection"
        assert alice.ready == []

    world.run(scene())


def test_private_addresses_names_and_closed_ports_are_no_links(world: World) -> None:
    async def scene() -> None:
        careful, bold = world.node(allow_private=False), world.node()
        for host in (
            "127.0.0.1",
            "10.0.0.1",
            "169.254.1.1",
            "224.0.0.1",
            "::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "a.example",
        ):
            assert await dial_code(careful, host, 5000) == "address_refused"
        assert await dial_code(bold, "224.0.0.1", 5000) == "address_refused"
        assert await dial_code(bold, "127.0.0.1", 1) == "connect_failed"
        assert bold.overlay.gate.open_connections == 0

    world.run(scene())


def test_peers_of_another_network_part_without_blame(world: World) -> None:
    async def scene() -> None:
        alice, bob = world.node(), world.node(local=LocalHello(network="public"))
        await alice.listen()
        assert await dial_code(bob, "127.0.0.1", alice.port) == "other_network"
        assert alice.ready == bob.ready == []

    world.run(scene())


def test_when_both_dial_at_once_one_link_stays_and_both_agree_which(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice, bob = world.node(clock=clock), world.node(clock=clock)
        await alice.listen()
        await bob.listen()
        first, second = alice.dial(bob), bob.dial(alice)
        await first
        await second

        def settled(node: Node) -> bool:
            return any(protocol.link and protocol.link.draining for protocol in node.overlay._protocols)

        await world.until(lambda: settled(alice) and settled(bob))
        clock.advance(2.0)  # the loser has drained
        await world.until(lambda: alice.overlay.gate.open_connections == 1 == bob.overlay.gate.open_connections)
        kept, same = alice.overlay.links.get(bob.peer_id), bob.overlay.links.get(alice.peer_id)
        assert kept is not None
        assert same is not None
        lower_dialled = alice if alice.peer_id < bob.peer_id else bob
        assert kept.dialled_by_me == (lower_dialled is alice)
        assert same.dialled_by_me == (lower_dialled is bob)
        bob.on_message = serve
        reply = await kept.request(MbidQuery(recordings=(uuid(1),)), 5.0)
        assert isinstance(reply.message, MbidResponse)

    world.run(scene())


def test_an_exception_of_the_listener_closes_the_link_and_nothing_else(world: World) -> None:
    async def scene() -> None:
        alice, bob, _theirs, mine = await connected(world)

        def broken(*_args: object) -> None:
            raise RuntimeError("a bug above")

        alice.on_message = broken
        mine.send(MbidQuery(recordings=(uuid(1),)))
        await world.until(lambda: bob.closed)
        assert bob.closed[0][1] == "internal_error"
        carol = world.node()
        await carol.dial(alice)

    world.run(scene())


def test_a_peer_that_restarts_replaces_its_old_link(world: World) -> None:
    async def scene() -> None:
        alice, bob, old, _mine = await connected(world)
        again = world.node(identity=bob.identity)
        await again.dial(alice)
        await world.until(lambda: len(alice.ready) == 2)
        new = alice.ready[1]
        assert alice.overlay.links.get(bob.peer_id) is new
        assert new.boot_id != old.boot_id
        assert old.draining
        assert not new.draining
        old.close("duplicate_link")
        await world.until(lambda: alice.closed)
        assert alice.overlay.links.get(bob.peer_id) is new

    world.run(scene())


def test_stopping_ends_links_listening_and_dials(world: World) -> None:
    async def scene() -> None:
        alice, bob, _theirs, _mine = await connected(world)
        await alice.overlay.stop()
        await world.until(lambda: bob.closed)
        assert bob.closed[0][1] == "shutdown"
        with pytest.raises(DialError) as refused:
            await bob.dial(alice)
        assert refused.value.code == "connect_failed"
        pending = bob.overlay.dial("192.0.2.1", 9)
        await bob.overlay.stop()
        with pytest.raises(DialError):
            await pending
        assert bob.overlay.gate.open_connections == 0
        with pytest.raises(DialError) as stopped:
            await bob.dial(alice)
        assert stopped.value.code == "stopped"

    world.run(scene())
