"""What happened in a swarm, event by event: the one model that the session writes, files hold, summaries read and the lab replays.

Owns the event, its actions and the port `TraceSink`; not the lines of a file (`trace_lines`), not what events add up to (`trace_summary`).
Pure. A trace is a person's own record of their own node: it stays on the machine and holds peers' keys, never file names or paths.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

TRACE_VERSION: Final = 1
"""Goes up when an older reader would misunderstand a line; new actions and new fields are no reason, readers keep and ignore them."""


class TraceAction(StrEnum):
    """What happened. Beside each: which fields beyond peer and time it carries.

    Bytes add up: at any moment, the bytes held of a transfer are `offset` of its last `transfer_started` + all `leaf_verified` − all
    `leaf_lost` after it, and all bytes that arrived are those of `chunk_received`.
    """

    TRANSFER_STARTED = "transfer_started"
    """A session begins or resumes. length: payload bytes (claimed until `manifest_accepted`); offset: bytes held from before."""
    TRANSFER_COMPLETED = "transfer_completed"
    """Every leaf is verified. length: payload bytes."""
    TRANSFER_ABORTED = "transfer_aborted"
    """The session ended early. code: why."""
    MANIFEST_ACCEPTED = "manifest_accepted"
    """A peer's leaf list was proven by the root. leaf: number of leaves; offset: bytes of a leaf; length: payload bytes."""
    MANIFEST_REFUSED = "manifest_refused"
    """A peer's leaf list was refused, or it gave none. code: why."""

    PEER_ADDED = "peer_added"
    """A linked peer claims the payload."""
    PEER_HAVE = "peer_have"
    """A peer holds a range, once for each range it told. offset, length: bytes of the payload."""
    PEER_GONE = "peer_gone"
    """A peer takes no part any more. code: why (`disconnected`, `timed_out`, `corrupt`, …)."""
    PEER_CHARGED = "peer_charged"
    """A peer proved wrong. code: the charge."""
    PEER_PAUSED = "peer_paused"
    """A peer is left alone for a while. duration: how long; code: why (`rate_limited`, …)."""

    CHUNK_REQUESTED = "chunk_requested"
    """A range was asked for. leaf (the first one), offset, length; code: why this one of this peer (a decision's reason; may be empty)."""
    CHUNK_RECEIVED = "chunk_received"
    """A range arrived whole. leaf, offset, length; duration: since it was asked; code: "" = it was taken to be judged,
    else why it was in vain (`duplicate`, `late`, `unasked`)."""
    CHUNK_ERROR = "chunk_error"
    """A range will not come. leaf, offset, length; duration; code: the peer's refusal, or `timed_out`, `disconnected`."""
    CHUNK_CANCELLED = "chunk_cancelled"
    """We took a request back. leaf, offset, length; duration; code: why (a CancelReason)."""

    LEAF_IN_VAIN = "leaf_in_vain"
    """Bytes that arrived (their `chunk_received` had no code) count for nothing: the leaf was there already, or its sender had proved corrupt
    meanwhile. leaf, offset, length."""
    LEAF_VERIFIED = "leaf_verified"
    """A leaf hashed right and counts. leaf, offset, length."""
    LEAF_BAD = "leaf_bad"
    """A leaf of this peer hashed wrong. leaf, offset, length."""
    LEAF_LOST = "leaf_lost"
    """A leaf that counted does not any more. leaf, offset, length; peer: whose it was; code: `sender_corrupt` or `write_failed`."""

    DECISION = "decision"
    """The scheduler changed its mind: about a chunk already asked for (peer: who gets it now; leaf, offset, length), or about more than one.
    code: its reason (`overlay_node.swarm.policy.Reason`: `taken_over`, `shifted_away`, …)."""
    WAITING = "waiting"
    """Nothing flows and nothing can be asked. code: why; empty = it flows again."""
    RESCUE_INVOKED = "rescue_invoked"
    """The overlay took over from a stalled origin. code: which rule."""
    RESCUE_ENDED = "rescue_ended"
    """The origin carries on by itself. code: why."""
    TRACE_GAP = "trace_gap"
    """Written by the sink itself. length: how many events were dropped here; code: why (`behind`, `disk_full`, `io_error`)."""


ACTIONS: Final = frozenset(action.value for action in TraceAction)


class TraceSource(StrEnum):
    """Where bytes come from."""

    OVERLAY = "overlay"
    SOULSEEK = "soulseek"


SOULSEEK_PREFIX: Final = "soulseek:"
"""Peers of that plane take part in a session under `soulseek:<user>`; everybody else is an overlay peer under its peer id."""


def source_of(peer: str) -> TraceSource:
    """The plane of a session's peer."""
    return TraceSource.SOULSEEK if peer.startswith(SOULSEEK_PREFIX) else TraceSource.OVERLAY


class TraceSink(Protocol):
    """Where a session notes what happens. Bound to job, track, variant and transfer when it is made; `None` in its place = tracing is off."""

    def note(  # noqa: PLR0917  (positional: it is called for every chunk)
        self,
        now: float,
        action: TraceAction,
        peer: str = "",
        leaf: int = -1,
        offset: int = -1,
        length: int = 0,
        duration_s: float = -1.0,
        code: str = "",
    ) -> None:
        """Note an event, in about a microsecond: no formatting, no I/O, never raises, never blocks.

        `now`: monotonic seconds, the session's own clock. leaf, offset (bytes, payload space), duration_s: −1 where there is none.
        """


Noted: TypeAlias = tuple[float, str, str, int, int, int, float, str]
"""What a sink keeps of an event: now, action, peer, leaf, offset, length, duration_s, code; as `TraceSink.note` took them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """What a sink is bound to."""

    job: uuid.UUID
    """the job; for wants that no job asked for, the want"""
    track: uuid.UUID
    """recording MBID"""
    variant: str
    """payload root, hex"""
    transfer: uuid.UUID
    profile: str = ""
    """codec profile"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One event, with everything that was known of it."""

    action: str
    """a TraceAction, or the word of a newer version, kept as it is"""
    at: datetime
    """aware UTC, to the microsecond"""
    mono_s: float
    """monotonic seconds of the node that wrote it: differences within one run of it are exact, across runs they mean nothing"""
    context: TraceContext
    source: TraceSource
    peer: str = ""
    leaf: int = -1
    offset: int = -1
    length: int = 0
    """bytes"""
    duration_ms: float = -1.0
    code: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None or self.at.utcoffset() != timedelta(0):
            raise ValueError(self.at)
