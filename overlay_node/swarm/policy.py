"""The seam between a swarm's mechanism and what decides: which leaf to ask of whom now, in which pieces, and what to ask twice.

The session is the mechanism: belief, what is in flight, states, timeouts, charges, completeness, limits. A policy only chooses. It is asked
for one source at a time, and only when something changed for it: it has room, it joined, a leaf came back, or `tick` named it. It reads the
`Board`; it changes nothing there. The product's policy is `policy_cost.CostPolicy`; `policy_plain.PlainPolicy` is the one used when the scheduler
is switched off; the lab's baselines are others.

What a policy SHALL keep to: `choose` returns an order for a leaf that the board says may be asked of that source (`Board.may_ask`), free for
`Claim.FREE`, in flight with exactly one other peer for `Claim.RACE`, with others only for `Claim.MOVE`. The session refuses any other order, counts it
(`refused_orders`) and parks the source; nothing breaks. A policy holds no clock and no randomness but what it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from overlay_node.protocol.limits import KIB

if TYPE_CHECKING:
    from apps.domain.swarm.ranges import UrgentRange
    from overlay_node.swarm.board import Board
    from overlay_node.swarm.flight import Request
    from overlay_node.swarm.source import Source

MIN_PART_BYTES: Final = 32 * KIB
"""Smallest piece of a leaf that is asked for: below, the envelope and the round trip cost more than a cancel saves."""


class Reason(StrEnum):
    """Why a source got a leaf, or got none. Traces and explanations show these codes."""

    ASSIGNED = "assigned"
    PROBE = "probe"
    """first request to a peer whose pace is not known, small"""
    AUDIT = "audit"
    """a randomly chosen leaf of a peer that claims the whole payload and has no history for it"""
    RAREST = "rarest"
    """few hold it"""
    HIGH_PRIORITY = "high_priority"
    """end of file, last missing, rescue, playback: a low-cost peer took it"""
    TAKEN_OVER = "taken_over"
    """a second copy: its owner would bring it too late"""
    SHIFTED_AWAY = "shifted_away"
    """taken from a peer that had not begun with it and would bring it too late"""
    HELD_BACK_TOO_SLOW = "held_back_too_slow"
    """the others will have everything before this peer could bring one more leaf"""
    COLD = "cold"
    """waits for its first answer before it gets more"""
    WINDOW_FULL = "window_full"
    NOTHING_FREE = "nothing_free"
    PAUSED = "paused"
    """it said rate_limited"""
    QUARANTINED = "quarantined"
    """it proved corrupt or its reputation is too low, and others hold what is missing"""
    REBALANCED = "rebalanced"
    """the work was distributed anew over all peers"""
    BUDGET_SPENT = "budget_spent"
    """a rate limit: said by the session, not by a policy"""


class Claim(StrEnum):
    """What an order does with the leaf."""

    FREE = "free"
    """nobody was asked for it"""
    MOVE = "move"
    """its owner is told to forget it (chunk_cancel), this source is asked instead"""
    RACE = "race"
    """its owner goes on, this source is asked for the whole leaf too: the first whole copy counts, the other is cancelled"""


@dataclass(slots=True)
class Order:
    """One thing to ask of one source. Mutable only because making a frozen one costs twice as much in the hot path."""

    leaf: int
    leaves: int = 1
    """consecutive leaves in one request, from `leaf` on; all of them free; together at most MAX_CHUNK_BYTES"""
    part_bytes: int = 0
    """0 = in one request (as few as MAX_CHUNK_BYTES allows); else the leaf is asked for in requests of so many bytes, all of this source, at least
    MIN_PART_BYTES each: those not begun can still be cancelled. Larger when the limit of requests in flight leaves no room for so many"""
    first_bytes: int = 0
    """0, or the length of the first request, shorter than the others: tells the delay and the pace early"""
    reason: Reason = Reason.ASSIGNED
    claim: Claim = Claim.FREE
    loser: Source | None = None
    """MOVE: who is told to forget it, when two race for it; None = its only owner"""


class Policy:
    """The hooks of a policy. Only `choose` must be written; the others do nothing."""

    name: str = "policy"
    rebalances: int = 0
    """how often the whole swarm was looked at anew"""
    cost_variance: float = 0.0
    """variance of the peers' costs at the last rebalance"""

    def begin(self, board: Board, now: float) -> None:
        """The map is open. Called once, before any other hook but `shuns`."""

    def shuns(self, reputation: float) -> bool:
        """True when a peer of this reputation (0..1) is asked only for what nobody else has."""
        return False

    def bars(self, reputation: float) -> bool:
        """True when a peer of this reputation is not asked at all, not even for that."""
        return False

    def urgent(self, ranges: tuple[UrgentRange, ...]) -> None:
        """Leaves that somebody waits for; replaces what was told before."""

    def joined(self, source: Source, now: float) -> None:
        """A source may now be asked (its manifest was accepted), or holds more leaves than before."""

    def left(self, source: Source, now: float) -> None:
        """A source ended. Its leaves were `freed` before."""

    def freed(self, leaf: int, now: float) -> None:
        """A leaf that was asked for is nobody's again."""

    def arrived(self, source: Source, request: Request, now: float) -> None:
        """A request of a source was answered with data; its pace is already updated."""

    def turns(self, ready: list[Source], now: float) -> list[Source]:
        """The order in which several sources that may choose do so, one order each in turn. The default leaves it."""
        return ready

    def tick(self, now: float) -> Iterable[Source]:
        """Time passed: the sources that should choose again although nothing happened to them."""
        return ()

    def choose(self, source: Source, now: float) -> Order | None:
        """The next thing to ask of `source`, None = nothing now (it is parked until something changes for it).

        Called again and again until None, or until `source.room` is 0: the requests in flight reached its share (`source.cap`).
        How much of that room to use is the policy's choice.
        """
        raise NotImplementedError

    def why_idle(self, source: Source, now: float) -> Reason:
        """Why `choose` gives this source nothing now. Only for explanations: may be slow."""
        return Reason.NOTHING_FREE

    def finish_at(self, now: float) -> float | None:
        """When everything is expected to be here (monotonic seconds); None when the policy does not reckon. Only for explanations."""
        return None
