"""Peers that do not behave, over real sockets and a TLS that is not ours: an honest handshake at most, then whatever a test says.

Many of them fit into one process: each is two asyncio streams and a protocol core of its own, whose rules they break by writing frames themselves.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from overlay_node.net.identity import NodeIdentity, identity_ephemeral
from overlay_node.net.link import Link
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import encode_frame
from overlay_node.protocol.errors import RemoteProtocolError
from overlay_node.protocol.events import ConnectionClosed, HandshakeCompleted, MessageReceived
from overlay_node.protocol.messages import Message
from overlay_node.services.root import Node
from tests.overlay_node.protocol.pair import Ids

FEATURES = ("payload/1", "serve/1", "adverts/1", "cache_jobs/1")


def frame(message: Message, attachment: bytes = b"") -> bytes:
    """The bytes of one message, whatever a connection would say to it."""
    head, body = encode_frame(message, attachment)
    return head + bytes(body)


def client_context(identity: NodeIdentity) -> ssl.SSLContext:
    """Python's own TLS with an overlay certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["slskdn/1"])
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        key = identity.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write(key + identity.certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(Path(file.name))
    return context


class HostilePeer:
    """`said`: messages of the node. `closed`: the code of its bye, "" while it has said none. `on_message` may answer."""

    def __init__(self, node: Node, *, host: str, identity: NodeIdentity | None = None) -> None:
        self.node = node
        self.host = host
        self.identity = identity or identity_ephemeral()
        self.said: list[Message] = []
        self.closed = ""
        self.gone = asyncio.Event()
        self.ready = asyncio.Event()
        self.on_message: Callable[[Message], bytes] = lambda _message: b""
        self.core = Connection(
            Role.CLIENT,
            local=LocalHello(features=FEATURES, agent="hostile/1"),
            peer_id=node.peer_id,
            now=0.0,
            admission=AdmissionTokens(b"s" * 16),
            new_id=Ids(0x500000),
            new_nonce=lambda: b"n" * 16,
        )
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def peer_id(self) -> str:
        """Who the node takes it for."""
        return self.identity.peer_id

    @property
    def token(self) -> bytes | None:
        """What data requests must carry."""
        return self.core._peer_token

    async def dial(self, *, tls: bool = True) -> None:
        """Up to TCP or TLS. OSError when the node does not let it in."""
        address = self.node.config.overlay_host, self.node.overlay_port
        self.reader, self.writer = await asyncio.open_connection(
            *address,
            ssl=client_context(self.identity) if tls else None,
            server_hostname="" if tls else None,
            local_addr=(self.host, 0),
        )

    async def greet(self) -> HostilePeer:
        """Up to an open link; from then on it listens."""
        await self.dial()
        self._listening = asyncio.get_running_loop().create_task(self.listen())
        waits = [asyncio.ensure_future(one.wait()) for one in (self.ready, self.gone)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
        return self

    async def listen(self) -> None:
        """Hear until the node is gone."""
        assert self.reader is not None
        self._flush()
        try:
            while data := await self.reader.read(65536):
                self.core.receive_data(data, 0.0)
                while (event := self.core.next_event()) is not None:
                    match event:
                        case HandshakeCompleted():
                            self.ready.set()
                        case MessageReceived(message=message):
                            self.said.append(message)
                            self.write(self.on_message(message))
                        case ConnectionClosed(reason_code=code, by_peer=True):
                            self.closed = code
                        case _:
                            pass
                self._flush()
        except (OSError, RemoteProtocolError):
            pass
        finally:
            self.gone.set()
            self.close()

    def write(self, data: bytes) -> None:
        """Raw bytes, whatever they are."""
        if data and self.writer is not None and not self.writer.is_closing():
            self.writer.write(data)

    def close(self) -> None:
        """Cut the connection."""
        if self.writer is not None:
            self.writer.transport.abort()

    async def leave(self) -> None:
        """Cut it and wait until nothing of it is left here."""
        self.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _flush(self) -> None:
        for piece in self.core.data_to_send():
            self.write(bytes(piece))


def closings(node: Node) -> dict[str, str]:
    """Fills with peer id -> code as links of the node close from now on. (A bye may be lost when its reader still has much to say.)"""
    found: dict[str, str] = {}
    tell = node.hub.link_closed

    def link_closed(link: Link, reason_code: str) -> None:
        found[link.peer_id] = reason_code
        tell(link, reason_code)

    node.hub.link_closed = link_closed  # type: ignore[method-assign]
    return found


def _lasts(task: asyncio.Task[None]) -> bool:
    """True for the loops that run as long as the node."""
    name = getattr(task.get_coro(), "__qualname__", "")
    return name.endswith(("_every", ".run", "beat", "listen"))


def census(node: Node) -> dict[str, int]:
    """Everything a node keeps for its peers: what must be the same before and after strangers were there."""
    sharing, seeder, hub = node.sharing, node.seeder, node.hub
    return {
        "connections": node.overlay.gate.open_connections,
        "addresses": len(node.overlay.gate._by_address),
        "protocols": len(node.overlay._protocols),
        "announced": len(node.overlay._announced),
        "links": len(list(node.overlay.links)),
        "since": len(hub.since),
        "taken_up": len(hub._taken_up),
        "at_work": hub._at_work,
        "tasks": sum(1 for task in node._background._tasks if not _lasts(task)),
        "seeder_keys": len(seeder._keys),
        "seeder_links": len(seeder._links),
        "seeder_work": len(seeder._work),
        "served": len(seeder._core._links),
        "told": len(node.publisher._told),
        "readers": len(sharing.adverts._readers),
        "tellers": len(sharing.availability._tellers),
        "queued": sharing.availability._queued,
        "answered": len(sharing.cache_jobs._answered),
        "asked": sum(len(one) for one in sharing.cache_jobs._asked.values()),
    }


async def gather_some(jobs: list[Callable[[], Coroutine[Any, Any, None]]], *, at_once: int) -> None:
    """Run all jobs, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with gate:
            await job()

    await asyncio.gather(*(one(job) for job in jobs))
