"""The swarm scheduler as the living node reports it: what S4 calls its success metrics, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from apps.nodelink.selectors_status import NodeGlance


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerGlance:
    """Since the node's start. Numbers are 0 where it said nothing."""

    mode: str
    cost_based: bool
    decisions: int
    moves: int
    """requests taken from a peer that would have been late"""
    races: int
    """parts asked of a second peer as well"""
    rebalances: int
    duplicate_bytes: int
    bad_bytes: int
    parted_bytes: int
    violations: Mapping[str, int]
    cost_variance: float
    """of the peers' costs in the transfer that was looked at last"""
    speed_up: float
    """estimated speed divided by that of dealing leaves out at random; 0: not known"""
    peers: Mapping[str, int]
    """those the node has in mind, by standing; `known` is all of them"""
    lowest: float
    """reputation, 0..1"""
    median: float
    uptime_s: float

    @property
    def rebalances_per_hour(self) -> float:
        """Over the node's whole uptime, idle hours included."""
        return 3600 * self.rebalances / self.uptime_s if self.uptime_s > 0 else 0.0

    @property
    def violated(self) -> int:
        """Invariants that did not hold; anything but 0 is a fault of the program."""
        return sum(self.violations.values())


def scheduler_glance(node: NodeGlance) -> SchedulerGlance | None:
    """Of the newest heartbeat; None when the node is not there or does not say. No query."""
    told = node.report.get("scheduler")
    if not isinstance(told, dict):
        return None
    reputation = told.get("reputation")
    scores = reputation if isinstance(reputation, dict) else {}
    started = node.started_at
    return SchedulerGlance(
        mode=str(told.get("mode", "")),
        cost_based=told.get("cost_based") is not False,
        decisions=round(_number(told, "decisions")),
        moves=round(_number(told, "moves")),
        races=round(_number(told, "races")),
        rebalances=round(_number(told, "rebalances")),
        duplicate_bytes=round(_number(told, "duplicate_bytes")),
        bad_bytes=round(_number(told, "bad_bytes")),
        parted_bytes=round(_number(told, "parted_bytes")),
        violations=_counts(told, "violations"),
        cost_variance=_number(told, "cost_variance"),
        speed_up=_number(told, "speed_up"),
        peers=_counts(told, "peers"),
        lowest=_number(scores, "lowest"),
        median=_number(scores, "median"),
        uptime_s=max(0.0, (timezone.now() - started).total_seconds()) if started is not None else 0.0,
    )


def _number(told: Mapping[str, object], key: str) -> float:
    value = told.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _counts(told: Mapping[str, object], key: str) -> dict[str, int]:
    counts = told.get(key)
    return {str(name): round(_number(counts, name)) for name in counts} if isinstance(counts, dict) else {}
