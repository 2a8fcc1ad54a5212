"""The overlay as one object: listen, dial, the table of links, bans, and the one listener that hears of everything.

Composition of this folder; the only public entrance besides ``identity``. Everything runs in the reactor that was passed in.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, gatherResults, maybeDeferred, succeed
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from overlay_node.net.addresses import group_of, is_public, may_dial
from overlay_node.net.bulk_tls import choose_tls_protocol
from overlay_node.net.errors import DialError
from overlay_node.net.gate import ConnectionGate, GateLimits
from overlay_node.net.identity import NodeIdentity
from overlay_node.net.link import Link, LinkProtocol
from overlay_node.net.listener import LinkFactory, OverlayTlsFactory
from overlay_node.net.offences import Offences
from overlay_node.net.ports import Clock, LinkListener, Reactor
from overlay_node.net.table import LinkTable
from overlay_node.net.tls import TlsCreator
from overlay_node.protocol import limits
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Attachment, ChunkBuffers
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.protocol.limits import Limits
from overlay_node.protocol.messages import Message

log = logging.getLogger(__name__)

_DRAIN_LOOK_S: Final = 1.0  # a loser may still get a request that was on its way: look again after this
_DRAIN_LOOKS: Final = 30  # and no longer than this many times


def message_ids() -> Callable[[], str]:
    """A source of UUIDs for the messages of one link: a random one, counted on. They name messages on that link, nothing else."""
    stem = new_uuid()
    counter = itertools.count(int(stem[24:], 16) >> 8)  # room for 10**14 messages
    return lambda: f"{stem[:24]}{next(counter):012x}"


def new_uuid() -> str:
    """A random message id."""
    return str(uuid.uuid4())


def new_nonce() -> bytes:
    """The nonce of a hello."""
    return secrets.token_bytes(limits.NONCE_BYTES)


@dataclass(slots=True)
class _Dial:
    """A dial under way and everybody who waits for it."""

    host: str
    expected_peer_id: str | None
    waiters: list[Deferred[Link]] = field(default_factory=list)
    protocol: LinkProtocol | None = None
    connecting: Deferred[Any] | None = None


class Overlay:
    """A node's end of the overlay.

    ``local`` is what hello says (its listen_port is filled in by ``listen``, its boot_id here when it has none). ``allow_private`` permits
    dialling loopback and private addresses. ``tls_protocol`` gives a class, or None for Twisted's own; the default is the best that works.
    ``clock`` is the reactor unless a test turns the hands itself. ``offended`` is told of each peer that broke a rule, and for how many seconds it is
    banned now (0.0: not).
    """

    def __init__(
        self,
        reactor: Reactor,
        *,
        identity: NodeIdentity,
        listener: LinkListener,
        local: LocalHello | None = None,
        allow_private: bool = False,
        gate_limits: GateLimits | None = None,
        connection_limits: Limits | None = None,
        admission_secret: bytes | None = None,
        tls_protocol: Callable[[], type[TLSMemoryBIOProtocol] | None] = choose_tls_protocol,
        clock: Clock | None = None,
        offended: Callable[[str, float], None] = lambda _peer_id, _banned_for_s: None,
    ) -> None:
        local = local or LocalHello()
        self.clock: Clock = clock or reactor
        self.peer_id: Final = identity.peer_id
        self.local = dataclasses.replace(local, boot_id=local.boot_id or new_uuid())
        self.links: Final = LinkTable(identity.peer_id)
        self.offences: Final = Offences()
        self.gate: Final = ConnectionGate(now=self.clock.seconds(), gate_limits=gate_limits)
        self._reactor: Final = reactor
        self._buffers: Final = ChunkBuffers()
        self._listener: Final = listener
        self._offended: Final = offended
        self._allow_private: Final = allow_private
        self._connection_limits: Final = connection_limits
        self._admission: Final = AdmissionTokens(admission_secret or secrets.token_bytes(32))
        self._creator: Final = TlsCreator(identity)
        self._tls_protocol: Final = tls_protocol()
        self._ports: list[Any] = []
        self._protocols: Final[set[LinkProtocol]] = set()
        self._announced: Final[set[Link]] = set()
        self._dials: Final[dict[tuple[str, int], _Dial]] = {}
        self._stopped = False
        self._all_gone: Deferred[None] | None = None

    # ---- what others use ------------------------------------------------------------------------------------------------------------

    def listen(self, host: str, port: int) -> Deferred[int]:
        """Accept links on this address; 0 = any free port. Fires with the port, which later hellos name. CannotListenError otherwise."""
        reactor: Any = self._reactor
        endpoint_class = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
        endpoint = endpoint_class(reactor, port, interface=host)
        factory = OverlayTlsFactory(
            self._creator,
            LinkFactory(self._make_inbound),
            is_client=False,
            clock=self._reactor,
            tls_protocol=self._tls_protocol,
            may_enter=self._may_enter,
        )

        def listening(opened: Any) -> int:
            self._ports.append(opened)
            bound = int(opened.getHost().port)
            self.local = dataclasses.replace(self.local, listen_port=bound)
            return bound

        return maybeDeferred(endpoint.listen, factory).addCallback(listening)

    def dial(
        self, host: str, port: int, *, expected_peer_id: str | None = None, bind_host: str | None = None
    ) -> Deferred[Link]:
        """Connect, and fire with the open link to that peer: the existing one when there is one. DialError otherwise.

        ``host`` is an IP address. ``expected_peer_id`` pins the peer; without it whoever answers is taken. Dials of the same address at
        the same time are one. ``bind_host`` is the local address to come from.
        """
        if self._stopped:
            return fail(DialError("The node is stopping.", code="stopped"))
        if expected_peer_id is not None:
            if expected_peer_id == self.peer_id:
                return fail(DialError("This is our own address.", code="self_connection"))
            existing = self.links.get(expected_peer_id)
            if existing is not None:
                return succeed(existing)
        if not may_dial(host, allow_private=self._allow_private):
            return fail(DialError("This address is never dialled.", code="address_refused", host=host))
        running = self._dials.get((host, port))
        result: Deferred[Link] = Deferred()
        if running is not None and running.expected_peer_id == expected_peer_id:
            running.waiters.append(result)
            return result
        now = self.clock.seconds()
        if self._banned(expected_peer_id, host, now):
            return fail(DialError("This peer is banned for a while.", code="banned", retryable=True))
        refusal = "already_dialling" if running is not None else self.gate.enter(host, now, inbound=False)
        if refusal is not None:
            return fail(DialError("No further connection is possible now.", code=refusal, retryable=True))
        dial = _Dial(host, expected_peer_id, [result])
        self._dials[host, port] = dial
        self._connect(dial, host, port, bind_host)
        return result

    def stop(self) -> Deferred[None]:
        """Stop listening, say bye on every link, and fire when every connection is gone."""
        self._stopped = True
        ports, self._ports = self._ports, []
        closing: list[Deferred[Any]] = [maybeDeferred(port.stopListening) for port in ports]
        for dial in list(self._dials.values()):
            if dial.protocol is None and dial.connecting is not None:
                dial.connecting.cancel()
        for protocol in list(self._protocols):
            if protocol.link is not None:
                protocol.link.close("shutdown")
            else:
                protocol.abort("stopped")
        if self._protocols:
            self._all_gone = Deferred()
            closing.append(self._all_gone)
        return gatherResults(closing).addCallback(lambda _results: None)

    # ---- LinkHost -------------------------------------------------------------------------------------------------------------------

    def connection_for(self, role: Role, peer_id: str) -> Connection:
        """A fresh core for this peer."""
        return Connection(
            role,
            local=self.local,
            peer_id=peer_id,
            now=self.clock.seconds(),
            admission=self._admission,
            new_id=message_ids(),
            new_nonce=new_nonce,
            connection_limits=self._connection_limits,
            buffers=self._buffers,
        )

    def link_identified(self, protocol: LinkProtocol, peer_id: str) -> str | None:
        """TLS has proven ``peer_id``: is it welcome?"""
        if self._stopped:
            return "stopped"
        if peer_id == self.peer_id:
            return "self_connection"
        if self.offences.banned_for_s(peer_id, self.clock.seconds()) > 0:
            return "banned"
        return None

    def link_opened(self, link: Link) -> None:
        """Hello is done: settle duplicates, tell the listener, wake who dialled."""
        loser = self.links.settle(link)
        if loser is not None:
            self._drain(loser, _DRAIN_LOOKS)
        if loser is not link:
            self._announced.add(link)
            self._listener.link_ready(link)
        for key, dial in list(self._dials.items()):
            if dial.protocol is not None and dial.protocol.link is link:
                del self._dials[key]
                chosen = self.links.get(link.peer_id, link.purpose) or link
                for waiter in dial.waiters:
                    waiter.callback(chosen)

    def link_received(self, link: Link, message: Message, attachment: Attachment) -> None:
        """A message that is no answer to a request."""
        self._listener.link_message(link, message, attachment)

    def link_violated(self, link: Link, error: RemoteProtocolError) -> None:
        """The peer broke a rule: charge it, and its group when that is somebody's in particular."""
        now = self.clock.seconds()
        log.info("Peer %s broke the protocol: %s", link.peer_id, error)
        self.offences.charge(link.peer_id, now)
        self._offended(link.peer_id, self.offences.banned_for_s(link.peer_id, now))
        if link.remote_addr is not None and is_public(link.remote_addr[0]):
            self.offences.charge(link.group, now, patience=limits.GROUP_VIOLATIONS_BEFORE_BAN)

    def link_ended(self, link: Link, reason_code: str) -> None:
        """The transport of a link is gone."""
        self.links.remove(link)
        if link in self._announced:
            self._announced.discard(link)
            try:
                self._listener.link_closed(link, reason_code)
            except Exception:  # the accounts below must be kept whatever happens above
                log.exception("The listener failed on the end of %r", link)

    def connection_ended(self, protocol: LinkProtocol, reason_code: str) -> None:
        """The transport of any connection is gone."""
        self._protocols.discard(protocol)
        if protocol.remote_addr is not None:
            self.gate.leave(protocol.remote_addr[0], inbound=not protocol.dialled_by_me)
        for key, dial in list(self._dials.items()):
            if dial.protocol is protocol:
                self._dial_failed(key, dial, reason_code)
        if self._all_gone is not None and not self._protocols:
            done, self._all_gone = self._all_gone, None
            done.callback(None)

    # ---- private --------------------------------------------------------------------------------------------------------------------

    def _may_enter(self, address: tuple[str, int]) -> bool:
        host, _port = address
        now = self.clock.seconds()
        if self._stopped or self._banned(None, host, now):
            return False
        return self.gate.enter(host, now, inbound=True) is None

    def _banned(self, peer_id: str | None, host: str, now: float) -> bool:
        subjects = ([peer_id] if peer_id is not None else []) + ([group_of(host)] if is_public(host) else [])
        return any(self.offences.banned_for_s(subject, now) > 0 for subject in subjects)

    def _make_inbound(self, address: tuple[str, int]) -> LinkProtocol:
        protocol = LinkProtocol(self, role=Role.SERVER, dialled_by_me=False, remote_addr=address)
        self._protocols.add(protocol)
        return protocol

    def _connect(self, dial: _Dial, host: str, port: int, bind_host: str | None) -> None:
        key = (host, port)

        def make(_address: tuple[str, int]) -> LinkProtocol:
            protocol = LinkProtocol(
                self,
                role=Role.CLIENT,
                dialled_by_me=True,
                remote_addr=key,
                expected_peer_id=dial.expected_peer_id,
            )
            dial.protocol = protocol
            self._protocols.add(protocol)
            return protocol

        factory = OverlayTlsFactory(
            self._creator,
            LinkFactory(make),
            is_client=True,
            clock=self._reactor,
            tls_protocol=self._tls_protocol,
            may_enter=lambda _address: not self._stopped,
        )
        reactor: Any = self._reactor
        endpoint_class: Any = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        bind = (bind_host, 0) if bind_host is not None else None
        endpoint = endpoint_class(reactor, host, port, timeout=limits.CONNECT_TIMEOUT_S, bindAddress=bind)

        def failed(_failure: Failure) -> None:
            if dial.protocol is None:
                self.gate.leave(host, inbound=False)
                self._dial_failed(key, dial, "connect_failed")

        dial.connecting = endpoint.connect(factory)
        dial.connecting.addErrback(failed)

    def _dial_failed(self, key: tuple[str, int], dial: _Dial, code: str) -> None:
        self._dials.pop(key, None)
        for waiter in dial.waiters:
            waiter.errback(DialError("No link came of this dial.", code=code, retryable=True))

    def _drain(self, loser: Link, looks: int) -> None:
        """Close a duplicate when nothing waits on it any more."""

        def look() -> None:
            if not loser.is_open:
                return
            if looks <= 0 or loser.is_idle:
                loser.close("duplicate_link")
            else:
                self._drain(loser, looks - 1)

        self.clock.callLater(_DRAIN_LOOK_S, look)
