"""How fast a peer delivers, when it will have delivered, and when everybody together will be done. Pure; `now` is passed in.

Model of a peer: it answers requests in the order they were asked, `delay_s` after a request that found it idle, at `rate_bps` while it has
something to send. So the k-th answer is there at max(asked + delay, the answer before) + length / rate. What is learnt from an answer depends on
what came before it: right behind another one it tells the rate; on an idle peer it tells delay + length / rate, hence the delay once the rate is
known. Bytes of an answer that is not whole yet (`progressed`) tell the rate too, so a slow peer is known long before its first chunk.

Equal leaves and lanes that each do one leaf after the other: giving every leaf to the lane that completes it first minimises the time of the last
one (the greedy exchange argument for uniform machines with release times; Horowitz and Sahni 1976 for unequal jobs, where it is no longer exact).
`finish_time` is the end of that schedule without building it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SAMPLE_S: Final = 0.05
"""Shortest time a sample of the rate covers: what a socket hands over together says nothing about the peer chunk by chunk."""
FIRST_WEIGHT: Final = 0.5
"""Of the time of a first answer, whose rate rests on an assumed delay."""
QUICK_SHARE: Final = 0.25
"""of the memory: time constant of the second average, which tells when a peer fell"""
FELL: Final = 0.75
"""A quick average below this share of the slow one is believed: jitter and segments move it by a tenth."""
SETTLED_S: Final = 0.5
"""A rate that rests on so many seconds is not expected to jump any more."""
DELAY_WEIGHT: Final = 0.25
"""Of the newest observation in the average of the delay."""
UNKNOWN_DELAY_S: Final = 0.1
UNKNOWN_RATE_BPS: Final = 1024.0 * 1024.0
SLOWEST_BPS: Final = 1024.0
"""Bytes a second below which all are alike: keeps times finite."""
LATE_SHARE: Final = 0.5
"""An answer is late when it takes so much longer than expected, and"""
LATE_FLOOR_S: Final = 0.05
"""at least so much: a scheduler's hiccup is no stall."""


@dataclass(slots=True, eq=False)
class Asked:
    """A range that was asked for. Mutable and compared by identity: it is made for every request."""

    asked_at: float
    """monotonic seconds"""
    length: int
    """bytes"""


class Pace:
    """Rate, delay and queue of one peer. One object per peer, shared by all transfers that ask it. Mutable: the hot path updates it."""

    __slots__ = (
        "_arrived_bytes",
        "_fresh",
        "_last_total",
        "_observed_s",
        "_partial",
        "_quick",
        "_sample_bytes",
        "_sample_s",
        "_shortest_s",
        "_slow",
        "busy_from",
        "busy_s",
        "delay_s",
        "known",
        "left_bytes",
        "memory_s",
        "new_bytes",
        "queue",
        "rate_bps",
        "rtt_s",
    )

    def __init__(self, *, rate_bps: float | None = None, delay_s: float | None = None, memory_s: float = 1.5) -> None:
        """`rate_bps`, `delay_s`: what is believed before anything was asked; `memory_s`: time constant of the average."""
        self.rate_bps = max(rate_bps or UNKNOWN_RATE_BPS, SLOWEST_BPS)
        """bytes a second, never below SLOWEST_BPS"""
        self.delay_s = UNKNOWN_DELAY_S if delay_s is None else delay_s
        """seconds from asking an idle peer to its first byte"""
        self.memory_s = memory_s
        self.known = False
        """True once it delivered: before, rate and delay are only assumed"""
        self.queue: dict[Asked, None] = {}
        """what it was asked for and did not answer yet, oldest first"""
        self.left_bytes = 0.0
        """of the queue, what did not arrive yet"""
        self.busy_from = 0.0
        """when the rest of the queue began, or will begin, to arrive"""
        self.busy_s = 0.0
        """seconds that the last answer kept it busy: what the metrics are told"""
        self.new_bytes = 0
        """bytes of the last answer that `progressed` had not reported"""
        self.rtt_s: float | None = None
        """the delay the last answer showed; None when it had queued"""
        self._fresh = True
        self._slow = self._quick = self.rate_bps
        self._observed_s = 0.0
        self._sample_s = 0.0
        self._sample_bytes = 0.0
        self._partial = 0.0
        self._arrived_bytes = 0.0
        self._last_total = -1
        self._shortest_s = math.inf

    # ---- what happens

    def assume(self, rate_bps: float) -> None:
        """Believe in a rate until the peer delivered."""
        if not self.known:
            self.rate_bps = self._slow = self._quick = max(rate_bps, SLOWEST_BPS)

    def asked(self, request: Asked) -> None:
        """A request was sent."""
        if not self.queue:
            self.busy_from = request.asked_at + self.delay_s
            self.left_bytes = 0.0
            self._fresh = True
            self._partial = 0.0
        self.queue[request] = None
        self.left_bytes += request.length

    def arrived(self, request: Asked, now: float) -> None:
        """A request was answered with all its bytes."""
        rest = max(request.length - self._partial, 0.0)
        self.new_bytes = int(rest)
        self._partial = 0.0
        self._arrived_bytes += request.length
        self.rtt_s = None
        self._observe(request, rest, now)
        self._pop(request, rest, now)

    def progressed(self, total: int, now: float) -> float:
        """`total`: all bytes that ever came from this peer. Returns how many of the answer that is on its way are new."""
        last, self._last_total = self._last_total, total
        arrived, self._arrived_bytes = self._arrived_bytes, 0.0
        head = next(iter(self.queue), None)
        if last < 0 or head is None:
            return 0.0
        partial = min(max(self._partial + total - last - arrived, self._partial), float(head.length))
        new = partial - self._partial
        if new <= 0:
            return 0.0
        self._partial = partial
        self.rtt_s = None
        self._observe(head, new, now)
        self.left_bytes = max(self.left_bytes - new, 0.0)
        self.busy_from = now
        return new

    def forgotten(self, request: Asked, now: float) -> None:
        """A request was cancelled or refused: nothing of it is expected any more."""
        if request in self.queue:
            is_head = next(iter(self.queue)) is request
            if is_head and self.late_s(now) > 0:
                # Silence is an observation too: forgotten with the request, a frozen peer would look as quick as ever and be asked again.
                self._sample(0.0, now - self.busy_from)
            rest = request.length - (self._partial if is_head else 0.0)
            if is_head:
                self._partial = 0.0
                self._pop(request, max(rest, 0.0), max(now, self.busy_from) if self._fresh else now)
            else:
                del self.queue[request]
                self.left_bytes = max(self.left_bytes - rest, 0.0)

    # ---- what is expected

    @property
    def line_delay_s(self) -> float:
        """The delay without what queues, as far as it is known: not more than an idle peer ever took for a whole answer. For windows: sized by a delay
        that includes queueing they would feed themselves."""
        return min(self.delay_s, self._shortest_s)

    @property
    def settled(self) -> bool:
        """True once the rate rests on enough."""
        return self._observed_s >= SETTLED_S

    @property
    def head(self) -> Asked | None:
        """The request that is being answered."""
        return next(iter(self.queue), None)

    def ready_at(self, now: float) -> float:
        """When everything asked will have arrived; for an idle peer: when the first byte of a further request would."""
        if not self.queue:
            return now + self.delay_s
        takes = self.left_bytes / self.rate_bps
        expected = self.busy_from + takes
        if now < expected and now <= self.busy_from + LATE_FLOOR_S:
            return expected
        late = self.late_s(now)
        return now + late + takes if late else max(expected, now)

    def late_s(self, now: float) -> float:
        """By how many seconds the answer that should be arriving is late; 0.0 while it is not."""
        head = next(iter(self.queue), None)
        if head is None:
            return 0.0
        takes = (head.length - self._partial) / self.rate_bps
        late = now - self.busy_from - takes
        return late if late > LATE_SHARE * takes + LATE_FLOOR_S + 0.5 * self.delay_s else 0.0

    # ---- private

    def _pop(self, request: Asked, rest: float, now: float) -> None:
        self.queue.pop(request, None)
        if not self.queue:
            self.left_bytes = 0.0
            return
        self.left_bytes = max(self.left_bytes - rest, 0.0)
        begins = next(iter(self.queue)).asked_at + self.delay_s
        self._fresh = begins > now  # it will have been idle for a moment
        self.busy_from = begins if self._fresh else now

    def _observe(self, request: Asked, count: float, now: float) -> None:
        if not self._fresh:
            self.busy_s = max(now - self.busy_from, 0.0)
            self._sample(count, self.busy_s)
            return
        self._fresh = False
        elapsed = max(now - request.asked_at, 1e-6)
        if elapsed < self._shortest_s:
            self._shortest_s = elapsed
        else:  # it ran idle: a window that rests on too short a delay shows itself so, and grows
            self._shortest_s += DELAY_WEIGHT * (elapsed - self._shortest_s)
        if self._observed_s > 0:
            delay = elapsed - count / self.rate_bps
            if delay >= 0:
                self.delay_s += DELAY_WEIGHT * (delay - self.delay_s)
                self.rtt_s, self.busy_s = delay, elapsed - delay
            else:
                self.delay_s *= 1 - DELAY_WEIGHT
                self.busy_s = max(elapsed - self.delay_s, elapsed / 2)
                self._sample(count, self.busy_s)
            return
        # Its first answer: delay and rate in one number. The delay seen so far (of the manifest) tells them apart, roughly: half the weight.
        self.busy_s = max(elapsed - self.delay_s, elapsed / 4)
        rate = max(count / self.busy_s, SLOWEST_BPS)
        if not self.known:
            self.rate_bps = self._slow = self._quick = rate
            self._observed_s = FIRST_WEIGHT * self.busy_s
        else:
            self._sample(count, self.busy_s)
        self.known = True

    def _sample(self, count: float, seconds: float) -> None:
        self._sample_bytes += count
        self._sample_s += seconds
        if self._sample_s < SAMPLE_S:
            return
        seconds, rate = self._sample_s, self._sample_bytes / self._sample_s
        plain = seconds / (self._observed_s + seconds)
        self._slow += max(1 - math.exp(-seconds / self.memory_s), plain) * (rate - self._slow)
        self._quick += max(1 - math.exp(-seconds / (QUICK_SHARE * self.memory_s)), plain) * (rate - self._quick)
        # The end game looks a fraction of a second ahead: a peer that slowed down is slow at once. One that sped up has to show it for longer.
        believed = self._quick if self._quick < FELL * self._slow else self._slow
        self.rate_bps = max(believed, SLOWEST_BPS)
        self.known = True
        self._observed_s = min(self._observed_s + seconds, 8 * self.memory_s)
        self._sample_bytes = self._sample_s = 0.0


def finish_time(starts: Sequence[float], each: Sequence[float], leaves: int) -> float:
    """When `leaves` equal leaves are done, each given to the lane that completes it first.

    starts: when each lane's next leaf could begin; each: its seconds per leaf, > 0. (Two lists of floats, because a list of pairs keeps the garbage
    collector busy for longer than the arithmetic takes.) 0 leaves are done at minus infinity, without lanes never (infinity).
    Exact, O(P + P log P) for P lanes: the fluid end is a lower bound, from which at most P completions are missing.
    """
    if leaves <= 0:
        return -math.inf
    if not starts:
        return math.inf
    level = fluid_finish(starts, each, leaves)
    done = 0
    upcoming: list[tuple[float, float]] = []
    for start, takes in zip(starts, each, strict=True):
        count = int((level - start) / takes + 1e-9) if level > start else 0
        done += count
        upcoming.append((start + (count + 1) * takes, takes))
    missing = leaves - done
    if missing <= 0:  # the level fell on the last completion itself
        return level
    heapq.heapify(upcoming)
    for _ in range(missing - 1):
        end, takes = upcoming[0]
        heapq.heapreplace(upcoming, (end + takes, takes))
    return upcoming[0][0]


def fluid_finish(starts: Sequence[float], each: Sequence[float], leaves: float) -> float:
    """When the lanes' rates could have carried `leaves` leaves, were leaves divisible: a lower bound of `finish_time`."""
    level = math.inf
    while True:
        rate = work = 0.0
        helping = 0
        for start, takes in zip(starts, each, strict=True):
            if start < level:
                helping += 1
                share = 1 / takes
                rate += share
                work += start * share
        if not helping:
            return math.inf
        # Who could not even begin by then counted as if he took work away: without him it is sooner. Ends after a few rounds, as it only falls.
        found = (leaves + work) / rate
        if found >= level or all(start < found for start in starts if start < level):
            return found
        level = found
