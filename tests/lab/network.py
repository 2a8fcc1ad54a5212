"""The network: who can carry how many bytes when.

A *pipe* is a capacity that flows share: a node's uplink, its downlink. A *flow* is one direction of one link; it crosses the sender's uplink
and the receiver's downlink and has a bandwidth of its own. The rates of all flows that have something to send are max-min fair, which is what
long-lived TCP flows tend to: each pipe is divided equally, and what a flow can't use the others get. Rates change only when a flow begins,
ends, or a capacity changes.

Bytes travel in segments of about 50 ms (4 to 64 KiB). A segment arrives one propagation delay after its last byte was sent, plus jitter,
never before the one ahead of it. A short message on an idle flow takes the time its bytes need and does not disturb the others. Not
modelled: slow start, and queues in routers other than through jitter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from overlay_node.protocol.limits import WRITE_BUFFER_HIGH_BYTES
from tests.lab.events import EventQueue, Timer
from tests.lab.loss import Line
from tests.lab.profile import Profile

SEGMENT_S = 0.05
MIN_SEGMENT_BYTES = 4 << 10
MAX_SEGMENT_BYTES = 64 << 10
SHORT_BYTES = 2 << 10
"""messages up to here slip through on an idle flow: a packet or two"""
DRAINED_BYTES = WRITE_BUFFER_HIGH_BYTES
"""a flow asks for more when no more than this waits, as a node's link does: what waits there no cancel takes back"""
_EPSILON = 1e-9


class Pipe:
    """A capacity (bytes a second) that flows share."""

    __slots__ = ("capacity", "flows", "name", "profile")

    def __init__(self, name: str, profile: Profile) -> None:
        self.name = name
        self.profile = profile
        self.capacity = profile.at(0.0)
        self.flows: dict[Flow, None] = {}

    @property
    def spare(self) -> float:
        """What its flows leave over."""
        return self.capacity - sum(flow.rate for flow in self.flows)


class Flow:
    """One direction of a link. Made by `Network.flow`."""

    def __init__(
        self,
        network: Network,
        *,
        up: Pipe,
        down: Pipe,
        line: Line,
        delay_s: float,
        jitter_s: float,
        random: Random,
    ) -> None:
        self.up, self.down = up, down
        self.delay_s, self.jitter_s = delay_s, jitter_s
        self.cap = line.bandwidth.at(network.queue.now)
        self.rate = 0.0
        self.pending = 0
        """bytes written and not sent"""
        self.sent = 0
        self.on_segment: Callable[[list[memoryview]], None] = lambda _views: None
        """receives what arrives"""
        self.on_drained: Callable[[], None] = lambda: None
        """the sender may write more"""
        self._network = network
        self._random = random
        self._queue: deque[memoryview] = deque()
        self._holds = list(reversed(line.holds))
        self._segment = 0
        self._left = 0.0
        self._at = 0.0
        self._timer: Timer | None = None
        self._last_arrival = 0.0
        self._cut = False
        self._active = False
        network.follow(line.bandwidth, self._set_cap)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send after everything written before."""
        view = memoryview(data)
        if self._cut or not view.nbytes:
            return
        limit = min(self.cap, self.up.capacity, self.down.capacity)
        if not self._active and view.nbytes <= SHORT_BYTES and limit > 0:
            self.sent += view.nbytes
            self._arrive([view], after_s=view.nbytes / limit)
            return
        self._queue.append(view)
        self.pending += view.nbytes
        if not self._active:
            self._active = True
            self._begin_segment()
            self._network.joined(self)

    def cut(self) -> None:
        """Nothing written and not sent will arrive, nor anything that is on its way."""
        self._cut = True
        self._queue.clear()
        self.pending = 0
        self._leave()

    # ---- called by the network

    def set_rate(self, rate: float) -> None:
        """From now on."""
        now = self._network.queue.now
        self._left -= self.rate * (now - self._at)
        self._at = now
        self.rate = rate
        self._stop()
        if rate > 0 and self._active:
            self._timer = self._network.queue.at(now + max(self._left, 0.0) / rate, self._segment_sent)

    # ---- private

    def _begin_segment(self) -> None:
        wanted = int(min(max(self.rate * SEGMENT_S, MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES))
        self._segment = min(wanted, self.pending)
        self._left = float(self._segment)
        self._at = self._network.queue.now

    def _segment_sent(self) -> None:
        self._timer = None
        views, size = [], self._segment
        while size:
            view = self._queue.popleft()
            if view.nbytes > size:
                self._queue.appendleft(view[size:])
                view = view[:size]
            views.append(view)
            size -= view.nbytes
        self.pending -= self._segment
        self.sent += self._segment
        self._arrive(views)
        if self.pending <= DRAINED_BYTES:
            self.on_drained()  # what it writes follows without a pause
        if self._cut:
            return
        if self.pending:
            self._begin_segment()
            if self.rate > 0:
                self._timer = self._network.queue.at(self._at + self._left / self.rate, self._segment_sent)
        else:
            self._leave()

    def _arrive(self, views: list[memoryview], *, after_s: float = 0.0) -> None:
        jitter = self._random.random() * self.jitter_s if self.jitter_s else 0.0
        sent = self._network.queue.now + after_s
        when = max(self._mended(sent) + self.delay_s + jitter, self._last_arrival)
        self._last_arrival = when
        self._network.queue.at(when, lambda: None if self._cut else self.on_segment(views))

    def _mended(self, sent: float) -> float:
        """When what is sent then is through: a loss holds it up."""
        holds = self._holds
        while holds and holds[-1][1] <= sent:
            holds.pop()
        return holds[-1][1] if holds and holds[-1][0] <= sent else sent

    def _set_cap(self, value: float) -> None:
        self.cap = value
        if self._active:
            self._network.changed(self.up)

    def _leave(self) -> None:
        if self._active:
            self._active = False
            self._stop()
            self._network.left(self)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Network:
    """All pipes and flows of a run."""

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue
        self.reallocations = 0
        self._dirty: dict[Pipe, None] = {}

    def pipe(self, name: str, profile: Profile) -> Pipe:
        """A new capacity."""
        pipe = Pipe(name, profile)

        def change(value: float) -> None:
            pipe.capacity = value
            self.changed(pipe)

        self.follow(profile, change)
        return pipe

    def flow(self, *, up: Pipe, down: Pipe, line: Line, delay_s: float, jitter_s: float, random: Random) -> Flow:
        """A new direction of a link."""
        return Flow(self, up=up, down=down, line=line, delay_s=delay_s, jitter_s=jitter_s, random=random)

    def follow(self, profile: Profile, change: Callable[[float], None]) -> None:
        """Call `change` at each step of a profile that is still to come."""
        steps = [step for step in zip(profile.times, profile.values, strict=True) if step[0] > self.queue.now]
        steps.reverse()

        def step() -> None:
            change(steps.pop()[1])
            if steps:
                self.queue.at(steps[-1][0], step)

        if steps:
            self.queue.at(steps[-1][0], step)

    # ---- called by flows

    def joined(self, flow: Flow) -> None:
        """A flow has something to send."""
        alone = flow.up.capacity if not flow.up.flows else None
        spare_up = flow.up.spare
        spare_down = flow.down.spare
        flow.up.flows[flow] = None
        flow.down.flows[flow] = None
        wanted = min(flow.cap, alone) if alone is not None else flow.cap
        if not self._dirty and wanted <= spare_up + _EPSILON and wanted <= spare_down + _EPSILON:
            flow.set_rate(wanted)  # nobody else is disturbed
        else:
            self.changed(flow.up)

    def left(self, flow: Flow) -> None:
        """A flow has nothing more to send."""
        full = any(len(pipe.flows) > 1 and pipe.spare <= pipe.capacity * 1e-6 for pipe in (flow.up, flow.down))
        flow.up.flows.pop(flow, None)
        flow.down.flows.pop(flow, None)
        flow.rate = 0.0
        if full:
            self.changed(flow.up)
            self.changed(flow.down)

    def changed(self, pipe: Pipe) -> None:
        """Rates of the flows around a pipe have to be found again: once, at the end of this instant."""
        if not self._dirty:
            self.queue.at(self.queue.now, self._settle)
        self._dirty[pipe] = None

    # ---- private

    def _settle(self) -> None:
        flows = self._around(list(self._dirty))
        self._dirty.clear()
        if not flows:
            return
        self.reallocations += 1
        for flow, rate in fair_rates(flows).items():
            if rate != flow.rate:
                flow.set_rate(rate)

    @staticmethod
    def _around(pipes: list[Pipe]) -> dict[Flow, None]:
        """The flows that share a pipe with these, directly or through others."""
        seen: dict[Pipe, None] = dict.fromkeys(pipes)
        flows: dict[Flow, None] = {}
        while pipes:
            for flow in pipes.pop().flows:
                if flow not in flows:
                    flows[flow] = None
                    for other in (flow.up, flow.down):
                        if other not in seen:
                            seen[other] = None
                            pipes.append(other)
        return flows


def fair_rates(flows: dict[Flow, None]) -> dict[Flow, float]:
    """Max-min fair rates by progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2)."""
    rates: dict[Flow, float] = {}
    caps: dict[Flow, float] = {}
    left: dict[Pipe, float] = {}
    members: dict[Pipe, dict[Flow, None]] = {}
    for flow in flows:
        cap = flow.cap
        for pipe in (flow.up, flow.down):
            if len(pipe.flows) == 1:
                cap = min(cap, pipe.capacity)
            else:
                left[pipe] = pipe.capacity
                members.setdefault(pipe, {})[flow] = None
        caps[flow] = cap

    def freeze(flow: Flow, rate: float) -> None:
        rates[flow] = rate
        for pipe in (flow.up, flow.down):
            if pipe in members and flow in members[pipe]:
                del members[pipe][flow]
                left[pipe] = max(0.0, left[pipe] - rate)
                if not members[pipe]:
                    del members[pipe]

    for flow in [flow for flow in flows if not (flow.up in members or flow.down in members)]:
        rates[flow] = caps[flow]
    while members:
        tightest = min(members, key=lambda pipe: left[pipe] / len(members[pipe]))
        level = left[tightest] / len(members[tightest])
        below = [flow for flow in caps if flow not in rates and caps[flow] <= level]
        if below:
            for flow in below:
                freeze(flow, caps[flow])
        else:
            for flow in list(members[tightest]):
                freeze(flow, level)
    return rates
