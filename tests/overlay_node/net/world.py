"""A real asyncio reactor on a loop of its own, and two or more nodes on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from overlay_node.net.identity import NodeIdentity, identity_ephemeral
from overlay_node.net.link import Link
from overlay_node.net.overlay import Overlay
from overlay_node.net.reactor import steady_reactor
from overlay_node.protocol.connection import LocalHello
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import Message
from tests.patience import PATIENCE_S


class World:
    """Owns the reactor; ``run`` drives a Twisted coroutine to its end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.reactor: Any = steady_reactor(self.loop)
        self.nodes: list[Node] = []

    def run(self, coroutine: Coroutine[Deferred[Any], Any, Any], *, within_s: float = PATIENCE_S) -> Any:
        async def main() -> Any:
            future = Deferred.fromCoroutine(coroutine).asFuture(self.loop)
            return await asyncio.wait_for(future, within_s)

        return self.loop.run_until_complete(main())

    def node(self, **options: Any) -> Node:
        node = Node(self, **options)
        self.nodes.append(node)
        return node

    def turn(self) -> Deferred[None]:
        """Fires one reactor turn later."""
        result: Deferred[None] = Deferred()
        self.reactor.callLater(0.005, result.callback, None)
        return result

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the reactor turn until something is true (the test's own deadline bounds it)."""
        while not condition():
            await self.turn()

    def close(self) -> None:
        async def stop() -> None:
            for node in self.nodes:
                await node.overlay.stop()

        self.run(stop())
        self.loop.close()


class Node:
    """An overlay and a listener that writes down what it hears."""

    def __init__(self, world: World, *, identity: NodeIdentity | None = None, **options: Any) -> None:
        self.world = world
        self.ready: list[Link] = []
        self.messages: list[tuple[Link, Message, Attachment]] = []
        self.closed: list[tuple[Link, str]] = []
        self.on_message: Callable[[Link, Message, Attachment], None] | None = None
        self.port = 0
        self.identity = identity or identity_ephemeral()
        options.setdefault("local", LocalHello(network="lab", agent="test/1"))
        options.setdefault("allow_private", True)
        self.overlay = Overlay(world.reactor, identity=self.identity, listener=self, **options)

    @property
    def peer_id(self) -> str:
        return self.overlay.peer_id

    def link_ready(self, link: Link) -> None:
        self.ready.append(link)

    def link_message(self, link: Link, message: Message, attachment: Attachment) -> None:
        self.messages.append((link, message, attachment))
        if self.on_message is not None:
            self.on_message(link, message, attachment)

    def link_closed(self, link: Link, reason_code: str) -> None:
        self.closed.append((link, reason_code))

    async def listen(self, host: str = "127.0.0.1") -> int:
        self.port = await self.overlay.listen(host, 0)
        return self.port

    def dial(self, other: Node, host: str = "127.0.0.1", **options: Any) -> Deferred[Link]:
        return self.overlay.dial(host, other.port, **options)
