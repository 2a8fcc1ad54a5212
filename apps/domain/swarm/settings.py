"""What a person can set about the swarm scheduler (`multi_source.swarm_scheduler`), as one frozen value. Pure.

Keys, effects and defaults are told in docs/configuration.md. How a mode changes decisions is not said here: that is the scheduler's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from apps.domain.swarm.cost import MIN_REPUTATION, CostWeights


class SchedulerMode(StrEnum):
    """How much is risked for speed."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    AGGRESSIVE = "aggressive"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """One configuration. Raises ValueError for what makes no sense."""

    cost_based: bool = True
    """`cost_function.enabled`; False: costs are told to people but decide nothing"""
    weights: CostWeights = field(default_factory=CostWeights)
    mode: SchedulerMode = SchedulerMode.BALANCED
    rebalance: bool = True
    """`rebalance_enabled`"""
    rebalance_interval_s: float = 30.0
    rebalance_chunks: int = 10
    """a rebalance comes after so many chunks or so many seconds, whichever is first"""
    min_reputation: float = MIN_REPUTATION
    """a peer below it is quarantined"""
    quarantined_as_last_resort: bool = True
    """`use_quarantined_as_last_resort`: asked for what nobody else has"""

    def __post_init__(self) -> None:
        if not (
            math.isfinite(self.rebalance_interval_s) and self.rebalance_interval_s > 0 and self.rebalance_chunks >= 1
        ):
            raise ValueError("a rebalance comes after at least one chunk and some time")
        if not 0 <= self.min_reputation <= 1:
            raise ValueError("min_reputation lies between 0 and 1")
