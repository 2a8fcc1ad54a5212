"""Thousands of hostile connections against one serving node's real cores: gate, offences, connection, seeding.

The fortress lets in whom its gate lets in, as `overlay_node.net.overlay` does, charges who breaks a rule, and serves. Attackers come by the
second, from public addresses and from its own network, most with keys of their own. Two honest peers download all the while: one was linked
before, the other is dialled by the fortress in the middle of it. `HostileOutcome` tells whether they were served, and how large the fortress's
state ever became.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from overlay_node.net.addresses import group_of, is_public
from overlay_node.net.gate import ConnectionGate
from overlay_node.net.offences import Offences
from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.limits import (
    GROUP_VIOLATIONS_BEFORE_BAN,
    KIB,
    TLS_TIMEOUT_S,
    WRITE_BUFFER_MAX_BYTES,
)
from overlay_node.protocol.messages import (
    MbidQuery,
    MbidResponse,
    Message,
)
from tests.lab.attackers import KINDS, WEIGHTS, Attacker
from tests.lab.downloader import Downloader
from tests.lab.events import EventQueue
from tests.lab.loss import Line
from tests.lab.monitors import Monitors
from tests.lab.network import Flow, Network, Pipe
from tests.lab.payloads import MB, LabPayload, payload
from tests.lab.personality import Manners
from tests.lab.plan import Wanted
from tests.lab.policies import POLICIES, Scheduling
from tests.lab.profile import Profile
from tests.lab.serving import Serving, Shelf
from tests.lab.streams import Ids, stream
from tests.lab.wire import Clock, LabLink

CONNECTIONS = 10_000
ARRIVALS_PER_S = 50.0
FILE_MB = 60
UPLINK_BPS = 2e6
HONEST = ("friend-before", "friend-dialled")
DIALLED_AT_S = 10.0
RTT_S = 0.04
LOOK_EVERY_S = 2.0
KEYS = 400
"""attackers share so many keys: bans of keys matter"""
CALM_S = 400.0
"""after the last attacker: the longest timer of a link (idle, 300 s) is over by then"""


@dataclass(slots=True)
class HostileOutcome:
    """What came of it."""

    connections: int
    entered: Counter[str] = field(default_factory=Counter)
    """by kind: those the gate let in"""
    ends: Counter[str] = field(default_factory=Counter)
    """by code: how the connections of attackers ended"""
    served_at_s: dict[str, float] = field(default_factory=dict)
    """honest peer -> when it had everything"""
    most: Counter[str] = field(default_factory=Counter)
    """largest size ever seen, by name"""
    left: Counter[str] = field(default_factory=Counter)
    """sizes after the calm"""
    violations: int = 0
    honest_charged: int = 0

    @property
    def still_serves(self) -> bool:
        """Both honest peers got everything and were charged with nothing."""
        return len(self.served_at_s) == len(HONEST) and not self.honest_charged


class Fortress:
    """The serving node. Owner of its links."""

    def __init__(self, queue: EventQueue, network: Network, shared: LabPayload, outcome: HostileOutcome) -> None:
        self.clock = Clock(queue)
        self.up: Pipe = network.pipe("fortress up", Profile.constant(UPLINK_BPS))
        self.down: Pipe = network.pipe("fortress down", Profile.constant(UPLINK_BPS * 5))
        self.new_id = Ids(0)
        self.admission = AdmissionTokens(b"the secret of the fortress")
        self.gate = ConnectionGate(now=self.clock.now())
        self.offences = Offences()
        self.serving = Serving(
            queue=queue,
            clock=self.clock,
            shelves={shared.key: Shelf(shared, lambda: ((0, shared.leaf_count),))},
            manners=Manners(stream(0, "fortress")),
        )
        self.links: dict[LabLink, str] = {}
        """link -> the host it comes from"""
        self.outbound: dict[LabLink, None] = {}
        self._outcome = outcome

    def lets_in(self, peer: str, host: str) -> bool:
        """Banned ones and those above the limits stay out. What was let in is counted until `link_ended`."""
        now = self.clock.now()
        subjects = [peer, group_of(host)] if is_public(host) else [peer]
        if any(self.offences.banned_for_s(one, now) > 0 for one in subjects):
            return False
        return self.gate.enter(host, now, inbound=True) is None

    # ---- LinkOwner

    def link_opened(self, link: LabLink) -> None:
        """Hello is done."""
        self.serving.link_opened(link)

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """Serve; a query is answered with nothing, which costs about as much as an answer."""
        if not self.serving.received(link, message) and isinstance(message, MbidQuery):
            link.send(MbidResponse(in_reply_to=message.message_id))

    def link_violated(self, link: LabLink, code: str) -> None:
        """Charge it and the place it comes from."""
        now, host = self.clock.now(), self.links.get(link, "")
        self._outcome.violations += 1
        self._outcome.honest_charged += link.peer in HONEST
        self.offences.charge(link.peer, now)
        if is_public(host):
            self.offences.charge(group_of(host), now, patience=GROUP_VIOLATIONS_BEFORE_BAN)

    def link_ended(self, link: LabLink, code: str) -> None:
        """The transport is gone."""
        self.serving.link_ended(link)
        host = self.links.pop(link, None)
        if host is not None:
            self.gate.leave(host, inbound=link not in self.outbound)
        self.outbound.pop(link, None)
        if link.peer not in HONEST:
            self._outcome.ends[code] += 1

    def link_drained(self, link: LabLink) -> None:
        """Room for more."""
        self.serving.link_drained(link)

    # ---- sizes

    def sizes(self) -> Counter[str]:
        """Everything that could grow."""
        core = self.serving.core
        return Counter(
            {
                "connections": self.gate.open_connections,
                "links": len(self.links),
                "offenders": elements(self.offences),
                "transfers offered": sum(1 for _ in core.served()),
                "requests queued": core.queue_length,
                "peers in line": core.peers_waiting,
                "entries of the seeding core": elements(core),
                "entries of the gate": elements(self.gate),
                "entries of one connection": max((elements(link.connection) for link in self.links), default=0),
                "bytes waiting for one socket": max((link.queued_bytes for link in self.links), default=0),
            }
        )


def elements(root: object) -> int:
    """Entries of all containers that can be reached from an object through objects of the node's own code: what it remembers, however it is built."""
    count, seen, todo = 0, {id(root)}, [root]
    while todo:
        one = todo.pop()
        inside: list[object] = []
        if isinstance(one, dict):
            count += len(one)
            inside = [*one.keys(), *one.values()]
        elif isinstance(one, list | set | frozenset | tuple | deque):
            count += len(one)
            inside = list(one)
        elif type(one).__module__.startswith("overlay_node."):
            names = [*getattr(one, "__dict__", ()), *(name for kind in type(one).__mro__ for name in _slots(kind))]
            inside = [getattr(one, name) for name in names if hasattr(one, name)]
        for part in inside:
            if id(part) not in seen and not isinstance(part, _LEAVES):
                seen.add(id(part))
                todo.append(part)
    return count


_LEAVES = (str, bytes, int, float, type(None), type, Enum)


def _slots(kind: type) -> tuple[str, ...]:
    found = getattr(kind, "__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


class Friend:
    """An honest downloader. Owner of its link."""

    def __init__(self, siege: Siege, name: str, number: int) -> None:
        self.name = name
        self.clock = Clock(siege.queue, offset_s=5000)
        self.new_id = Ids(1_000_000 + number)
        self.link: LabLink | None = None
        self._siege = siege
        self.downloader = Downloader(
            name=name,
            queue=siege.queue,
            clock=self.clock,
            wanted=[(siege.shared, Wanted())],
            scheduling=Scheduling(POLICIES["product"], stream(siege.seed, name), self.clock.now),
            new_id=self.new_id,
            monitors=Monitors(frozenset({"fortress"})),
            finished=partial(siege.served, name),
        )

    def connected(self, link: LabLink) -> None:
        """Go on."""
        self.link = link
        link.work()

    def link_opened(self, link: LabLink) -> None:
        """Begin."""
        self.downloader.link_opened(link, [self._siege.shared.key])
        self.downloader.start()

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """A chunk."""
        self.downloader.received_message(link, message, attachment)

    def link_violated(self, link: LabLink, code: str) -> None:
        """The fortress never breaks a rule."""
        raise AssertionError(f"the fortress broke a rule: {code}")

    def link_ended(self, link: LabLink, code: str) -> None:
        """It let us down."""
        self.downloader.link_ended(link)

    def link_drained(self, link: LabLink) -> None:
        """Nothing to add."""


class Siege:
    """One run."""

    def __init__(self, seed: int, connections: int, file_mb: int) -> None:
        self.seed = seed
        self.queue = EventQueue()
        self.network = Network(self.queue)
        self.shared = payload(file_mb * MB)
        self.outcome = HostileOutcome(connections)
        self.fortress = Fortress(self.queue, self.network, self.shared, self.outcome)
        self._arrivals = stream(seed, "arrivals")
        self._names = stream(seed, "names")

    def run(self) -> HostileOutcome:
        """The siege and the calm after it."""
        friends = [Friend(self, name, number) for number, name in enumerate(HONEST)]
        self._connect(friends[0], friends[0].name, "198.51.100.7", self._pipes(12.5e6))
        self.queue.at(DIALLED_AT_S, lambda: self._dial(friends[1]))
        self._next(0)
        self._look()
        last = self.outcome.connections / ARRIVALS_PER_S
        self.queue.run(until=last + CALM_S)
        for friend in friends:
            if friend.link is not None:
                friend.link.cut("done")
        self.queue.run(until=self.queue.now + 60)
        self.outcome.left = self.fortress.sizes()
        return self.outcome

    def served(self, name: str) -> None:
        """An honest peer has everything."""
        self.outcome.served_at_s[name] = self.queue.now

    def every(self, seconds: float, link: LabLink, act: Callable[[int], None], at: int = 0) -> None:
        """Do something again and again while the link lasts."""
        if not link.ended:
            act(at)
            self.queue.after(seconds, lambda: self.every(seconds, link, act, at + 1))

    # ---- private

    def _next(self, number: int) -> None:
        if number < self.outcome.connections:
            self._arrive(number)
            self.queue.after(self._arrivals.expovariate(ARRIVALS_PER_S), lambda: self._next(number + 1))

    def _arrive(self, number: int) -> None:
        draw = self._names
        (kind,) = draw.choices(KINDS, weights=WEIGHTS)
        peer = f"enemy-{draw.randrange(KEYS):04d}"
        host = f"{draw.choice((45, 46, 91))}.{draw.randrange(60)}.{draw.randrange(4)}.{draw.randrange(1, 200)}"
        if draw.random() < 0.5:
            host = f"10.0.{draw.randrange(4)}.{draw.randrange(1, 200)}"
        if not self.fortress.lets_in(peer, host):
            return
        self.outcome.entered[kind] += 1
        if kind == "half-open":  # TLS is never finished; its deadline ends it
            self.queue.after(TLS_TIMEOUT_S, lambda: self.fortress.gate.leave(host, inbound=True))
            return
        down_bps = 0.0 if kind == "hoarder" and draw.random() < 0.5 else 1e5
        self._connect(Attacker(self, number, kind), peer, host, self._pipes(1e6, down_bps), entered=True)

    def _dial(self, friend: Friend) -> None:
        """The fortress dials it: a place that strangers can't take is kept for that."""
        assert self.fortress.gate.enter("203.0.113.9", self.fortress.clock.now(), inbound=False) is None
        self._connect(friend, friend.name, "203.0.113.9", self._pipes(12.5e6), entered=True, dialled=True)

    def _pipes(self, up_bps: float, down_bps: float | None = None) -> tuple[Pipe, Pipe]:
        down = Profile.constant(up_bps if down_bps is None else down_bps)
        return self.network.pipe("up", Profile.constant(up_bps)), self.network.pipe("down", down)

    def _connect(
        self,
        client: Attacker | Friend,
        name: str,
        host: str,
        pipes: tuple[Pipe, Pipe],
        *,
        entered: bool = False,
        dialled: bool = False,
    ) -> None:
        fortress, clock = self.fortress, Clock(self.queue, offset_s=5000)
        if not entered:
            assert fortress.gate.enter(host, fortress.clock.now(), inbound=True) is None
        features = LocalHello(network="lab")
        nonce = stream(self.seed, "nonce", name, self.queue.steps).randbytes(16)
        inner = Connection(
            Role.SERVER,
            local=features,
            peer_id=name,
            now=fortress.clock.now(),
            admission=fortress.admission,
            new_id=fortress.new_id,
            new_nonce=lambda: nonce,
        )
        outer = Connection(
            Role.CLIENT,
            local=features,
            peer_id="fortress",
            now=clock.now(),
            admission=AdmissionTokens(b"somebody else's secret"),
            new_id=client.new_id,
            new_nonce=lambda: nonce[::-1],
        )
        up, down = pipes
        here = LabLink(self.queue, fortress.clock, inner, self._flow(fortress.up, down, name, "out"), fortress)
        there = LabLink(self.queue, clock, outer, self._flow(up, fortress.down, name, "in"), client)
        LabLink.join(here, there)
        fortress.links[here] = host
        if dialled:
            fortress.outbound[here] = None
        here.work()
        client.connected(there)

    def _flow(self, up: Pipe, down: Pipe, name: str, way: str) -> Flow:
        return self.network.flow(
            up=up,
            down=down,
            line=Line(Profile.constant(1e9)),
            delay_s=RTT_S / 2,
            jitter_s=0.0,
            random=stream(self.seed, "flow", name, way),
        )

    def _look(self) -> None:
        """How large things are now."""
        for name, size in self.fortress.sizes().items():
            self.outcome.most[name] = max(self.outcome.most[name], size)
        if self.queue.now < self.outcome.connections / ARRIVALS_PER_S + CALM_S - 1:
            self.queue.after(LOOK_EVERY_S, self._look)


LIMITS: dict[str, int] = {
    "connections": 128,
    "links": 128,
    "offenders": 1001,
    "transfers offered": 128 * 4,
    "requests queued": 1024,
    "peers in line": 256,
    "entries of the seeding core": 20_000,
    "entries of the gate": 3000,
    "entries of one connection": 1000,
    "bytes waiting for one socket": WRITE_BUFFER_MAX_BYTES + 64 * KIB,
}
"""what the fortress's state may never exceed, however many come"""


def run_hostile(seed: int, connections: int = CONNECTIONS, *, file_mb: int = FILE_MB) -> HostileOutcome:
    """A siege by so many connections, during which two honest peers fetch a file of `file_mb` each."""
    return Siege(seed, connections, file_mb).run()
