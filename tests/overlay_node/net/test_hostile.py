"""Peers that do not behave: raw sockets, foreign TLS, liars. The node closes, blames who is to blame, and serves the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from overlay_node.net.identity import identity_ephemeral, peer_id_of_key
from overlay_node.net.link import Link
from overlay_node.net.tls import TlsCreator, make_context
from overlay_node.protocol import limits
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Attachment, encode_frame
from overlay_node.protocol.messages import ChunkRequest, ChunkResponse, MbidQuery, MbidResponse, Message, Ping
from tests.overlay_node.net.world import Node, World
from tests.overlay_node.protocol.pair import ROOT, Ids, uuid


@implementer(IHandshakeListener)
class Raw(Protocol):
    """Sends what the test says and keeps what comes."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.up = False
        self.lost = False

    def handshakeCompleted(self) -> None:  # noqa: N802
        self.up = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        self.lost = True

    def send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


@implementer(IOpenSSLClientConnectionCreator)
class Creator:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def clientConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802
        return SSL.Connection(self._context, None)


def tcp(world: World, node: Node, factory: Factory) -> Deferred[Any]:
    return TCP4ClientEndpoint(world.reactor, "127.0.0.1", node.port).connect(factory)


async def plain(world: World, node: Node) -> Raw:
    return await tcp(world, node, Factory.forProtocol(Raw))


async def over_tls(world: World, node: Node, creator: Any) -> Raw:
    wrapped = await tcp(world, node, TLSMemoryBIOFactory(creator, True, Factory.forProtocol(Raw), world.reactor))
    raw: Raw = wrapped.wrappedProtocol
    await world.until(lambda: raw.up or raw.lost)
    return raw


def core(world: World, me: str) -> Connection:
    return Connection(
        Role.CLIENT,
        local=LocalHello(network="lab"),
        peer_id=me,
        now=world.reactor.seconds(),
        admission=AdmissionTokens(b"s" * 16),
        new_id=Ids(1),
        new_nonce=lambda: b"n" * 16,
    )


async def greeted(world: World, node: Node, identity: Any = None) -> tuple[Raw, Connection, str]:
    """A raw peer that has shaken hands honestly, and the core it did it with."""
    identity = identity or identity_ephemeral()
    raw = await over_tls(world, node, TlsCreator(identity))
    connection = core(world, identity.peer_id)
    known = len(node.ready)

    def pump() -> bool:
        data, raw.received = bytes(raw.received), bytearray()
        connection.receive_data(data, world.reactor.seconds())
        raw.send(b"".join(bytes(piece) for piece in connection.data_to_send()))
        return len(node.ready) > known

    await world.until(pump)
    return raw, connection, identity.peer_id


def frame(message: Any) -> bytes:
    return encode_frame(message)[0]


async def still_serves(world: World, node: Node) -> None:
    friend = world.node()
    link = await friend.dial(node)
    assert link.is_open


@pytest.mark.parametrize("data", [b"GET / HTTP/1.0\r\n\r\n", bytes(1000), b"\x16\x03\x01\xff\xff" + bytes(100)])
def test_garbage_instead_of_tls_closes_without_a_link(world: World, data: bytes) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw = await plain(world, alice)
        raw.send(data)
        if data.startswith(b"\x16"):
            raw.transport.loseConnection()  # cut in the middle of a record
        await world.until(lambda: raw.lost and alice.overlay.gate.open_connections == 0)
        assert alice.ready == []
        await still_serves(world, alice)

    world.run(scene())


def test_a_peer_that_opens_tcp_and_says_nothing_is_cut_after_the_tls_timeout(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw = await plain(world, alice)
        await world.until(lambda: alice.overlay.gate.open_connections == 1)
        clock.advance(limits.TLS_TIMEOUT_S - 0.01)
        await world.turn()
        assert not raw.lost
        clock.advance(0.02)
        await world.until(lambda: raw.lost)
        assert alice.overlay.gate.open_connections == 0

    world.run(scene())


def test_half_a_tls_handshake_is_cut_after_the_tls_timeout(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw = await plain(world, alice)
        raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40))  # a ClientHello of which most never comes
        await world.until(lambda: alice.overlay.gate.open_connections == 1)
        clock.advance(limits.TLS_TIMEOUT_S - 0.01)
        await world.turn()
        assert not raw.lost
        clock.advance(0.02)
        await world.until(lambda: raw.lost)
        assert alice.overlay.gate.open_connections == 0
        assert alice.overlay.offences._records == {}

    world.run(scene())


def test_a_peer_that_never_says_hello_is_cut_after_the_handshake_timeout(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw = await over_tls(world, alice, TlsCreator(identity_ephemeral()))
        await world.until(lambda: any(p.link for p in alice.overlay._protocols))
        clock.advance(limits.HANDSHAKE_TIMEOUT_S)
        await world.until(lambda: raw.lost)
        assert b"handshake_timeout" in raw.received
        assert alice.ready == []

    world.run(scene())


def test_a_half_open_link_is_noticed_by_the_missing_pong(world: World) -> None:
    async def scene() -> None:
        clock = Clock()
        alice = world.node(clock=clock)
        await alice.listen()
        raw, _connection, _peer = await greeted(world, alice)
        clock.advance(limits.PING_INTERVAL_S)
        await world.until(lambda: b'"type":"ping"' in raw.received)
        clock.advance(limits.PONG_TIMEOUT_S)
        await world.until(lambda: alice.closed)
        assert alice.closed[0][1] == "pong_timeout"

    world.run(scene())


def other_alpn() -> SSL.Context:
    context = make_context(identity_ephemeral())
    context.set_alpn_protos([b"slskdn-relay/1", b"h2"])
    return context


def test_another_alpn_is_closed_without_penalty(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw = await over_tls(world, alice, Creator(other_alpn()))
        await world.until(lambda: raw.lost)
        assert raw.received == b""
        assert alice.overlay.offences._records == {}
        await still_serves(world, alice)

    world.run(scene())


def no_certificate() -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_alpn_protos([b"slskdn/1"])
    return context


def rsa_certificate() -> SSL.Context:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    context = no_certificate()
    context.use_certificate(certificate)
    context.use_privatekey(key)
    return context


def old_tls() -> SSL.Context:
    context = make_context(identity_ephemeral())
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    return context


@pytest.mark.parametrize("make", [no_certificate, rsa_certificate, old_tls], ids=["no_certificate", "ecdsa", "tls12"])
def test_a_peer_without_an_ed25519_key_over_tls_1_3_gets_no_link(world: World, make: Callable[[], SSL.Context]) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw = await over_tls(world, alice, Creator(make()))
        await world.until(lambda: raw.lost and alice.overlay.gate.open_connections == 0)
        assert alice.ready == []
        assert raw.received == b""

    world.run(scene())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(Ping(message_id=uuid(1), nonce=1)), b"talk_before_hello"),
        (b"\xff\xff\xff\xff", b"bad_length"),
        (b"\x00\x00\x00\x05[1,2]", b"bad_json"),
        (bytes(4), b"bad_length"),
    ],
    ids=["talk", "oversize", "garbage", "empty"],
)
def test_three_violations_ban_the_peer_and_only_that_peer(world: World, data: bytes, code: bytes) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        identity = identity_ephemeral()
        for _ in range(limits.VIOLATIONS_BEFORE_BAN):
            raw = await over_tls(world, alice, TlsCreator(identity))
            raw.send(data)
            await world.until(lambda raw=raw: raw.lost)
            assert code in raw.received
        raw = await over_tls(world, alice, TlsCreator(identity))
        await world.until(lambda: raw.lost)
        assert raw.received == b""
        assert alice.overlay.offences.banned_for_s(identity.peer_id, world.reactor.seconds()) > 290
        await still_serves(world, alice)

    world.run(scene())


def test_a_message_cut_in_the_middle_closes_without_blame(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw, _connection, peer = await greeted(world, alice)
        raw.send(frame(MbidQuery(message_id=uuid(9), recordings=(uuid(1),)))[:-3])
        raw.transport.abortConnection()
        await world.until(lambda: alice.closed)
        assert alice.closed[0][1] == "connection_lost"
        assert alice.overlay.offences._records == {}
        assert alice.messages == []
        assert peer == alice.closed[0][0].peer_id

    world.run(scene())


def test_an_oversize_message_after_the_handshake_ends_the_link(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw, _connection, peer = await greeted(world, alice)
        raw.send((limits.MAX_ENVELOPE_BYTES + 1).to_bytes(4, "big") + bytes(100))
        await world.until(lambda: alice.closed and raw.lost)
        assert alice.closed[0][1] == "bad_length"
        assert alice.overlay.links.get(peer) is None

    world.run(scene())


def test_a_newer_dialect_is_spoken_with_in_ours(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        alice.on_message = lambda link, message, _a: link.send(MbidResponse(in_reply_to=message.message_id)) and None
        raw, _connection, _peer = await greeted(world, alice)
        text = b'{"type":"topic_news","version":3,"message_id":"%s","attachment_bytes":300000}' % uuid(8).encode()
        raw.send(len(text).to_bytes(4, "big") + text + bytes(300_000))
        raw.send(frame(MbidQuery(message_id=uuid(9), recordings=(uuid(1),))))
        await world.until(lambda: b"mbid_response" in raw.received)
        assert alice.ready[0].counts == {"unknown_messages": 1}

    world.run(scene())


def test_a_peer_that_asks_and_never_reads_is_cut_before_it_costs_much(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        raw, connection, _peer = await greeted(world, alice)
        assert raw.transport is not None
        raw.transport.pauseProducing()  # the kernel's buffers fill, then ours
        body = bytes(limits.MAX_CHUNK_BYTES)
        most = 0
        waiting: list[Deferred[None]] = []

        def answer(link: Link, message: Message, _attachment: Attachment) -> None:
            nonlocal most
            assert isinstance(message, ChunkRequest)
            link.send(
                ChunkResponse(
                    in_reply_to=message.message_id, transfer_id=uuid(1), offset=message.offset, length=len(body)
                ),
                body,
            )
            most = max(most, link.queued_bytes)
            if not waiting and link.queued_bytes > limits.WRITE_BUFFER_HIGH_BYTES:
                waiting.append(link.drained())

        alice.on_message = answer
        token = connection._peer_token
        number = 0
        while not alice.closed:
            number += 1
            request = ChunkRequest(
                message_id=uuid(1000 + number),
                transfer_id=uuid(1),
                payload_root=ROOT,
                offset=number * len(body),
                length=len(body),
                admission_token=token,
            )
            raw.send(frame(request))
            await world.turn()
        assert alice.closed[0][1] == "reads_too_slowly"
        assert limits.WRITE_BUFFER_HIGH_BYTES < most <= limits.WRITE_BUFFER_MAX_BYTES + len(body) + 1024
        await waiting[0]  # whoever waited is not left waiting
        raw.transport.abortConnection()

    world.run(scene())


def test_the_peer_id_is_the_hash_of_the_key_that_tls_proved(world: World) -> None:
    async def scene() -> None:
        alice = world.node()
        await alice.listen()
        identity = identity_ephemeral()
        await greeted(world, alice, identity)
        assert alice.ready[0].peer_id == peer_id_of_key(identity.private_key.public_key())

    world.run(scene())
