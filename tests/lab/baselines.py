"""What others do, as policies against the product's own seam, with the same windows, first audits, belief and time-outs.

Common to all: a peer is asked for a few leaves until it has delivered, then for as much as keeps it busy (bandwidth x delay, two leaves at least).

Random, round-robin and fastest-first are greedy rules for free leaves and nothing more: once none is free, an owner that is slow is waited for until
it delivers, leaves, or the session's ordinary time-outs give the leaf back. Rarest-first is compared with its end game, which belongs to it (BitTorrent's): a
peer without work asks for any leaf that is still on its way elsewhere, in small pieces, and the loser is cancelled on arrival. An end game is the larger
part of what a scheduler is worth on files of seconds: lent to the three others it would hide what their rules alone come to. They can be had with
it all the same (`BASELINES_WITH_END_GAME`, by `--policy`): how much of a margin is the end game can so be measured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random

from typing_extensions import override

from apps.domain.swarm.modes import MODES
from apps.domain.swarm.settings import SchedulerMode
from overlay_node.protocol.limits import KIB, MAX_CHUNK_BYTES
from overlay_node.swarm.board import Board
from overlay_node.swarm.policy import Claim, Order, Policy, Reason
from overlay_node.swarm.source import Source

PART_BYTES = 64 * KIB
CUSHION_S = 0.1
TRIES = 16
AUDIT_LEAVES = MODES[SchedulerMode.BALANCED].audit_leaves
"""with a peer that has not delivered yet, as the product's policy has it"""


class Baseline(Policy):
    """Windows; `pick` chooses among free leaves and, where there is an end game, `rival` among those on their way."""

    end_game = False
    """True: who has no work asks for what is on its way elsewhere"""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._board: Board

    @override
    def begin(self, board: Board, now: float) -> None:
        self._board = board

    @override
    def tick(self, now: float) -> Iterable[Source]:
        return [source for source in self._board.parked if not source.flight] if self.end_game else ()

    @override
    def choose(self, source: Source, now: float) -> Order | None:
        if source.flight_bytes >= self._window(source):
            return None
        leaf = self.pick(source, now)
        if leaf is not None:
            return Order(leaf, self._leaves(source, leaf))
        if source.flight or not self.end_game:
            return None
        leaf = self.rival(source, now)
        return None if leaf is None else Order(leaf, part_bytes=PART_BYTES, reason=Reason.TAKEN_OVER, claim=Claim.RACE)

    def pick(self, source: Source, now: float) -> int | None:
        """A free leaf for a source; the board's order unless something else is chosen."""
        return self._board.next_free(source, now)

    def rival(self, source: Source, now: float) -> int | None:
        """A leaf on its way elsewhere, for a source without work; a random one unless something else is chosen."""
        leaves = [leaf for leaf, _ in self._rivals(source, now)]
        return self._random.choice(leaves) if leaves else None

    def _rivals(self, source: Source, now: float) -> list[tuple[int, Source]]:
        board = self._board
        return [
            (leaf, carriers[0])
            for leaf, carriers in board.in_flight()
            if len(carriers) == 1 and carriers[0] is not source and board.may_ask(source, leaf, now)
        ]

    def _leaves(self, source: Source, leaf: int) -> int:
        """Two in one request where the window needs more than single leaves can fill."""
        board = self._board
        full = self._window(source) > source.cap * board.map.leaf_bytes
        if full and 2 * board.map.leaf_bytes <= MAX_CHUNK_BYTES and board.is_free(leaf + 1) and source.has(leaf + 1):
            return 1 if source.tainted else 2
        return 1

    def _window(self, source: Source) -> int:
        leaf_bytes = self._board.map.leaf_bytes
        if not source.trusted:
            return AUDIT_LEAVES * leaf_bytes
        wanted = source.pace.rate_bps * (source.pace.delay_s + CUSHION_S) + leaf_bytes
        return int(max(wanted, 2 * leaf_bytes))


class RandomLeaf(Baseline):
    """Any free leaf to whoever has room."""

    name = "random"

    @override
    def pick(self, source: Source, now: float) -> int | None:
        board = self._board
        for _ in range(TRIES):
            leaf = self._random.randrange(board.map.leaf_count)
            if board.is_free(leaf) and board.may_ask(source, leaf, now):
                return leaf
        free = [leaf for leaf in board.map.free() if board.may_ask(source, leaf, now)]
        return self._random.choice(free) if free else None


class RoundRobin(Baseline):
    """Leaves are dealt like cards, one to each peer in turn; who has played his hand takes from the largest one left."""

    name = "round-robin"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._hands: dict[str, deque[int]] = {}

    @override
    def joined(self, source: Source, now: float) -> None:
        self._deal(None)

    @override
    def left(self, source: Source, now: float) -> None:
        self._deal(source)

    @override
    def pick(self, source: Source, now: float) -> int | None:
        hand = self._hands.get(source.peer, deque())
        while hand:
            leaf = hand.popleft()
            if self._board.is_free(leaf) and self._board.may_ask(source, leaf, now):
                return leaf
        for other in sorted(self._hands.values(), key=len, reverse=True):
            for leaf in reversed(other):
                if self._board.is_free(leaf) and self._board.may_ask(source, leaf, now):
                    return leaf
        return self._board.next_free(source, now)

    def _deal(self, without: Source | None) -> None:
        players = [one for one in self._board.sources.values() if one.active and one is not without]
        self._hands = {one.peer: deque() for one in players}
        turn = 0
        for leaf in self._board.map.free():
            for step in range(len(players)):
                player = players[(turn + step) % len(players)]
                if player.has(leaf):
                    self._hands[player.peer].append(leaf)
                    turn += step + 1
                    break


class FastestFirst(Baseline):
    """The fastest peer's window is filled first."""

    name = "fastest-first"

    @override
    def turns(self, ready: list[Source], now: float) -> list[Source]:
        return sorted(ready, key=lambda one: (-(one.speed_bps or 0.0), one.peer))

    @override
    def rival(self, source: Source, now: float) -> int | None:
        rivals = [(owner.speed_bps or 0.0, leaf) for leaf, owner in self._rivals(source, now)]
        slowest = min(rivals, default=None)
        if slowest is None or slowest[0] >= (source.speed_bps or 0.0):
            return None
        return slowest[1]


class RarestFirst(Baseline):
    """BitTorrent's: the rarest leaf, ties by chance; in the end game everybody asks for anything that is still missing."""

    name = "rarest-first"
    end_game = True

    @override
    def pick(self, source: Source, now: float) -> int | None:
        board = self._board
        best: tuple[int, int] | None = None
        for _ in range(TRIES):
            leaf = self._random.randrange(board.map.leaf_count)
            if board.is_free(leaf) and board.may_ask(source, leaf, now) and not board.holders[leaf]:
                return leaf  # held only by those who hold everything: as rare as any
            if board.is_free(leaf) and board.may_ask(source, leaf, now):
                best = min(best or (board.rarity(leaf), leaf), (board.rarity(leaf), leaf))
        if best is not None:
            rarest = board.next_free(source, now)
            return rarest if rarest is not None and board.rarity(rarest) < best[0] else best[1]
        return board.next_free(source, now)


BASELINE_POLICIES: tuple[type[Baseline], ...] = (RandomLeaf, RoundRobin, FastestFirst, RarestFirst)
"""what a report compares with"""


class RandomLeafWithEndGame(RandomLeaf):
    """Random, and who has no work races for a random leaf that is on its way."""

    name = "random-end-game"
    end_game = True


class RoundRobinWithEndGame(RoundRobin):
    """Round-robin, and who has no work races for a random leaf that is on its way."""

    name = "round-robin-end-game"
    end_game = True


class FastestFirstWithEndGame(FastestFirst):
    """Fastest-first; at the end the fastest without work races for the leaf whose owner is slowest."""

    name = "fastest-first-end-game"
    end_game = True


BASELINES_WITH_END_GAME: tuple[type[Baseline], ...] = (
    RandomLeafWithEndGame,
    RoundRobinWithEndGame,
    FastestFirstWithEndGame,
)
"""not among those a report compares with: runnable by name"""
