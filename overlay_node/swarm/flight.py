"""A range that a peer was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from apps.domain.swarm.estimate import Asked


@dataclass(slots=True, eq=False)
class Request(Asked):
    """One chunk request on its way. Times are monotonic seconds. Compared by identity; mutable because it is made for every request."""

    leaf: int
    """the first leaf it covers, wholly or in part"""
    offset: int
    timeout_s: float
    """twice the deadline that was sent along"""
    leaves: int = 1
    """leaves it covers wholly; 1 also for a part of one"""

    def covers(self, leaf: int) -> bool:
        """True when it asks for `leaf` or a part of it."""
        return self.leaf <= leaf < self.leaf + self.leaves
