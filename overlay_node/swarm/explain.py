"""Why a session does what it does, and what its scheduling came to. Built when somebody asks; the hot path keeps nothing for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from apps.domain.swarm.cost import Candidate, Cost, peer_costs, rank_peers_for_chunk
from apps.domain.swarm.settings import SchedulerSettings
from overlay_node.swarm.policy import Reason
from overlay_node.swarm.source import Source

if TYPE_CHECKING:
    from overlay_node.swarm.session import SwarmSession


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerExplanation:
    """One peer in one session. Times are seconds from now."""

    peer: str
    state: str
    role: str
    """`works`, `waits`, `paused`, `cold` (nothing delivered yet), `quarantined`, `barred`, `negotiating`"""
    cost: Cost
    reputation: float
    rate_bps: float
    rate_known: bool
    delay_s: float
    window_bytes: int
    in_flight_bytes: int
    requests: int
    idle_in_s: float
    """when all it was asked for is expected to be here"""
    next_leaf_in_s: float
    """when one leaf more would be"""
    late_s: float
    verified_leaves: int
    bad_leaves: int
    idle_because: Reason | None
    """why it gets nothing more now; None while it does"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One session."""

    policy: str
    waiting: str
    leaves: int
    held: int
    in_flight: int
    free: int
    finish_in_s: float | None
    """by the estimates; None when the policy does not reckon"""
    random_speed_up: float | None
    """see `speed_up_over_random`"""
    urgent_to: tuple[str, ...]
    """peers in the order in which an urgent leaf would be offered to them, if they held it and had room"""
    peers: tuple[PeerExplanation, ...]


def explain(session: SwarmSession, now: float, settings: SchedulerSettings | None = None) -> Explanation:
    """All of it. `settings`: what costs are reckoned with. O(peers log peers)."""
    settings = settings if settings is not None else SchedulerSettings()
    board = session.board
    sources = sorted(session.sources.values(), key=lambda one: one.peer)
    costs = peer_costs({one.peer: (one.metrics, one.reputation) for one in sources}, settings.weights)
    ranked = rank_peers_for_chunk(
        [
            Candidate(peer=one.peer, cost=costs[one.peer], reputation=one.reputation)
            for one in sources
            if one.active and one.trusted and not one.quarantined
        ],
        high_priority=True,
        min_reputation=settings.min_reputation,
        quarantined_as_last_resort=settings.quarantined_as_last_resort,
    )
    finish = session.policy.finish_at(now) if board is not None else None
    return Explanation(
        policy=session.policy.name,
        waiting=session.waiting,
        leaves=board.map.leaf_count if board is not None else 0,
        held=board.map.held_count if board is not None else 0,
        in_flight=board.flying if board is not None else 0,
        free=board.free_count if board is not None else 0,
        finish_in_s=finish - now if finish is not None else None,
        random_speed_up=_speed_up(session, [one.pace.rate_bps for one in sources if one.active and not one.tainted]),
        urgent_to=tuple(one.peer for one in ranked),
        peers=tuple(_peer(session, one, costs[one.peer], now) for one in sources),
    )


def speed_up_over_random(rates: Sequence[float], *, payload_bytes: int, leaf_bytes: int) -> float | None:
    """Estimated speed against random assignment: any free leaf to whoever has room, and no end game. `rates` in bytes a second, all above 0.

    All peers together need payload / sum(rates). Under random assignment everybody is busy until nothing is free; then the slowest still has one
    leaf to bring (it begins its last one at any time and has the next in its window): leaf / min(rates) longer. An estimate from the peers' rates:
    what became of it is the lab's to measure (`random`). None for fewer than two peers.
    """
    if len(rates) < 2 or min(rates) <= 0 or payload_bytes <= 0:
        return None
    together_s = payload_bytes / sum(rates)
    return (together_s + leaf_bytes / min(rates)) / together_s


@dataclass(slots=True)
class SchedulingTotals:
    """What many sessions came to: for Prometheus. Counters, except the last two."""

    decisions: int = 0
    moves: int = 0
    races: int = 0
    rebalances: int = 0
    duplicate_bytes: int = 0
    bad_bytes: int = 0
    parted_bytes: int = 0
    violations: Counter[str] | None = None
    cost_variance: float = 0.0
    """of the session that was added last and had more than one peer"""
    speed_up: float = 0.0
    """`speed_up_over_random`, likewise; 0 = none yet"""

    def add(self, session: SwarmSession) -> None:
        """Count a session in."""
        counted = session.statistics
        self.decisions += counted.decisions
        self.moves += counted.moves
        self.races += counted.races
        self.rebalances += session.policy.rebalances
        self.duplicate_bytes += counted.duplicate_bytes
        self.bad_bytes += counted.bad_bytes
        self.parted_bytes += counted.parted_bytes
        self.violations = Counter(self.violations or {}) + session.violations
        rates = [one.pace.rate_bps for one in session.sources.values() if one.pace.known and not one.tainted]
        if len(rates) > 1:
            self.cost_variance = session.policy.cost_variance
            self.speed_up = _speed_up(session, rates) or 0.0

    def copy(self) -> SchedulingTotals:
        """To add to without changing this one."""
        return replace(self)

    def violations_by_name(self) -> Mapping[str, int]:
        """Violated invariants."""
        return dict(self.violations or {})


def _speed_up(session: SwarmSession, rates: Sequence[float]) -> float | None:
    board = session.board
    if board is None:
        return None
    return speed_up_over_random(rates, payload_bytes=board.map.payload_bytes, leaf_bytes=board.map.leaf_bytes)


def _peer(session: SwarmSession, source: Source, cost: Cost, now: float) -> PeerExplanation:
    pace = source.pace
    ready = pace.ready_at(now)
    leaf_bytes = session.board.map.leaf_bytes if session.board is not None else 0
    parked = session.board is not None and source in session.board.parked
    because = None
    if session.board is not None and source.active and parked:
        because = session.policy.why_idle(source, now) if session.affordable(source, now) else Reason.BUDGET_SPENT
    return PeerExplanation(
        peer=source.peer,
        state=source.state.value,
        role=_role(source, now),
        cost=cost,
        reputation=source.reputation,
        rate_bps=pace.rate_bps,
        rate_known=pace.known,
        delay_s=pace.delay_s,
        window_bytes=source.window_bytes,
        in_flight_bytes=source.flight_bytes,
        requests=len(source.flight),
        idle_in_s=ready - now if source.flight else 0.0,
        next_leaf_in_s=ready - now + leaf_bytes / pace.rate_bps,
        late_s=pace.late_s(now),
        verified_leaves=source.verified_leaves,
        bad_leaves=source.bad_leaves,
        idle_because=because,
    )


def _role(source: Source, now: float) -> str:
    if not source.active:
        return "negotiating"
    if source.barred:
        return "barred"
    if source.tainted:
        return "quarantined"
    if source.retry_at > now:
        return "paused"
    if not source.pace.known:
        return "cold"
    return "works" if source.flight else "waits"
