"""A deterministic network of DHT nodes in virtual time: one seed decides ids, delays and losses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

from overlay_node.dht.addresses import Endpoint
from overlay_node.dht.config import DhtConfig
from overlay_node.dht.events import CallId, DhtEvent
from overlay_node.dht.node import DhtNode

PRIVATE = DhtConfig().for_private_network()


@dataclass(eq=False)
class Member:
    node: DhtNode
    endpoint: Endpoint
    other_endpoint: Endpoint | None = None
    """Where it is reached in the other address family, if it has both."""
    alive: bool = True
    forgets: bool = False
    """Confirms announcements and tells nobody."""
    timer_at: float = float("inf")
    finished: dict[CallId, DhtEvent] = field(default_factory=dict)
    """The last event of each call (PeersFound is overwritten by the finish)."""
    events: list[DhtEvent] = field(default_factory=list)

    def at(self, to: Endpoint) -> Endpoint:
        """Where its datagrams to `to` come from."""
        if self.endpoint.family is to.family or self.other_endpoint is None:
            return self.endpoint
        return self.other_endpoint


class VirtualNetwork:
    def __init__(self, seed: int, *, loss: float = 0.0, one_way_s: tuple[float, float] = (0.02, 0.1)) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.one_way_s = one_way_s
        self.now = 1000.0
        self.members: dict[Endpoint, Member] = {}
        self.delivered = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def join(self, config: DhtConfig = PRIVATE, *, host: str | None = None, port: int = 6881) -> Member:
        if host is None:
            index = len(self.members) + 1
            host = f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}"
        endpoint = Endpoint.parse(host, port)
        member = Member(DhtNode(config, self.now, random.Random(self.random.random()).randbytes), endpoint)
        self.members[endpoint] = member
        self.pump(member)
        return member

    def pump(self, member: Member) -> None:
        for datagram, to in member.node.datagrams_to_send():
            if self.random.random() >= self.loss:
                delay = self.random.uniform(*self.one_way_s)
                self._at(self.now + delay, partial(self._deliver, datagram, member.at(to), to))
        while (event := member.node.next_event()) is not None:
            member.events.append(event)
            call_id = getattr(event, "call_id", None)
            if call_id is not None:
                member.finished[call_id] = event
        when = member.node.next_timer()
        if when != member.timer_at:
            member.timer_at = when
            self._at(when, lambda: self._tick(member, when))

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition came true within so many virtual seconds."""
        end = self.now + seconds
        while not condition():
            if not self._queue or self._queue[0][0] > end:
                self.now = end
                return condition()
            when, _, action = heappop(self._queue)
            self.now = max(self.now, when)
            action()
        return True

    def finish(self, member: Member, call_id: CallId, seconds: float = 120.0) -> DhtEvent:
        """Run until the call has ended; its last event."""

        def ended() -> bool:
            event = member.finished.get(call_id)
            return event is not None and type(event).__name__.endswith("Finished")

        self.pump(member)
        assert self.run_until(ended, seconds), "the call did not end"
        return member.finished[call_id]

    def _at(self, when: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._queue, (when, self._order, action))

    def _deliver(self, datagram: bytes, source: Endpoint, to: Endpoint) -> None:
        member = self.members.get(to)
        if member is None or not member.alive:
            return
        self.delivered += 1
        member.node.receive_datagram(datagram, source, self.now)
        if member.forgets:
            for realm in member.node._realms.values():
                realm.store.expire(float("inf"))
        self.pump(member)

    def _tick(self, member: Member, when: float) -> None:
        if member.alive and member.timer_at == when:
            member.timer_at = float("inf")
            member.node.handle_timer(self.now)
            self.pump(member)


def grown(
    seed: int, size: int, *, loss: float = 0.0, config: DhtConfig = PRIVATE
) -> tuple[VirtualNetwork, list[Member]]:
    """A network of `size` nodes that joined one after another, each knowing one random earlier one."""
    network = VirtualNetwork(seed, loss=loss)
    members: list[Member] = []
    for _ in range(size):
        member = network.join(config)
        if members:
            call_id = member.node.start_bootstrap([network.random.choice(members).endpoint], network.now)
            network.finish(member, call_id)
        members.append(member)
    network.run(20.0)
    return network, members
