"""What the node remembers of a want between two passes; nothing of it needs to survive a restart."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Final

from apps.domain.contracts.node_work import WantReport
from overlay_node.swarm.choice import Candidate, NoChoice, PayloadKey
from overlay_node.swarm.race import Pace, Race

FIRST_PAUSE_S: Final = 2.0  # before a want without a source is looked for again; doubles, with jitter
MAX_PAUSE_S: Final = 60.0
BLOCKED_PAUSE_S: Final = 5.0  # before the disk is tried again; doubles
AVOID_S: Final = 600.0  # before a payload that gave way, or was refused for this job's wishes, is chosen again


@dataclass(slots=True)
class Pursuit:
    """One want. Mutable. Times are monotonic seconds."""

    next_look_at: float = 0.0
    pause: float = FIRST_PAUSE_S
    looked: bool = False
    looking: bool = False
    claim_seen_at: float | None = None
    avoid: dict[PayloadKey, float] = field(default_factory=dict)
    """payloads that are not chosen before a time"""
    blocked_code: str = ""
    blocked_until: float = 0.0
    blocked_pause: float = BLOCKED_PAUSE_S
    told: WantReport | None = None
    nothing: tuple[object, ...] | None = None
    """under which circumstances no payload could be chosen: while they last, the rows need not be asked again"""
    nothing_why: NoChoice | None = None

    race: Race = field(default_factory=Race)
    paces: dict[uuid.UUID, Pace] = field(default_factory=dict)
    """by transfer, while it runs"""
    fallback_held: bool = False
    """the fallback is not run for now: the primary is far ahead"""
    fallback_again_at: float = 0.0
    """no fallback is begun before: there was no room for the last one"""
    others: tuple[Candidate, ...] = ()
    """payloads that could be fetched instead, as of `others_at`"""
    others_at: float | None = None
    sampled: set[uuid.UUID] = field(default_factory=set)
    """transfers whose beginning was told of"""
    stall_looked: bool = False
    """further sources were looked for because of the present stall"""

    def look_now(self, now: float) -> None:
        """Look for sources at the next pass."""
        self.next_look_at, self.pause = now, FIRST_PAUSE_S

    def blocked(self, code: str, *, until: float) -> None:
        """The disk would not take its file: tried again then, and later every time."""
        self.blocked_code, self.blocked_until = code, until
        self.blocked_pause = min(self.blocked_pause * 2, MAX_PAUSE_S)

    def unblocked(self) -> None:
        """It goes on."""
        self.blocked_code, self.blocked_until, self.blocked_pause = "", 0.0, BLOCKED_PAUSE_S

    def begin_anew(self) -> None:
        """One of its payloads is out: what was compared with it counts no more."""
        self.race, self.fallback_held, self.others_at = Race(), False, None

    def avoided(self, now: float) -> set[PayloadKey]:
        """Payloads that are not to be chosen now."""
        return {key for key, until in self.avoid.items() if until > now}
