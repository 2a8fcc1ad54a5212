"""KRPC messages (BEP 5, with BEP 32's `want`/`nodes6`, BEP 42's `ip`, BEP 43's `ro`) as values.

`parse` checks everything the standards fix and raises RemoteProtocolError; what it returns is safe to use. Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from overlay_node.dht import bencode
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.bencode import Bencoded
from overlay_node.dht.errors import RemoteProtocolError
from overlay_node.dht.ids import ID_BYTES, Contact, NodeId

MAX_DATAGRAM_BYTES = 2048
"""Longest datagram looked at. Honest ones fit an Ethernet frame (1,472 bytes of UDP payload)."""
MAX_TRANSACTION_ID_BYTES = 32
"""We echo it: 2 in the standard, up to 20 seen in the wild."""
MAX_TOKEN_BYTES = 64
"""Longest foreign token we keep; 4 to 20 seen."""
MAX_NODES_PER_FAMILY = 20
"""Nodes taken from one answer; 8 in the standard, 20 in libtorrent's extended tables."""
MAX_METHOD_BYTES = 64
MAX_ERROR_TEXT_BYTES = 200
CLIENT_VERSION = b"SK\x00\x01"
"""`v`: our mark and a version, informative only."""

ERROR_SERVER = 202
ERROR_PROTOCOL = 203
ERROR_UNKNOWN_METHOD = 204

_NODE_FIELDS = {Family.V4: b"nodes", Family.V6: b"nodes6"}
_WANT_WORDS = {Family.V4: b"n4", Family.V6: b"n6"}
_NO_NODES: Mapping[Family, tuple[Contact, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class FindNode:
    """Who is nearest to `target`?"""

    target: bytes
    want: frozenset[Family] = frozenset()
    """Families of nodes wanted; empty = that of the datagram."""


@dataclass(frozen=True, slots=True)
class GetPeers:
    """Who has announced `key`? (Its peers, the nearest nodes, and a token.)"""

    key: bytes
    want: frozenset[Family] = frozenset()


@dataclass(frozen=True, slots=True)
class AnnouncePeer:
    """Remember that the sender's address takes connections for `key` on `port` (`None`: on the port of this datagram)."""

    key: bytes
    port: int | None
    token: bytes


@dataclass(frozen=True, slots=True)
class UnknownQuery:
    """A method we do not speak; answered with error 204."""

    method: bytes


Question = Ping | FindNode | GetPeers | AnnouncePeer | UnknownQuery


@dataclass(frozen=True, slots=True)
class Query:
    """Somebody asks."""

    transaction_id: bytes
    sender: NodeId | None
    """`None` only for unknown methods."""
    question: Question
    read_only: bool = False
    """The sender does not answer (BEP 43) and must not be told of to others."""


@dataclass(frozen=True, slots=True)
class Response:
    """Somebody answers. What was asked is known by the transaction, so any field may be there."""

    transaction_id: bytes
    sender: NodeId
    nodes: Mapping[Family, tuple[Contact, ...]] = field(default_factory=lambda: _NO_NODES)
    """A family is present when its field is sent, possibly empty."""
    peers: tuple[Endpoint, ...] = ()
    token: bytes | None = None
    observed: Endpoint | None = None
    """How the sender sees the receiver (BEP 42)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody answers with an error."""

    transaction_id: bytes
    code: int
    text: bytes


Message = Query | Response | Refusal


def encode_query(transaction_id: bytes, sender: NodeId, question: Question, *, read_only: bool) -> bytes:
    """One query as a datagram."""
    arguments: dict[bytes, Bencoded] = {b"id": bytes(sender)}
    match question:
        case Ping():
            method = b"ping"
        case FindNode(target, want):
            method = b"find_node"
            arguments[b"target"] = target
            _put_want(arguments, want)
        case GetPeers(key, want):
            method = b"get_peers"
            arguments[b"info_hash"] = key
            _put_want(arguments, want)
        case AnnouncePeer(key, port, token):
            method = b"announce_peer"
            arguments[b"info_hash"] = key
            arguments[b"port"] = port or 1
            arguments[b"implied_port"] = int(port is None)
            arguments[b"token"] = token
        case UnknownQuery(method):
            pass
    message: dict[bytes, Bencoded] = {
        b"a": arguments,
        b"q": method,
        b"t": transaction_id,
        b"v": CLIENT_VERSION,
        b"y": b"q",
    }
    if read_only:
        message[b"ro"] = 1
    return bencode.encode(message)


def _put_want(arguments: dict[bytes, Bencoded], want: frozenset[Family]) -> None:
    if want:
        arguments[b"want"] = [word for family, word in _WANT_WORDS.items() if family in want]


def encode_response(response: Response) -> bytes:
    """One answer as a datagram. The caller keeps the number of nodes and peers within a frame."""
    values: dict[bytes, Bencoded] = {b"id": bytes(response.sender)}
    for family, contacts in response.nodes.items():
        values[_NODE_FIELDS[family]] = b"".join(c.node_id + c.endpoint.compact for c in contacts)
    if response.peers:
        values[b"values"] = [peer.compact for peer in response.peers]
    if response.token is not None:
        values[b"token"] = response.token
    message: dict[bytes, Bencoded] = {
        b"r": values,
        b"t": response.transaction_id,
        b"v": CLIENT_VERSION,
        b"y": b"r",
    }
    if response.observed is not None:
        message[b"ip"] = response.observed.compact
    return bencode.encode(message)


def encode_refusal(transaction_id: bytes, code: int, text: bytes) -> bytes:
    """One error as a datagram."""
    return bencode.encode({b"e": [code, text], b"t": transaction_id, b"v": CLIENT_VERSION, b"y": b"e"})


def parse(data: bytes) -> Message:
    """The message in one datagram; RemoteProtocolError when it breaks a rule."""
    if len(data) > MAX_DATAGRAM_BYTES:
        raise RemoteProtocolError("datagram_too_long")
    message = bencode.decode(data)
    if not isinstance(message, dict):
        raise RemoteProtocolError("message_not_a_dictionary")
    transaction_id = message.get(b"t")
    if not isinstance(transaction_id, bytes) or not 1 <= len(transaction_id) <= MAX_TRANSACTION_ID_BYTES:
        raise RemoteProtocolError("bad_transaction_id")
    match message.get(b"y"):
        case b"q":
            try:
                return _parse_query(transaction_id, message)
            except RemoteProtocolError as error:
                raise RemoteProtocolError(error.code, transaction_id=transaction_id) from None
        case b"r":
            return _parse_response(transaction_id, message)
        case b"e":
            return _parse_refusal(transaction_id, message)
        case _:
            raise RemoteProtocolError("bad_message_type")


def _parse_query(transaction_id: bytes, message: dict[bytes, Bencoded]) -> Query:
    method, arguments = message.get(b"q"), message.get(b"a")
    if not isinstance(method, bytes) or len(method) > MAX_METHOD_BYTES:
        raise RemoteProtocolError("bad_method")
    if not isinstance(arguments, dict):
        raise RemoteProtocolError("bad_arguments")
    read_only = message.get(b"ro") == 1
    question: Question
    match method:
        case b"ping":
            question = Ping()
        case b"find_node":
            question = FindNode(_id_field(arguments, b"target"), _want(arguments))
        case b"get_peers":
            question = GetPeers(_id_field(arguments, b"info_hash"), _want(arguments))
        case b"announce_peer":
            question = _announce(arguments)
        case _:
            return Query(transaction_id, None, UnknownQuery(method), read_only)
    return Query(transaction_id, _id_field(arguments, b"id"), question, read_only)


def _announce(arguments: dict[bytes, Bencoded]) -> AnnouncePeer:
    key, token = _id_field(arguments, b"info_hash"), arguments.get(b"token")
    if not isinstance(token, bytes) or len(token) > MAX_TOKEN_BYTES:
        raise RemoteProtocolError("bad_token_field")
    if arguments.get(b"implied_port", 0) not in (0, b""):
        return AnnouncePeer(key, None, token)
    port = arguments.get(b"port")
    if not isinstance(port, int) or not 1 <= port <= 0xFFFF:
        raise RemoteProtocolError("bad_port")
    return AnnouncePeer(key, port, token)


def _parse_response(transaction_id: bytes, message: dict[bytes, Bencoded]) -> Response:
    values = message.get(b"r")
    if not isinstance(values, dict):
        raise RemoteProtocolError("bad_response")
    nodes: dict[Family, tuple[Contact, ...]] = {}
    for family, name in _NODE_FIELDS.items():
        compact = values.get(name)
        if compact is not None:
            nodes[family] = _contacts(compact, family)
    token = values.get(b"token")
    if token is not None and (not isinstance(token, bytes) or len(token) > MAX_TOKEN_BYTES):
        raise RemoteProtocolError("bad_token_field")
    return Response(
        transaction_id,
        _id_field(values, b"id"),
        nodes,
        _peers(values.get(b"values")),
        token,
        _observed(message.get(b"ip")),
    )


def _parse_refusal(transaction_id: bytes, message: dict[bytes, Bencoded]) -> Refusal:
    match message.get(b"e"):
        case [int(code), bytes(text), *_]:
            return Refusal(transaction_id, code, text[:MAX_ERROR_TEXT_BYTES])
        case _:
            raise RemoteProtocolError("bad_error")


def _id_field(fields: dict[bytes, Bencoded], name: bytes) -> NodeId:
    value = fields.get(name)
    if not isinstance(value, bytes) or len(value) != ID_BYTES:
        raise RemoteProtocolError("bad_id")
    return NodeId(value)


def _want(arguments: dict[bytes, Bencoded]) -> frozenset[Family]:
    words = arguments.get(b"want", [])
    if not isinstance(words, list):
        raise RemoteProtocolError("bad_want")
    return frozenset(family for family, word in _WANT_WORDS.items() if word in words)


def _contacts(compact: Bencoded, family: Family) -> tuple[Contact, ...]:
    size = ID_BYTES + family.compact_bytes
    if not isinstance(compact, bytes) or len(compact) % size:
        raise RemoteProtocolError("bad_nodes")
    end = min(len(compact), size * MAX_NODES_PER_FAMILY)
    return tuple(
        Contact(NodeId(compact[at : at + ID_BYTES]), Endpoint.from_compact(compact[at + ID_BYTES : at + size]))
        for at in range(0, end, size)
    )


def _peers(values: Bencoded | None) -> tuple[Endpoint, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise RemoteProtocolError("bad_values")
    peers: list[Endpoint] = []
    for value in values:
        if not isinstance(value, bytes) or len(value) not in (6, 18):
            raise RemoteProtocolError("bad_values")
        peers.append(Endpoint.from_compact(value))
    return tuple(peers)


def _observed(value: Bencoded | None) -> Endpoint | None:
    # A hint only, and some clients send 4 bytes: not worth refusing an answer for.
    return Endpoint.from_compact(value) if isinstance(value, bytes) and len(value) in (6, 18) else None
