"""A range that a peer was asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Request:
    """One chunk request on its way. Times are monotonic seconds."""

    leaf: int
    """the first leaf it covers, wholly or in part"""
    offset: int
    length: int
    asked_at: float
    timeout_s: float
    """twice the deadline that was sent along"""
    leaves: int = 1
    """leaves it covers wholly; 1 also for a part of one"""
    due_at: float = 0.0
    """when it was expected to be answered, as of when it was asked"""
