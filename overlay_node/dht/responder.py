"""What we answer to others' questions. Decides nothing about the table: that a question came is the node's business."""

from __future__ import annotations

from overlay_node.dht import krpc
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import DhtConfig
from overlay_node.dht.ids import Contact
from overlay_node.dht.krpc import AnnouncePeer, FindNode, GetPeers, Ping, Query, Response, UnknownQuery
from overlay_node.dht.realm import Realm
from overlay_node.dht.tokens import TokenJar

PEERS_PER_ANSWER = {Family.V4: 60, Family.V6: 26}
"""8 and 21 bytes each: with 8 nodes of both families (512 bytes) and the frame still under 1,280 bytes, IPv6's smallest MTU less headers."""


class Responder:
    """Answers for both families of one node."""

    def __init__(self, config: DhtConfig, realms: dict[Family, Realm], tokens: TokenJar) -> None:
        self._config = config
        self._realms = realms
        self._tokens = tokens

    def answer(self, query: Query, source: Endpoint, now: float) -> bytes:
        """The datagram that answers `query` from `source`."""
        realm = self._realms[source.family]
        match query.question:
            case Ping():
                return self._respond(query, source, realm)
            case FindNode(target, want):
                return self._respond(query, source, realm, nodes=self._nodes(target, want, source))
            case GetPeers(key, want):
                return self._respond(
                    query,
                    source,
                    realm,
                    nodes=self._nodes(key, want, source),
                    peers=tuple(realm.store.peers(key, PEERS_PER_ANSWER[source.family], now)),
                    token=self._tokens.issue(source, now),
                )
            case AnnouncePeer(key, port, token):
                if not self._tokens.accepts(token, source, now):
                    return krpc.encode_refusal(query.transaction_id, krpc.ERROR_PROTOCOL, b"invalid token")
                if not realm.store.add(key, Endpoint(source.packed, port or source.port), now):
                    return krpc.encode_refusal(query.transaction_id, krpc.ERROR_SERVER, b"no room")
                return self._respond(query, source, realm)
            case UnknownQuery():
                return krpc.encode_refusal(query.transaction_id, krpc.ERROR_UNKNOWN_METHOD, b"method unknown")

    def _nodes(self, target: bytes, want: frozenset[Family], source: Endpoint) -> dict[Family, tuple[Contact, ...]]:
        families = want & self._realms.keys() if want else {source.family}
        return {
            family: tuple(self._realms[family].table.closest(target, self._config.k, answering_only=True))
            for family in sorted(families, key=lambda family: family.value)
        }

    def _respond(
        self,
        query: Query,
        source: Endpoint,
        realm: Realm,
        *,
        nodes: dict[Family, tuple[Contact, ...]] | None = None,
        peers: tuple[Endpoint, ...] = (),
        token: bytes | None = None,
    ) -> bytes:
        return krpc.encode_response(
            Response(query.transaction_id, realm.table.own, nodes or {}, peers, token, observed=source)
        )
