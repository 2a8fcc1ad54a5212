"""The DHT as the rest of the node sees it: sockets, clock and randomness around `overlay_node.dht.DhtNode`, nothing else.

Runs on the running asyncio loop (in the daemon that is the reactor's own loop). One UDP socket per address family. Every call ends: with its
result, or with a `DhtError` that says why. Saving the state is the owner's business (`dht_persist`).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from typing_extensions import override

from apps.domain.errors import DomainError
from overlay_node.dht.addresses import Endpoint, Family
from overlay_node.dht.config import DhtConfig, SavedState
from overlay_node.dht.errors import LocalProtocolError
from overlay_node.dht.events import (
    AnnounceFinished,
    BootstrapFinished,
    CallId,
    DhtEvent,
    ExternalAddressLearned,
    FindNodeFinished,
    GetPeersFinished,
)
from overlay_node.dht.node import DhtNode
from overlay_node.dht.stats import DhtStats

log = logging.getLogger(__name__)

RESOLVE_TIMEOUT_S = 5.0
"""For one bootstrap host name."""
SOCKET_BUFFER_BYTES = 1 << 20
"""Asked of the kernel for receiving: bursts of answers overflow the usual 200 KiB silently."""
PORT_ATTEMPTS = 8
"""Tries to find one number that is free for IPv4 and IPv6 alike, when any port will do."""
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class DhtError(DomainError):
    """A call to the DHT did not succeed. Codes: dht_unreachable, dht_busy, dht_stopped, dht_port_unavailable."""

    default_code: ClassVar[str] = "dht_unreachable"


@dataclass(frozen=True, slots=True)
class AnnounceResult:
    """What became of an announcement."""

    stored_at: int
    """Nodes that confirmed that they store it. 0: reachable nodes refused or vanished; try again later."""


_Finished = GetPeersFinished | AnnounceFinished | BootstrapFinished | FindNodeFinished


class Dht:
    """One DHT node on real sockets. `start`, then calls, then `stop`; not to be started twice."""

    def __init__(
        self,
        *,
        port: int,
        hosts: Sequence[str] = ("0.0.0.0", "::"),  # noqa: S104 -- a DHT node is there to be reached
        config: DhtConfig | None = None,
    ) -> None:
        """`hosts`: literal addresses to bind, at most one per family; a family this machine lacks is left out. `port` 0: any.

        `config.families` and `config.saved` are set here, by what could be bound and by `start`.
        """
        self._hosts = tuple(hosts)
        self._wanted_port = port
        self._config = config or DhtConfig()
        self._node: DhtNode | None = None
        self._sockets: dict[Family, _Datagrams] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._calls: dict[CallId, asyncio.Future[_Finished]] = {}
        self._bootstrap_hosts: list[tuple[str, int]] = []
        self._resolving: asyncio.Task[None] | None = None
        self._stopping = False
        self._port = 0

    @property
    def port(self) -> int:
        """The UDP port in use; 0 before `start`."""
        return self._port

    @property
    def families(self) -> frozenset[Family]:
        """The address families in use."""
        return frozenset(self._sockets)

    async def start(self, bootstrap: Sequence[tuple[str, int]] = (), saved: SavedState | None = None) -> None:
        """`open`, then `join`."""
        await self.open(saved)
        await self.join(bootstrap)

    async def open(self, saved: SavedState | None = None) -> None:
        """Bind and begin to answer. Raises DhtError("dht_port_unavailable")."""
        loop = asyncio.get_running_loop()
        sockets = _bind(self._hosts, self._wanted_port)
        self._port = sockets[0].getsockname()[1]
        families = frozenset(Family.V4 if s.family == socket.AF_INET else Family.V6 for s in sockets)
        config = replace(self._config, families=families, saved=saved or self._config.saved)
        self._node = DhtNode(config, loop.time(), os.urandom)
        for bound in sockets:
            transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=bound)
            protocol.transport = transport
            self._sockets[Family.V4 if bound.family == socket.AF_INET else Family.V6] = protocol
        self._pump()

    async def join(self, bootstrap: Sequence[tuple[str, int]]) -> None:
        """Join through the saved nodes and these (host, port) pairs, all of which become ordinary nodes when they answer.

        Returns when the first attempt is over, also if nobody answered (then it goes on by itself, ever more slowly). A node that knows
        nobody at all just waits to be asked.
        """
        node = self._running()
        self._bootstrap_hosts = list(bootstrap)
        seeds = await self._resolve()
        if self._stopping:
            raise DhtError("The DHT is stopping.", code="dht_stopped")
        await self._finished(node.start_bootstrap(seeds, asyncio.get_running_loop().time()))

    async def announce(self, key: bytes, port: int) -> AnnounceResult:
        """Tell the nodes nearest to the 20-byte `key` that we take connections on TCP `port`; repeat every 15 minutes.

        Raises DhtError: dht_unreachable when no node answered, dht_busy, dht_stopped.
        """
        node, loop = self._running(), asyncio.get_running_loop()
        try:
            call_id = node.start_announce(key, port, loop.time())
        except LocalProtocolError as error:
            raise _translated(error) from error
        result = await self._finished(call_id)
        assert isinstance(result, AnnounceFinished)
        if result.answered == 0:
            raise DhtError("No DHT node answered.", retryable=True, asked=result.failed)
        return AnnounceResult(stored_at=result.stored_at)

    async def get_peers(self, key: bytes) -> list[tuple[str, int]]:
        """Who has announced the 20-byte `key`: (host, port) pairs, our own among them if we did; empty when nobody has.

        Raises DhtError: dht_unreachable when no node answered and we hold nothing ourselves, dht_busy, dht_stopped.
        """
        node, loop = self._running(), asyncio.get_running_loop()
        try:
            call_id = node.start_get_peers(key, loop.time())
        except LocalProtocolError as error:
            raise _translated(error) from error
        result = await self._finished(call_id)
        assert isinstance(result, GetPeersFinished)
        if result.answered == 0 and not result.peers:
            raise DhtError("No DHT node answered.", retryable=True, asked=result.failed)
        return [(peer.host, peer.port) for peer in result.peers]

    def state(self) -> SavedState:
        """What to save for the next start (`dht_persist.save_state`)."""
        return self._node.saved_state() if self._node is not None else self._config.saved

    def stats(self) -> DhtStats:
        """Counters and gauges of the moment. Raises DhtError("dht_stopped") before `start`."""
        if self._node is None:
            raise DhtError("The DHT is not running.", code="dht_stopped")
        return self._node.stats(asyncio.get_running_loop().time())

    async def stop(self) -> None:
        """Close the sockets; open calls end with dht_stopped. May be called twice. `state` still answers."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._resolving is not None:
            self._resolving.cancel()
        for future in list(self._calls.values()):
            if not future.done():
                future.set_exception(DhtError("The DHT is stopping.", code="dht_stopped"))
        self._calls.clear()
        for protocol in self._sockets.values():
            if protocol.transport is not None:
                protocol.transport.close()
        self._sockets.clear()
        # The loop closes a transport's socket in its next turn.
        await asyncio.sleep(0)

    # Between the core and the loop

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """One datagram from a socket."""
        if self._node is None or self._stopping:
            return
        self._node.receive_datagram(data, Endpoint.parse(address[0], address[1]), asyncio.get_running_loop().time())
        self._pump()

    def _pump(self) -> None:
        """Carry out what the core wants: send, tell, and come back in time."""
        node = self._node
        if node is None or self._stopping:
            return
        while (event := node.next_event()) is not None:
            self._on_event(event)
        for datagram, to in node.datagrams_to_send():
            self._sockets[to.family].send(datagram, to)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(node.next_timer(), self._on_timer)

    def _on_timer(self) -> None:
        if self._node is not None:
            self._node.handle_timer(asyncio.get_running_loop().time())
            self._pump()

    def _on_event(self, event: DhtEvent) -> None:
        if isinstance(event, GetPeersFinished | AnnounceFinished | BootstrapFinished | FindNodeFinished):
            future = self._calls.pop(event.call_id, None)
            if future is not None and not future.done():
                future.set_result(event)
        if isinstance(event, BootstrapFinished):
            if event.answered or not event.failed:
                log.info("dht_joined known_nodes=%d", event.known_nodes)
            else:
                log.warning("dht_nobody_answered asked=%d", event.failed)
                self._resolve_again()
        elif isinstance(event, ExternalAddressLearned):
            log.info("dht_external_address_learned id_changed=%s", event.id_changed)

    async def _finished(self, call_id: CallId) -> _Finished:
        future: asyncio.Future[_Finished] = asyncio.get_running_loop().create_future()
        self._calls[call_id] = future
        self._pump()
        try:
            return await future
        finally:
            self._calls.pop(call_id, None)
            if future.cancelled() and self._node is not None:
                self._node.cancel(call_id)

    def _running(self) -> DhtNode:
        if self._node is None or self._stopping:
            raise DhtError("The DHT is not running.", code="dht_stopped")
        return self._node

    # Bootstrap hosts

    async def _resolve(self) -> list[Endpoint]:
        """All addresses of all bootstrap hosts, in their order; those that cannot be resolved are logged and left out."""
        found: list[Endpoint] = []
        for host, port in self._bootstrap_hosts:
            try:
                async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            except (OSError, TimeoutError, UnicodeError) as error:
                log.warning("dht_bootstrap_host_not_resolved host=%r error=%r", host, error)
                continue
            found += [Endpoint.parse(str(info[4][0]), port) for info in infos]
        return list(dict.fromkeys(found))

    def _resolve_again(self) -> None:
        """Nobody answered: the names may mean other addresses by now, or can be resolved at last."""
        if self._bootstrap_hosts and (self._resolving is None or self._resolving.done()):
            self._resolving = asyncio.get_running_loop().create_task(self._refresh_seeds())

    async def _refresh_seeds(self) -> None:
        seeds = await self._resolve()
        if self._node is not None and not self._stopping:
            self._node.add_seeds(seeds)


class _Datagrams(asyncio.DatagramProtocol):
    """One socket. While the loop holds more than its high-water mark unsent, datagrams are dropped, as the network would."""

    def __init__(self, dht: Dht) -> None:
        self._dht = dht
        self._full = False
        self.transport: asyncio.DatagramTransport | None = None

    def send(self, datagram: bytes, to: Endpoint) -> None:
        """Send, or drop when full."""
        if self.transport is not None and not self._full:
            self.transport.sendto(datagram, (to.host, to.port))

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._dht.datagram_received(data, addr)

    @override
    def error_received(self, exc: Exception) -> None:
        """Port unreachable, no route: about some datagram, it is not said which. The timeouts deal with it."""

    @override
    def pause_writing(self) -> None:
        self._full = True

    @override
    def resume_writing(self) -> None:
        self._full = False


def _translated(error: LocalProtocolError) -> DhtError | LocalProtocolError:
    """Busy is a condition of the moment; everything else is the caller's mistake and stays loud."""
    if error.code == "too_many_calls":
        return DhtError("Too many DHT lookups are waiting.", code="dht_busy", retryable=True)
    return error


def _bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """One non-blocking UDP socket per host, all on one port; hosts of a family that is not there are left out.

    Raises DhtError("dht_port_unavailable").
    """
    reason: OSError | None = None
    for _ in range(PORT_ATTEMPTS if port == 0 else 1):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                bound = _bind_one(host, sockets[0].getsockname()[1] if sockets else port)
                if bound is not None:
                    sockets.append(bound)
        except OSError as error:
            reason = error
            for bound in sockets:
                bound.close()
            continue
        if sockets:
            return sockets
        break
    raise DhtError(
        f"The DHT's UDP port {port} cannot be opened: {reason or 'no such address on this machine'}.",
        code="dht_port_unavailable",
        retryable=True,
        port=port,
    )


def _bind_one(host: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if Endpoint.parse(host, port).family is Family.V6 else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        if error.errno in _NO_SUCH_FAMILY:
            return None
        raise
    try:
        bound.settimeout(0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_BYTES)
        if family == socket.AF_INET6:
            # Its own DHT (BEP 32), beside an IPv4 socket on the same port.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno in _NO_SUCH_FAMILY:
            return None
        raise
    return bound
