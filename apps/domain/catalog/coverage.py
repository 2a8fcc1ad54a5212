"""How much of an artist's work is held: the states of a track and of a group, as rules. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum


class TrackCover(StrEnum):
    """Of one track."""

    HELD = "held"
    BETTER = "better"
    """held, and somebody on the mesh offers a better one"""
    WANTED = "wanted"
    """a job is after it"""
    MISSING = "missing"


class GroupCover(StrEnum):
    """Of one release group."""

    COMPLETE = "complete"
    PART = "part"
    WANTED = "wanted"
    """a job is after what is missing"""
    MISSING = "missing"
    NO_EDITION = "no_edition"
    """no edition fits, so there is nothing to hold"""


def track_cover(*, held: bool, better: bool, wanted: bool) -> TrackCover:
    """What is held counts before what is asked for: a job for a better one takes nothing away."""
    if held:
        return TrackCover.BETTER if better else TrackCover.HELD
    return TrackCover.WANTED if wanted else TrackCover.MISSING


def group_cover(counts: Mapping[TrackCover, int], *, asked: bool) -> GroupCover:
    """The state of a group with an edition. `asked`: a job for one of its editions has not ended."""
    held = counts.get(TrackCover.HELD, 0) + counts.get(TrackCover.BETTER, 0)
    total = sum(counts.values())
    if total and held == total:
        return GroupCover.COMPLETE
    if asked or counts.get(TrackCover.WANTED, 0):
        return GroupCover.WANTED
    return GroupCover.PART if held else GroupCover.MISSING


def counted(states: Iterable[TrackCover]) -> dict[TrackCover, int]:
    """How many tracks are in which state, every state named."""
    found = Counter(states)
    return {state: found.get(state, 0) for state in TrackCover}
