"""The product's policy: everybody gets what he would deliver by the time everything is done, and no more.

Theory. `Pace` tells when a peer would have delivered one leaf more. While that is far before the common end, nothing has to be reckoned: peers pull
leaves, rarest first, each as far ahead as bandwidth x delay asks for. Near the end the common end T is computed (`estimate.finish_time`: the
optimal whole-leaf schedule at the estimated rates) and a peer gets a leaf only if it would be there by T; what slow peers were promised before, and
have not begun, is moved to those who have nothing left to do, and the very last leaves are raced for (`endgame`). T is reckoned again when a
twentieth of the time left has passed or something unforeseen happened, never per chunk.

A peer that is not known starts with one leaf, of which a short first piece shows delay and rate early; when it claims the whole payload, that leaf
is a random one (a possession audit), and its window stays small until it verified. A degrading peer loses its share because its estimate falls;
a peer that was held back is probed after a while. An urgent leaf goes to the cheapest of those that have room (`cost.rank_peers_for_chunk`), if that
one costs at most the median.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from apps.domain.peers.metrics import PeerMetrics
from apps.domain.swarm.cost import (
    MIB,
    SLOWEST_BPS,
    UNKNOWN_RTT_S,
    UNKNOWN_THROUGHPUT_BPS,
    Candidate,
    CostWeights,
    cost_variance,
    peer_cost,
    rank_peers_for_chunk,
)
from apps.domain.swarm.estimate import finish_time, fluid_finish
from apps.domain.swarm.modes import MODES, ModeParameters
from apps.domain.swarm.ranges import BASE_PRIORITY, UrgentRange
from apps.domain.swarm.settings import SchedulerSettings
from overlay_node.protocol.limits import KIB, MAX_CHUNK_BYTES
from overlay_node.swarm.board import Board
from overlay_node.swarm.endgame import TAIL_PART_BYTES, take_over
from overlay_node.swarm.flight import Request
from overlay_node.swarm.policy import Order, Policy, Reason
from overlay_node.swarm.source import Source

PROBE_BYTES: Final = 64 * KIB
"""First piece of the first leaf: its answer shows the delay, the rest of the leaf the rate."""
PLENTY: Final = 0.5
"""A leaf that would be there within this share of the least time everything takes needs no further thought."""
FRESH_SHARE: Final = 0.05
"""The common end is reckoned again when this share of the time to it has passed,"""
FRESH_FLOOR_S: Final = 0.02
"""but not more often than this."""
LATE_LEAF: Final = 0.1
"""of a leaf: a queue that ends so little after the common end is left alone"""
LATE_ROUNDS: Final = 2
"""how often what is late is reckoned into the end that says what is late"""
EXACT_PEERS: Final = 128
"""with more, the common end is reckoned as if leaves could be divided: exact to a fraction of a leaf among so many, at a third of the time"""
AUDIT_RATE_BPS: Final = 8.0 * 1024 * 1024
"""Assumed of a peer that has delivered nothing yet, for its first round trip: a far one would idle for most of it otherwise"""
AUDIT_DRAWS: Final = 8
"""random leaves tried for one that is free; then the next free one serves"""
PAIR_LEAF_S: Final = 0.06
"""A peer that delivers a leaf in less time is asked for two in one request: half the messages, and a shorter window in requests."""
PAIR_WINDOW: Final = 4
"""leaves; likewise for a peer whose window is longer: requests in flight are few"""
FAR_S: Final = 0.1
"""Delay from which a peer that has not verified anything yet may be asked so too: a round trip costs more than what it may spoil."""
MAX_CUSHION_BYTES: Final = 1024 * KIB
"""Most that is asked ahead beyond bandwidth x delay: with lines of Gbit/s a cushion in seconds is tens of MiB that wait in memory and win nothing"""
PARTED_LEAF_S: Final = 0.25
"""Near the end, a leaf that takes longer is asked for in pieces, so that losing the race for it costs less."""
WAKE_AT_TICK: Final = 4
"""parked sources that are asked again at a tick in the end game, the quickest first"""


class CostPolicy(Policy):
    """One per session. `draw(n)`: a random number below n (None: audits take the next free leaf, for reproducible tests)."""

    name = "cost"

    def __init__(self, settings: SchedulerSettings | None = None, *, draw: Callable[[int], int] | None = None) -> None:
        self.settings: Final = settings if settings is not None else SchedulerSettings()
        self.mode: Final[ModeParameters] = MODES[self.settings.mode]
        self.rebalances = 0
        self.cost_variance = 0.0
        self._draw: Final = draw
        self._board: Board
        self._leaf_bytes = 1
        self._rate = 1.0
        """bytes a second of all sources that may be asked"""
        self._finish = 0.0
        self._late: list[Source] = []
        """whose queue ends after that, the last first, as of when it was reckoned"""
        self._fresh_until = float("-inf")
        self._reckoned_at = float("-inf")
        self._rebalance_at = float("-inf")
        self._chunks = 0
        self._median_cost = 0.0
        self._urgent: dict[int, None] = {}

    # ---- hooks

    def begin(self, board: Board, now: float) -> None:
        self._board = board
        self._leaf_bytes = board.map.leaf_bytes
        board.draw = self._draw

    def shuns(self, reputation: float) -> bool:
        return reputation < self.settings.min_reputation

    def bars(self, reputation: float) -> bool:
        return reputation < self.settings.min_reputation and not self.settings.quarantined_as_last_resort

    def urgent(self, ranges: tuple[UrgentRange, ...]) -> None:
        ordered = sorted(ranges, key=lambda one: -BASE_PRIORITY[one.urgency])
        self._urgent = {leaf: None for one in ordered for leaf in range(one.first, one.end)}

    def joined(self, source: Source, now: float) -> None:
        pace = source.pace
        pace.memory_s = self.mode.memory_s
        if not pace.known and source.metrics.cold:
            known = sorted(one.pace.rate_bps for one in self._board.sources.values() if one.pace.known)
            if known:
                pace.assume(known[len(known) // 2])
        if not source.window_bytes:
            source.window_bytes = self._window(source) if source.trusted else self._audit_window(source)
            self._rate += pace.rate_bps
        self._unforeseen()

    def left(self, source: Source, now: float) -> None:
        self._rate = max(self._rate - source.pace.rate_bps, 1.0)
        self._unforeseen()

    def freed(self, leaf: int, now: float) -> None:
        self._unforeseen()

    def arrived(self, source: Source, request: Request, now: float) -> None:
        if source.trusted:
            source.window_bytes = self._window(source)
        if not source.pace.settled:  # what it turns out to be was not foreseen
            self._fresh_until = min(self._fresh_until, self._reckoned_at + FRESH_FLOOR_S)
        self._chunks += 1

    def turns(self, ready: list[Source], now: float) -> list[Source]:
        # Early finishers choose first, so that with few leaves the quick ones get them.
        return sorted(ready, key=lambda one: (one.pace.ready_at(now) + self._leaf_bytes / one.pace.rate_bps, one.peer))

    def tick(self, now: float) -> Iterable[Source]:
        board = self._board
        if now >= self._rebalance_at or self._chunks >= self.settings.rebalance_chunks:
            self._rebalance(now)
            if len(board.sources) > EXACT_PEERS:
                return ()  # enough for one tick
        if not board.parked:
            return ()
        finish = self._common_end(now)
        able = []
        for source in board.parked:
            if not source.active or source.retry_at > now or source.flight_bytes >= source.window_bytes:
                continue
            done = source.pace.ready_at(now) + self._leaf_bytes / source.pace.rate_bps
            if done <= finish or not source.flight:
                able.append((done, source.peer, source))
        able.sort(key=lambda entry: entry[:2])
        return [source for _, _, source in able[:WAKE_AT_TICK]]

    # ---- the choice

    def choose(self, source: Source, now: float) -> Order | None:
        if source.flight_bytes >= source.window_bytes:
            return None
        board, pace, leaf_bytes = self._board, source.pace, self._leaf_bytes
        if not source.flight and not source.trusted and not source.asked_last_at:
            order = self._first(source, now)
            if order is not None:
                return order
        reason = Reason.ASSIGNED
        leaf = None
        if self._urgent:
            leaf = self._next_urgent(source, now)
            if leaf is not None:
                reason = Reason.HIGH_PRIORITY
        if leaf is None:
            leaf = self._behind_audit(source)
        if leaf is None:
            leaf = board.next_free(source, now)
            if leaf is None:
                return self._take_over(source, now)
        each = leaf_bytes / pace.rate_bps
        done = pace.ready_at(now) + each
        if done - now <= PLENTY * board.free_count * leaf_bytes / self._rate:
            if (
                (each < PAIR_LEAF_S or source.window_bytes > PAIR_WINDOW * leaf_bytes)
                and reason is Reason.ASSIGNED
                and (source.trusted or pace.delay_s > FAR_S)
                and 2 * leaf_bytes <= MAX_CHUNK_BYTES
                and board.is_free(leaf + 1)
                and source.has(leaf + 1)
                and not source.tainted
                and leaf + 1 not in self._urgent
            ):
                return Order(leaf, 2)
            if board.holders[leaf] and not board.completes:
                reason = Reason.RAREST
            return Order(leaf, reason=reason)
        if self._in_time(source, leaf, done, now):
            # near the end: in pieces, where a piece saves enough to be worth its messages
            return Order(leaf, part_bytes=TAIL_PART_BYTES if each > PARTED_LEAF_S else 0, reason=reason)
        if not source.flight and now - max(source.asked_last_at, source.last_byte_at) >= self.mode.probe_after_s:
            return Order(leaf, part_bytes=TAIL_PART_BYTES, reason=Reason.PROBE)
        return self._take_over(source, now)

    def why_idle(self, source: Source, now: float) -> Reason:
        if source.retry_at > now:
            return Reason.PAUSED
        if source.tainted:
            return Reason.QUARANTINED
        if not source.trusted and source.flight:
            return Reason.COLD
        if source.flight_bytes >= source.window_bytes or not source.room:
            return Reason.WINDOW_FULL
        return Reason.NOTHING_FREE if self._board.next_free(source, now) is None else Reason.HELD_BACK_TOO_SLOW

    def finish_at(self, now: float) -> float | None:
        return self._common_end(now)

    # ---- private

    def _first(self, source: Source, now: float) -> Order | None:
        """The first request to a peer: small, and of a random leaf when it claims everything."""
        leaf, reason = None, Reason.PROBE
        board = self._board
        if source.complete and self._draw is not None and not source.tainted and not board.backwards:
            for _ in range(AUDIT_DRAWS):
                drawn = self._draw(board.map.leaf_count)
                if board.is_free(drawn) and drawn not in self._urgent:
                    leaf, reason = drawn, Reason.AUDIT
                    break
        if leaf is None:
            leaf = board.next_free(source, now)
        if leaf is None:
            return None
        first = PROBE_BYTES if board.map.length(leaf) > 2 * PROBE_BYTES else 0
        return Order(leaf, first_bytes=first, reason=reason)

    def _behind_audit(self, source: Source) -> int | None:
        """The leaf behind the one last asked of a peer that has verified nothing yet: its first window lies where its audit fell.

        Drawn places differ from downloader to downloader, the beginning of the payload would not: those who fetch it together would have nothing to
        give each other until these windows are done, seconds with slow peers.
        """
        if source.trusted or not source.complete or self._draw is None or source.tainted or not source.flight:
            return None
        if self._board.backwards:
            return None
        last = next(reversed(source.flight.values()))
        leaf = last.leaf + last.leaves
        return leaf if self._board.is_free(leaf) and leaf not in self._urgent else None

    def _next_urgent(self, source: Source, now: float) -> int | None:
        """The most urgent free leaf, if this source is cheap enough for it."""
        board = self._board
        gone = [leaf for leaf in self._urgent if board.map.holds(leaf)]
        for leaf in gone:
            del self._urgent[leaf]
        if source.cost > self._median_cost or not source.trusted:
            return None
        for leaf in self._urgent:
            if board.is_free(leaf) and board.may_ask(source, leaf, now):
                return leaf if self._is_first_for(source, leaf, now) else None
        return None

    def _is_first_for(self, source: Source, leaf: int, now: float) -> bool:
        """True when no cheaper peer that has room could take an urgent leaf. O(peers), and asked once or twice per urgent leaf."""
        weights, board = self.settings.weights, self._board
        ranked = rank_peers_for_chunk(
            (
                Candidate(
                    peer=one.peer, cost=peer_cost(one.metrics, one.reputation, weights), reputation=one.reputation
                )
                for one in board.sources.values()
                if one.trusted
                and one.room
                and one.flight_bytes < one.window_bytes
                and one.retry_at <= now
                and board.may_ask(one, leaf, now)
            ),
            high_priority=True,
            min_reputation=self.settings.min_reputation,
            quarantined_as_last_resort=self.settings.quarantined_as_last_resort,
        )
        return bool(ranked) and ranked[0].peer == source.peer

    def _in_time(self, source: Source, leaf: int, done: float, now: float) -> bool:
        """True when this source would bring the leaf by the common end, or nobody else can."""
        board = self._board
        if board.rarity(leaf) <= 1 or not board.flying:
            return True
        finish = self._common_end(now)
        return done <= finish + self._slack(finish, now)

    def _take_over(self, source: Source, now: float) -> Order | None:
        if not source.pace.known or source.tainted:
            return None
        finish = self._common_end(now)
        latest = finish + self._slack(finish, now)
        return take_over(
            self._board, source, now, mode=self.mode, latest=latest, late=self._late, may_move=self.settings.rebalance
        )

    def _slack(self, finish: float, now: float) -> float:
        return self.mode.slack * max(finish - now, 0.0) + self.mode.gain_floor_s

    def _window(self, source: Source) -> int:
        """Bytes in flight that keep the peer busy: bandwidth x delay and a cushion, two leaves at least, a full set of requests at most."""
        rate, delay_s = source.pace.rate_bps, source.pace.line_delay_s
        wanted = rate * delay_s + min(rate * self.mode.cushion_s, MAX_CUSHION_BYTES) + self._leaf_bytes
        return int(min(max(wanted, 2 * self._leaf_bytes), source.cap * max(MAX_CHUNK_BYTES, self._leaf_bytes)))

    def _audit_window(self, source: Source) -> int:
        """Bytes in flight before the first leaf verified: two leaves, and what a good line carries until we know, of half its share of what is free."""
        fair = self._board.free_count * self._leaf_bytes / (2 * max(len(self._board.sources), 1))
        least = self.mode.audit_leaves * self._leaf_bytes
        return int(max(least, min(least + AUDIT_RATE_BPS * source.pace.delay_s, fair)))

    def _unforeseen(self) -> None:
        self._fresh_until = float("-inf")

    def _common_end(self, now: float) -> float:
        """When everything is here, by the optimal whole-leaf schedule at the estimated rates. O(sources) when it has to be reckoned anew."""
        if now < self._fresh_until:
            return self._finish
        leaf_bytes = self._leaf_bytes
        sources: list[Source] = []
        begins: list[float] = []  # when it could begin with a leaf, were its queue dealt out anew
        readies: list[float] = []  # when its queue ends
        each: list[float] = []  # seconds a leaf
        queued = 0.0
        for source in self._board.sources.values():
            if source.active and source.retry_at <= now and not (source.shunned or source.bad_leaves):
                pace = source.pace
                sources.append(source)
                each.append(leaf_bytes / pace.rate_bps)
                readies.append(pace.ready_at(now))
                begins.append(now if source.flight_bytes else readies[-1])
                queued += source.flight_bytes
        free = self._board.free_count
        # As if all that is asked for could be dealt out anew, byte by byte: not later than the true end.
        finish = max(fluid_finish(begins, each, free + queued / leaf_bytes), now) if sources else now
        late: list[tuple[float, str, Source]] = []
        for _ in range(LATE_ROUNDS):
            # What would come later than that will be taken from its owners: it has to be carried too, and they have room again.
            count, starts, late = 0, [], []
            for source, begin, ready, takes in zip(sources, begins, readies, each, strict=True):
                if ready > finish + LATE_LEAF * takes and source.flight_bytes:
                    over = min(math.ceil(source.flight_bytes / leaf_bytes), int((ready - finish) / takes) + 1)
                    count += over
                    starts.append(max(ready - over * takes, begin))
                    late.append((-ready, source.peer, source))
                else:
                    starts.append(ready)
            if len(starts) > EXACT_PEERS:  # half a leaf is what whole leaves cost a peer on average
                starts = [at + takes / 2 for at, takes in zip(starts, each, strict=True)]
                finish = max(finish, fluid_finish(starts, each, free + count))
                break
            if free + count:
                finish = max(finish, finish_time(starts, each, free + count))
            if not count:
                break
        late.sort()
        self._late = [source for _, _, source in late]
        self._finish = finish
        self._reckoned_at = now
        self._fresh_until = now + max(FRESH_SHARE * (finish - now), FRESH_FLOOR_S)
        return finish

    def _rebalance(self, now: float) -> None:
        """Look at everybody anew: costs, the common rate, what is assumed of those who delivered nothing yet. O(sources log sources).

        Where rebalancing is switched off, this only keeps the numbers true: nothing is moved by them (`_take_over`).
        """
        if self.settings.rebalance:
            self.rebalances += 1
        self._chunks = 0
        self._rebalance_at = now + self.settings.rebalance_interval_s
        active = [one for one in self._board.sources.values() if one.active]
        known = sorted(one.pace.rate_bps for one in active if one.pace.known)
        if known:
            middle = known[len(known) // 2]
            for one in active:
                if one.metrics.cold:
                    one.pace.assume(middle)
        self._rate = max(sum(one.pace.rate_bps for one in active if one.retry_at <= now), 1.0)
        if active:
            weights = self.settings.weights
            for one in active:
                one.cost = quick_cost(one.metrics, one.reputation, weights)
            costs = sorted(one.cost for one in active if not one.metrics.cold) or sorted(one.cost for one in active)
            self._median_cost = costs[len(costs) // 2]
            for one in active:
                if one.metrics.cold:
                    one.cost = self._median_cost
            self.cost_variance = cost_variance(one.cost for one in active)
        self._unforeseen()


def quick_cost(metrics: PeerMetrics, reputation: float, weights: CostWeights) -> float:
    """`cost.peer_cost(...).total` without its terms: a rebalance reckons one for every peer. A test holds the two together."""
    throughput, rtt = metrics.throughput_bps, metrics.rtt_s
    return (
        weights.throughput * MIB / max(UNKNOWN_THROUGHPUT_BPS if throughput is None else throughput, SLOWEST_BPS)
        + weights.rtt * (UNKNOWN_RTT_S if rtt is None else rtt)
        + weights.error_rate * metrics.error_rate
        + weights.timeout_rate * metrics.timeout_rate
        + weights.reputation * (1.0 - min(max(reputation, 0.0), 1.0))
    )
