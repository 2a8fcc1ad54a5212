"""What a MiB from a peer costs, in seconds-like units, with every term kept apart; and who is asked first for a chunk. Pure.

    cost = 1.0 x seconds per MiB + 0.5 x error rate + 0.3 x timeout rate + 0.2 x RTT in seconds + 0.4 x (1 - reputation)

(S2 C2 and G3, S4's weights, settled in PROTOCOL-FACTS.) Lower is better. A peer of whom nothing is known costs the median of those who are known:
it is neither starved nor does it dominate. Where nobody is known, its speed is guessed (`UNKNOWN_THROUGHPUT_BPS`, `UNKNOWN_RTT_S`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Protocol

MIB: Final = 1024 * 1024
NEUTRAL_REPUTATION: Final = 0.5
MIN_REPUTATION: Final = 0.3
"""Below, a peer is quarantined (S2 G3, PROTOCOL-FACTS)."""
UNKNOWN_THROUGHPUT_BPS: Final = float(MIB)
"""Bytes a second of a peer that is not known, where no other is either: a middling home line."""
UNKNOWN_RTT_S: Final = 0.1
SLOWEST_BPS: Final = 1024.0
"""Bytes a second below which all are alike: keeps the cost finite."""
RELIABLE_PENALTY: Final = 0.35
"""Of errors, timeouts and reputation together: up to here a slow peer is worth normal chunks. A neutral reputation alone is 0.2."""


class Performance(Protocol):
    """What the cost needs to know of a peer; `apps.domain.peers.metrics.PeerMetrics` has it."""

    @property
    def throughput_bps(self) -> float | None: ...
    @property
    def rtt_s(self) -> float | None: ...
    @property
    def error_rate(self) -> float: ...
    @property
    def timeout_rate(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CostWeights:
    """Weights of the terms, each >= 0. Raises ValueError otherwise."""

    throughput: float = 1.0
    """on seconds per MiB"""
    error_rate: float = 0.5
    """on 0..1"""
    timeout_rate: float = 0.3
    """on 0..1"""
    rtt: float = 0.2
    """on seconds"""
    reputation: float = 0.4
    """on 1 - reputation"""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"the weight {one.name} must be 0 or more, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Weighted terms and their sum. `assumed`: speed is not known, so its terms (or all of them) are those of the median peer."""

    throughput: float
    error: float
    timeout: float
    rtt: float
    reputation: float
    total: float
    assumed: bool = False

    @property
    def reliability(self) -> float:
        """The terms that have nothing to do with speed."""
        return self.error + self.timeout + self.reputation

    def terms(self) -> Mapping[str, float]:
        """By name, the biggest first: for people."""
        named = {
            "throughput": self.throughput,
            "error": self.error,
            "timeout": self.timeout,
            "rtt": self.rtt,
            "reputation": self.reputation,
        }
        return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A peer that holds a chunk. `cost` as `peer_costs` gave it."""

    peer: str
    cost: Cost
    reputation: float = NEUTRAL_REPUTATION


def peer_cost(metrics: Performance, reputation: float, weights: CostWeights) -> Cost:
    """The cost of one peer on its own. What is not known of its speed is taken from nobody's median but from a plain guess (1 MiB/s, 0.1 s);
    `peer_costs` puts the median there."""
    throughput, rtt = metrics.throughput_bps, metrics.rtt_s
    speed_term = (
        weights.throughput * MIB / max(UNKNOWN_THROUGHPUT_BPS if throughput is None else throughput, SLOWEST_BPS)
    )
    rtt_term = weights.rtt * (UNKNOWN_RTT_S if rtt is None else rtt)
    error_term = weights.error_rate * metrics.error_rate
    timeout_term = weights.timeout_rate * metrics.timeout_rate
    reputation_term = weights.reputation * (1.0 - min(max(reputation, 0.0), 1.0))
    return Cost(
        throughput=speed_term,
        error=error_term,
        timeout=timeout_term,
        rtt=rtt_term,
        reputation=reputation_term,
        total=speed_term + error_term + timeout_term + rtt_term + reputation_term,
        assumed=throughput is None,
    )


def peer_costs(peers: Mapping[str, tuple[Performance, float]], weights: CostWeights) -> dict[str, Cost]:
    """Costs of peers that are compared with each other: (metrics, reputation) by peer.

    Cold peers get the median cost of the known ones. What *is* known against a cold peer (it failed or timed out before its first byte, its
    reputation is below neutral) stays, where it is worse than the median peer's: silence must not pay.
    """
    costs = {peer: peer_cost(metrics, reputation, weights) for peer, (metrics, reputation) in peers.items()}
    known = [cost for cost in costs.values() if not cost.assumed]
    if not known:
        return costs
    middle = median_cost(known)
    neutral = weights.reputation * (1.0 - NEUTRAL_REPUTATION)
    return {peer: _as_median(cost, middle, neutral) if cost.assumed else cost for peer, cost in costs.items()}


def median_cost(costs: Sequence[Cost]) -> Cost:
    """The cost in the middle; of two in the middle the dearer one, so that it is the cost of a real peer. Raises ValueError when there is none."""
    if not costs:
        raise ValueError("no cost, no median")
    return sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]


def cost_variance(costs: Iterable[float]) -> float:
    """Variance (population) of the peers' total costs: S4's success metric. 0 for fewer than two."""
    values = list(costs)
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def rank_peers_for_chunk(
    candidates: Iterable[Candidate],
    *,
    high_priority: bool,
    min_reputation: float = MIN_REPUTATION,
    quarantined_as_last_resort: bool = True,
) -> list[Candidate]:
    """Who should be asked for a chunk, the best first; ties by id, so the answer never depends on the order of `candidates`.

    High priority (end of file, last missing, rescue, playback): the cheapest first. Normal: the slowest of the reliable first, which leaves the
    quick ones for what is urgent; then the unreliable, cheapest first. Peers below `min_reputation` come after all others, or not at all.
    """

    def key(one: Candidate) -> tuple[bool, bool, float, str]:
        quarantined = one.reputation < min_reputation
        if high_priority or quarantined:
            return quarantined, False, one.cost.total, one.peer
        unreliable = one.cost.reliability > RELIABLE_PENALTY
        return False, unreliable, one.cost.total if unreliable else -one.cost.total, one.peer

    usable = (one for one in candidates if quarantined_as_last_resort or one.reputation >= min_reputation)
    return sorted(usable, key=key)


def _as_median(cost: Cost, middle: Cost, neutral: float) -> Cost:
    error, timeout = max(cost.error, middle.error), max(cost.timeout, middle.timeout)
    distrust = max(cost.reputation, middle.reputation) if cost.reputation > neutral else middle.reputation
    return Cost(
        throughput=middle.throughput,
        error=error,
        timeout=timeout,
        rtt=middle.rtt,
        reputation=distrust,
        total=middle.throughput + error + timeout + middle.rtt + distrust,
        assumed=True,
    )
