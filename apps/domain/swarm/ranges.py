"""Which leaves matter more than others, and why. Pure.

PROTOCOL-FACTS: user 10, rescue 9, playback 8, end of file 7, retry 6, normal 5; +3 first and last chunk, +2 when more than 90 % is there, at most 10.
High-priority leaves go to low-cost peers first, the rest to whoever has room (S2 C3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NORMAL_PRIORITY: Final = 5
RETRY_PRIORITY: Final = 6
MAX_PRIORITY: Final = 10
EDGE_BONUS: Final = 3
LAST_MISSING_BONUS: Final = 2
LAST_MISSING_SHARE: Final = 0.9
"""of the leaves are held: what is missing now decides when the file is whole"""
HIGH_PRIORITY: Final = 7
"""from here on a leaf is for low-cost peers"""


class Urgency(StrEnum):
    """Why a leaf matters."""

    USER = "user"
    RESCUE = "rescue"
    PLAYBACK = "playback"
    END_OF_FILE = "end_of_file"
    LAST_MISSING = "last_missing"
    EDGE = "edge"
    RETRY = "retry"
    NORMAL = "normal"


BASE_PRIORITY: Final = {Urgency.USER: 10, Urgency.RESCUE: 9, Urgency.PLAYBACK: 8, Urgency.END_OF_FILE: 7}


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgentRange:
    """Leaves [first, end) that somebody waits for. Of ranges that overlap the most urgent counts."""

    first: int
    end: int
    urgency: Urgency

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.end or self.urgency not in BASE_PRIORITY:
            raise ValueError("an urgent range holds at least one leaf and has an urgency with a priority of its own")


def end_of_file(leaf_count: int, *, leaves: int = 1) -> UrgentRange:
    """The last leaves of a file: players and analysers look there first. ValueError for an empty file."""
    return UrgentRange(first=max(0, leaf_count - leaves), end=leaf_count, urgency=Urgency.END_OF_FILE)


def priority_of(
    leaf: int,
    *,
    leaf_count: int,
    held_count: int,
    retried: bool,
    urgent: tuple[UrgentRange, ...] = (),
    rescued: bool = False,
) -> tuple[int, Urgency]:
    """0-10, and the main reason.

    `rescued`: the payload is that of a rescue, every leaf of which is urgent. A seeder orders by it only what one peer asked of it: a rescue, for which somebody
    waited too long already, goes before our own other transfers there, and takes nothing from anybody else.
    """
    value, reason = (RETRY_PRIORITY, Urgency.RETRY) if retried else (NORMAL_PRIORITY, Urgency.NORMAL)
    if rescued:
        value, reason = BASE_PRIORITY[Urgency.RESCUE], Urgency.RESCUE
    for one in urgent:
        if one.first <= leaf < one.end and BASE_PRIORITY[one.urgency] > value:
            value, reason = BASE_PRIORITY[one.urgency], one.urgency
    if leaf in {0, leaf_count - 1}:
        value += EDGE_BONUS
        reason = Urgency.EDGE if reason in {Urgency.NORMAL, Urgency.RETRY} else reason
    if held_count > LAST_MISSING_SHARE * leaf_count:
        value += LAST_MISSING_BONUS
        reason = Urgency.LAST_MISSING if reason in {Urgency.NORMAL, Urgency.RETRY} else reason
    return min(value, MAX_PRIORITY), reason
