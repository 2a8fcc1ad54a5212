"""One run: builds the nodes of a plan, lets virtual time pass, tells what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from overlay_node.protocol.admission import AdmissionTokens
from overlay_node.protocol.connection import Connection, LocalHello, Role
from overlay_node.protocol.envelope import Attachment
from overlay_node.protocol.messages import Message
from overlay_node.swarm.choice import PayloadKey
from overlay_node.swarm.piece_map import ranges_of
from tests.lab.downloader import Downloader
from tests.lab.events import EventQueue
from tests.lab.loss import Line
from tests.lab.monitors import Monitors
from tests.lab.network import Network, Pipe
from tests.lab.personality import Manners, Ranges, open_outside
from tests.lab.plan import UNLIMITED_BPS, PeerPlan, Plan
from tests.lab.policies import NamedPolicy, Scheduling
from tests.lab.profile import FOREVER, Profile
from tests.lab.recording import Recording
from tests.lab.scenario import Fault
from tests.lab.serving import Serving, Shelf
from tests.lab.streams import Ids, stream
from tests.lab.wire import Clock, LabLink

Log = Callable[[str], None]
PEER_DOWN_BPS = 12.5e6
"""of a peer: only requests come this way"""
BETWEEN_DOWNLOADERS_RTT_S = 0.04
REDIAL_S = 0.5
"""after a link broke by a fault"""
RESTART_S = 1.0
"""a process that starts again"""


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    completed: bool
    finishes: list[float]
    """virtual seconds until each downloader was done; infinity for never"""
    payload_bytes: int
    """of all downloaders together"""
    received_bytes: int
    parted_bytes: int
    """of leaves that verified and were fetched again because their sender proved corrupt"""
    steps: int
    wall_s: float
    shares: dict[str, int] = field(default_factory=dict)
    """payload bytes that the first downloader got of each peer"""

    @property
    def finish_s(self) -> float:
        """Until the last one was done."""
        return max(self.finishes)

    @property
    def waste_bytes(self) -> int:
        """Bytes that arrived and were in vain."""
        return max(0, self.received_bytes - self.payload_bytes)


class Node:
    """A node: its pipes, clock, links, and what it serves and fetches. Owner of its links."""

    def __init__(self, world: World, index: int, name: str, *, up: Profile, down: Profile) -> None:
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
        self.claims: dict[PayloadKey, None] = {}
        """what it says to hold, to everybody who is linked"""
        self._world = world

    def claim(self, key: PayloadKey) -> None:
        """From now on it holds some of this payload, and says so."""
        self.claims[key] = None
        for link in list(self.links.values()):
            self._world.tell_claims(self, link)

    # ---- LinkOwner

    def link_opened(self, link: LabLink) -> None:
        """Both sides said hello."""
        self._world.log(f"{self.name} linked {link.peer}")
        self.links[link.peer] = link
        if self.serving is not None:
            self.serving.link_opened(link)
        if self.downloader is not None:
            self.downloader.link_opened(link, self._world.nodes[link.peer].claims)

    def link_received(self, link: LabLink, message: Message, attachment: Attachment) -> None:
        """A message."""
        self._world.log_message(self, link, message)
        if self.serving is not None and self.serving.received(link, message):
            return
        if self.downloader is not None:
            self.downloader.received_message(link, message, attachment)

    def link_violated(self, link: LabLink, code: str) -> None:
        """The peer broke a rule. No node of a scenario ever does."""
        raise AssertionError(f"{self.name}: {link.peer} broke a rule: {code}")

    def link_ended(self, link: LabLink, code: str) -> None:
        """The link is gone."""
        self._world.log(f"{self.name} unlinked {link.peer} {code}")
        if self.links.get(link.peer) is link:
            del self.links[link.peer]
        if self.serving is not None:
            self.serving.link_ended(link)
        if self.downloader is not None:
            self.downloader.link_ended(link)

    def link_drained(self, link: LabLink) -> None:
        """There is room for more."""
        if self.serving is not None:
            self.serving.link_drained(link)


class World:
    """One run of a plan. All its downloaders follow `policy`; `log` gets one line for each event, `recording` the trace
    of the first one."""

    def __init__(
        self,
        plan: Plan,
        policy: NamedPolicy,
        *,
        log: Log | None = None,
        recording: Recording | None = None,
        link_type: type[LabLink] = LabLink,
    ) -> None:
        self.plan = plan
        self.queue = EventQueue()
        self.network = Network(self.queue)
        self.monitors = Monitors(frozenset(one.name for one in plan.peers if one.personality.honest))
        self.nodes: dict[str, Node] = {}
        self.downloaders: list[Downloader] = []
        self._log = log
        self._unfinished = plan.scenario.downloaders
        self._policy = policy
        self._link_type = link_type
        self._recording = recording
        self._links_made = 0
        self._build()

    def run(self) -> Outcome:
        """Until everybody is done, or the scenario's limit. AssertionError when an invariant does not hold."""
        began = time.perf_counter()
        for downloader in self.downloaders:
            downloader.start()
        self.queue.run(until=self.plan.scenario.limit_s, stop=lambda: not self._unfinished)
        for downloader in self.downloaders:
            self.monitors.at_the_end(downloader, self.nodes[downloader.name].clock.now())
        return Outcome(
            completed=not self._unfinished,
            finishes=[one.done_at if one.done_at is not None else FOREVER for one in self.downloaders],
            payload_bytes=self.plan.scenario.payload_bytes * len(self.downloaders),
            received_bytes=sum(sum(one.received.values()) for one in self.downloaders),
            parted_bytes=sum(one.parted_bytes for one in self.downloaders),
            steps=self.queue.steps,
            wall_s=time.perf_counter() - began,
            shares=dict(self.downloaders[0].received),
        )

    # ---- log

    def log(self, line: str) -> None:
        """One event."""
        if self._log is not None:
            self._log(f"{self.queue.now:.6f} {line}")

    def log_message(self, node: Node, link: LabLink, message: Message) -> None:
        """A message that arrived."""
        if self._log is not None:
            detail = ""
            if hasattr(message, "offset"):
                detail = (
                    f" {message.offset}+{getattr(message, 'length', 0)} {getattr(message, 'error_code', None) or ''}"
                )
            self.log(f"{node.name} got {message.TYPE}{detail} from {link.peer}")

    def tell_claims(self, node: Node, link: LabLink) -> None:
        """What a node claims reaches a linked downloader after a while (as a descriptor would)."""
        other = self.nodes[link.peer].downloader
        if other is not None:
            keys = list(node.claims)
            self.queue.after(link.delay_s, lambda: other.claims_heard(node.name, keys))

    # ---- private: building

    def _build(self) -> None:
        scenario, plan = self.plan.scenario, self.plan
        for number in range(scenario.downloaders):
            self._build_downloader(f"d{number:02d}", number)
        downloaders = list(self.nodes.values())
        for peer in plan.peers:
            open_then = open_outside(peer.life.cut_off)
            down = Profile.constant(PEER_DOWN_BPS).times_factor(open_then)
            node = self._node(peer.name, up=peer.life.up, down=down)
            manners = peer.personality.manners(stream(plan.seed, "manners", peer.name), plan.payloads)
            shelves = {}
            for what, held in zip(plan.payloads, peer.holds, strict=True):
                if held is not None and not held:
                    continue
                ranges: Ranges = ((0, what.leaf_count),) if held is None else ranges_of(held)
                shelves[what.key] = Shelf(what, partial(_always, ranges))
            node.claims = dict.fromkeys(shelves)
            node.serving = Serving(queue=self.queue, clock=node.clock, shelves=shelves, manners=manners)
            for number, downloader in enumerate(downloaders):
                for start, end in peer.life.present:
                    self._visit(downloader, number, node, peer, start, end)
        for index, one in enumerate(downloaders):
            for other in downloaders[index + 1 :]:
                self._join_downloaders(one, other, at_once=True)
        for step, fault in plan.faults:
            self.queue.hooks[step] = partial(self.do_fault, fault)

    def _build_downloader(self, name: str, number: int) -> None:
        plan = self.plan
        up = Profile.constant(plan.scenario.up_mb_s * 1e6)
        node = self._node(name, up=up, down=plan.down)
        shelves: dict[PayloadKey, Shelf] = {}
        limit_bps = None if plan.scenario.limit_mb_s is None else plan.scenario.limit_mb_s * 1e6
        if limit_bps is not None:
            self.monitors.limit(name, limit_bps, node.clock.now())
        downloader = node.downloader = Downloader(
            name=name,
            queue=self.queue,
            clock=node.clock,
            wanted=list(zip(plan.payloads, plan.wanted, strict=True)),
            scheduling=Scheduling(self._policy, stream(plan.seed, "policy", number), node.clock.now, limit_bps),
            new_id=node.new_id,
            monitors=self.monitors,
            finished=self._finished,
            recording=self._recording if number == 0 else None,
        )
        if plan.scenario.downloaders > 1:  # it passes on what it has
            manners = Manners(stream(plan.seed, "manners", name))
            node.serving = Serving(queue=self.queue, clock=node.clock, shelves=shelves, manners=manners)

            def began_to_hold(key: PayloadKey) -> None:
                what = next(one for one in plan.payloads if one.key == key)
                shelves[key] = Shelf(what, lambda: downloader.held(key))
                node.claim(key)

            downloader.began_to_hold = began_to_hold
        self.downloaders.append(downloader)

    def _node(self, name: str, *, up: Profile, down: Profile) -> Node:
        node = Node(self, len(self.nodes), name, up=up, down=down)
        self.nodes[name] = node
        return node

    # ---- private: links

    def _visit(self, downloader: Node, number: int, node: Node, peer: PeerPlan, start: float, end: float) -> None:
        """The peer is there from `start` to `end`: linked at once at time zero, after dialling later."""
        meets = peer.meetings[number]
        opened = peer.opened_at(number, start)
        if meets is None or opened is None:
            return
        client, server = (node, downloader) if meets.peer_dials else (downloader, node)

        def arrive(*, at_once: bool = False) -> None:
            if self.queue.now < end:
                link = self._link(
                    client, server, rtt_s=peer.rtt_s, jitter_s=peer.jitter_s, at_once=at_once, line=peer.lines[number]
                )
                if end < FOREVER:
                    self.queue.at(end, lambda: link.cut("peer_left"))

        if opened <= 0:
            arrive(at_once=True)
        elif meets.linked_already:
            self.queue.at(opened, partial(arrive, at_once=True))
        else:
            self.queue.at(opened - peer.rtt_s, arrive)  # TCP and TLS are done then, hello takes the last round trip

    def _link(
        self,
        client: Node,
        server: Node,
        *,
        rtt_s: float,
        jitter_s: float,
        at_once: bool = False,
        line: Line | None = None,
    ) -> LabLink:
        """`line`: from the peer to the downloader."""
        self._links_made += 1
        ends = []
        for one, other, role in ((client, server, Role.CLIENT), (server, client, Role.SERVER)):
            random = stream(self.plan.seed, "link", one.name, other.name, self._links_made)
            connection = Connection(
                role,
                local=LocalHello(network="lab", agent="slskdn-lab"),
                peer_id=other.name,
                now=one.clock.now(),
                admission=one.admission,
                new_id=one.new_id,
                new_nonce=partial(random.randbytes, 16),
            )
            towards_downloader = line is not None and one.downloader is None
            flow = self.network.flow(
                up=one.up,
                down=other.down,
                line=line if line is not None and towards_downloader else Line(Profile.constant(UNLIMITED_BPS)),
                delay_s=rtt_s / 2,
                jitter_s=jitter_s,
                random=random,
            )
            ends.append(self._link_type(self.queue, one.clock, connection, flow, one))
        LabLink.join(*ends)
        if at_once and self._link_type is LabLink:
            LabLink.shake_hands(*ends)
        for end in ends:
            end.work()
        return ends[0]

    def _finished(self) -> None:
        self._unfinished -= 1

    # ---- faults

    def do_fault(self, fault: Fault) -> None:
        """Something goes wrong at this moment."""
        self.log(f"fault {fault}")
        node = self.nodes["d00"]
        assert node.downloader is not None
        match fault:
            case Fault.STORAGE_ERROR:
                node.downloader.storage_errors += 1
            case Fault.DISCONNECT:
                peers = [name for name in node.links if self.nodes[name].downloader is None]
                if peers:
                    self._break(node, stream(self.plan.seed, "break", self.queue.steps).choice(peers), REDIAL_S)
            case Fault.RESTART:
                node.downloader.restart(RESTART_S)
                for name in list(node.links):
                    self._break(node, name, RESTART_S)

    def _break(self, node: Node, name: str, after_s: float) -> None:
        """The link breaks and is dialled again later, if the peer is still there."""
        node.links[name].cut("fault")
        peer = next((one for one in self.plan.peers if one.name == name), None)
        if peer is None:
            self.queue.after(
                after_s + 2 * BETWEEN_DOWNLOADERS_RTT_S, lambda: self._join_downloaders(node, self.nodes[name])
            )
            return
        for start, end in peer.life.present:
            if start <= self.queue.now < end:
                self.queue.after(after_s + 2 * peer.rtt_s, partial(self._again, node, peer, end))

    def _join_downloaders(self, one: Node, other: Node, *, at_once: bool = False) -> None:
        self._link(one, other, rtt_s=BETWEEN_DOWNLOADERS_RTT_S, jitter_s=0.002, at_once=at_once)

    def _again(self, node: Node, peer: PeerPlan, end: float) -> None:
        if self.queue.now < end and peer.name not in node.links:
            link = self._link(node, self.nodes[peer.name], rtt_s=peer.rtt_s, jitter_s=peer.jitter_s, line=peer.lines[0])
            if end < FOREVER:
                self.queue.at(end, lambda: link.cut("peer_left"))


def _always(ranges: Ranges) -> Ranges:
    return ranges
