"""One run: builds the nodes of a scenario from a seed, lets virtual time pass, tells what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import ChunkCancel, ChunkRequest, Message, PayloadRequest
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import ranges_of
from overlay_node.swarm.session import SwarmSession
from tests.lab.downloader import Downloader
from tests.lab.events import EventQueue
from tests.lab.monitors import Monitors
from tests.lab.network import Network, Pipe
from tests.lab.payloads import LabPayload, payload
from tests.lab.personality import Life, Manners, Personality, Ranges
from tests.lab.policies import policy_named
from tests.lab.profile import FOREVER, Profile
from tests.lab.scenario import Scenario
from tests.lab.serving import Serving, Shelf
from tests.lab.streams import Ids, stream
from tests.lab.wire import Clock, LabLink

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """One peer as it was drawn: what the bound knows."""

    name: str
    life: Life
    personality: Personality
    rtt_s: float
    jitter_s: float
    holds: tuple[frozenset[int] | None, ...]
    """per payload; None = all"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario with a seed: everything that is random before the run."""

    scenario: Scenario
    seed: int
    payloads: tuple[LabPayload, ...]
    peers: tuple[PeerPlan, ...]
    down: Profile


def plan_of(scenario: Scenario, seed: int) -> Plan:
    """Draw everything."""
    payloads = tuple(payload(size, number) for number, size in enumerate(scenario.files))
    peers = []
    for at, group in enumerate(scenario.groups):
        for index in range(group.count):
            name = f"p{len(peers):02d}-{group.personality.name}"
            draw = stream(seed, scenario.name, "peer", at, index)
            rate = group.mb_s.draw(draw) * 1e6
            rtt_s = group.rtt_ms.draw(draw) / 1000
            life = group.personality.draw(rate, stream(seed, scenario.name, "life", at, index))
            holds = []
            for number, one in enumerate(payloads):
                hold = stream(seed, scenario.name, "holds", at, index, number)
                holds.append(
                    None
                    if group.holds >= 1
                    else frozenset(leaf for leaf in range(one.leaf_count) if hold.random() < group.holds)
                )
            peers.append(PeerPlan(name, life, group.personality, rtt_s, group.jitter_ms / 1000, tuple(holds)))
    return Plan(scenario, seed, payloads, tuple(peers), Profile.constant(scenario.down_mb_s * 1e6))


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    completed: bool
    finish_s: float
    """virtual seconds until the last downloader was done"""
    finishes: list[float]
    """per downloader"""
    payload_bytes: int
    """of all downloaders together"""
    received_bytes: int
    refetched_bytes: int
    steps: int
    wall_s: float
    shares: dict[str, int] = field(default_factory=dict)
    """payload bytes that the first downloader got of each peer"""

    @property
    def waste(self) -> float:
        """Bytes that arrived and were in vain, per byte of payload."""
        return (self.received_bytes - self.payload_bytes) / self.payload_bytes


class Node:
    """A node: its pipes, clock, links, and what it serves and fetches."""

    def __init__(self, world: World, index: int, name: str, up: Profile, down: Profile) -> None:
        self.world = world
        self.name = name
        self.up: Pipe = world.network.pipe(f"{name} up", up)
        self.down: Pipe = world.network.pipe(f"{name} down", down)
        random = stream(world.plan.seed, "clock", index)
        self.clock = Clock(world.queue, offset_s=1000 + 1000 * random.random(), drift=random.uniform(-1e-4, 1e-4))
        self.new_id = Ids(index)
        self.admission = AdmissionTokens(f"the secret of node {index:08d}".encode())
        self.links: dict[str, LabLink] = {}
        self.serving: Serving | None = None
        self.downloader: Downloader | None = None

    # ---- LinkOwner

    def link_opened(self, link: LabLink) -> None:
        """Both sides said hello."""
        self.links[link.peer] = link
        self.world.log(f"{self.name} linked {link.peer}")
        if self.downloader is not None:
            self.downloader.link_opened(link)

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """A message."""
        self.world.log_message(self, link, message)
        match message:
            case PayloadRequest() if self.serving is not None:
                self.serving.payload_requested(link, message)
            case ChunkRequest() if self.serving is not None:
                self.serving.chunk_requested(link, message)
            case ChunkCancel() if self.serving is not None:
                self.serving.cancelled(link, message)
            case _ if self.downloader is not None:
                self.downloader.received_message(link, message, attachment)
            case _:
                pass

    def link_violated(self, link: LabLink, code: str) -> None:
        """The peer broke a rule."""
        self.world.log(f"{self.name} violated by {link.peer} {code}")

    def link_ended(self, link: LabLink, code: str) -> None:
        """The link is gone."""
        self.world.log(f"{self.name} unlinked {link.peer} {code}")
        if self.links.get(link.peer) is link:
            del self.links[link.peer]
        if self.serving is not None:
            self.serving.link_ended(link)
        if self.downloader is not None:
            self.downloader.link_ended(link)

    def link_drained(self, link: LabLink) -> None:
        """There is room for more."""
        if self.serving is not None:
            self.serving.serve(link)


class World:
    """One run of a plan with a policy. `log` gets one line for each event, the same for the same seed."""

    def __init__(self, plan: Plan, policy: str, *, log: Log | None = None) -> None:
        self.plan = plan
        self.queue = EventQueue()
        self.network = Network(self.queue)
        self.policy = policy
        self._log = log
        honest = frozenset(one.name for one in plan.peers if not one.personality.lies)
        self.monitors = Monitors(honest)
        self.nodes: dict[str, Node] = {}
        self._unfinished = plan.scenario.downloaders
        self.downloaders: list[Downloader] = []
        self._build()

    def log(self, line: str) -> None:
        """One event."""
        if self._log is not None:
            self._log(f"{self.queue.now:.6f} {line}")

    def log_message(self, node: Node, link: LabLink, message: Message) -> None:
        """A message that arrived."""
        if self._log is not None:
            detail = ""
            if hasattr(message, "offset"):
                detail = f" {message.offset}+{getattr(message, 'length', 0)}"
            self.log(f"{node.name} got {message.TYPE}{detail} from {link.peer}")

    def run(self) -> Outcome:
        """Until everybody is done, or the scenario's limit."""
        began = time.perf_counter()
        for downloader in self.downloaders:
            downloader.start()
        self.queue.run(until=self.plan.scenario.limit_s, stop=lambda: not self._unfinished)
        finishes = [one.done_at if one.done_at is not None else FOREVER for one in self.downloaders]
        sessions = [run.session for one in self.downloaders for run in (*one.done.values(), *one.runs.values())]
        return Outcome(
            completed=not self._unfinished,
            finish_s=max(finishes),
            finishes=finishes,
            payload_bytes=self.plan.scenario.payload_bytes * len(self.downloaders),
            received_bytes=sum(sum(one.received.values()) for one in self.downloaders),
            refetched_bytes=sum(session.refetched_bytes for session in sessions),
            steps=self.queue.steps,
            wall_s=time.perf_counter() - began,
            shares=dict(self.downloaders[0].received),
        )

    # ---- private

    def _build(self) -> None:
        scenario, plan = self.plan.scenario, self.plan
        for number in range(scenario.downloaders):
            up = Profile.constant(scenario.up_mb_s * 1e6)
            node = self._node(f"d{number:02d}", up, plan.down)
            node.downloader = Downloader(
                name=node.name,
                queue=self.queue,
                clock=node.clock,
                payloads=list(plan.payloads),
                session=self._session,
                new_id=node.new_id,
                monitors=self.monitors,
                finished=self._finished,
            )
            self.downloaders.append(node.downloader)
        for peer in plan.peers:
            node = self._node(peer.name, peer.life.up, Profile.constant(125e6))
            manners = peer.personality.manners(peer.life, stream(plan.seed, "manners", peer.name))
            node.serving = Serving(self._shelves(peer, manners), manners, lambda: self.queue.now)
            for downloader in [one for one in self.nodes.values() if one.downloader is not None]:
                for start, end in peer.life.present:
                    self._visit(downloader, node, peer, start, end)

    def _session(self, what: LabPayload, _transfer_id: str) -> SwarmSession:
        return policy_named(self.policy).session(what.key, seed=self.plan.seed)

    def _shelves(self, peer: PeerPlan, _manners: Manners) -> dict[PayloadKey, Shelf]:
        shelves = {}
        for what, held in zip(self.plan.payloads, peer.holds, strict=True):
            ranges: Ranges = ((0, what.leaf_count),) if held is None else ranges_of(held)
            shelves[what.key] = Shelf(what, lambda ranges=ranges: ranges)
        return shelves

    def _node(self, name: str, up: Profile, down: Profile) -> Node:
        node = Node(self, len(self.nodes), name, up, down)
        self.nodes[name] = node
        return node

    def _visit(self, downloader: Node, node: Node, peer: PeerPlan, start: float, end: float) -> None:
        """The peer is there from `start` to `end`: linked at once at time zero, after dialling later."""

        def arrive() -> None:
            link = self._link(downloader, node, peer)
            if end < FOREVER:
                self.queue.at(end, lambda: link.cut("peer_left"))

        if start <= 0:
            link = self._link(downloader, node, peer, handshake_at_once=True)
            if end < FOREVER:
                self.queue.at(end, lambda: link.cut("peer_left"))
        else:
            self.queue.at(start + 2 * peer.rtt_s, arrive)  # TCP and TLS take a round trip each

    def _link(self, client: Node, server: Node, peer: PeerPlan, *, handshake_at_once: bool = False) -> LabLink:
        number = len(client.links)
        ends = []
        for one, other, role in ((client, server, Role.CLIENT), (server, client, Role.SERVER)):
            random = stream(self.plan.seed, "flow", one.name, other.name, number)
            connection = Connection(
                role,
                local=LocalHello(network="lab", agent="slskdn-lab"),
                peer_id=other.name,
                now=one.clock.now(),
                admission=one.admission,
                new_id=one.new_id,
                new_nonce=lambda random=random: random.randbytes(16),
            )
            flow = self.network.flow(
                up=one.up,
                down=other.down,
                bandwidth=Profile.constant(1e12),
                delay_s=peer.rtt_s / 2,
                jitter_s=peer.jitter_s,
                random=random,
            )
            ends.append(LabLink(self.queue, one.clock, connection, flow, one))
        LabLink.join(*ends)
        if handshake_at_once:
            busy = True
            while busy:
                busy = False
                for end in ends:
                    for piece in end.connection.data_to_send():
                        end.other.connection.receive_data(piece, end.other.clock.now())
                        busy = True
        for end in ends:
            end.work()
        return ends[0]

    def _finished(self) -> None:
        self._unfinished -= 1
