"""What a swarm session knows of one peer: its state, what it holds, how fast it is, what it did wrong.

Owns the per-peer arithmetic (speed, window, deadlines, quarantine), not the choice of what to ask: that is the session's. Everything here is
about one transfer; reputation across transfers is kept elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

from overlay_node.protocol.limits import CHUNK_DEADLINE_MS, CHUNKS_IN_FLIGHT_DEFAULT, MAX_DEADLINE_MS, TRANSFER_IDLE_S
from overlay_node.protocol.states import DOWNLOADER, DownloaderEvent, DownloaderState, advance, is_final
from overlay_node.swarm.flight import Request

SAMPLE_S = 0.05
"""Shortest time a sample of the speed covers: chunks that a socket hands over together say nothing about the peer one by one."""
SPEED_WEIGHT = 0.3  # of the shortest sample in the moving average
FORGET_S = 2.0  # a sample that took so long replaces the average: a peer that slowed down is seen to be slow at once
COLD_WINDOW = 2  # chunks in flight before the first one has arrived: nothing is known, little is risked
PIPELINE_S = 2.0  # a peer is never asked for more than it delivers in this time, so that little is lost when it goes
QUARANTINE_BAD_LEAVES = 1  # an honest peer never sends one: TLS lets no bit flip on the way
MAX_BAD_TRIES = (
    6  # per leaf and peer, with growing pauses: a peer that corrupts at random gets there, one that always lies doesn't
)
BAD_RETRY_S = 0.2  # first pause after a bad leaf; doubles with each further one of the same leaf
HOPELESS_BAD_LEAVES = 16  # with fewer good leaves than bad ones by then, its bytes cost more than they bring
MAX_STRIKES = 3  # timeouts and read errors in a row before the peer is let go

Data: TypeAlias = bytes | bytearray | memoryview


@dataclass(slots=True)
class Source:
    """One peer in one transfer."""

    peer: str
    since: float
    state: DownloaderState = DownloaderState.NEW
    code: str = ""
    """why it ended"""
    cap: int = CHUNKS_IN_FLIGHT_DEFAULT
    """most chunks in flight: its share, when several sessions ask the same peer"""
    have: set[int] = field(default_factory=set)
    flight: dict[int, Request] = field(default_factory=dict)
    """by offset"""
    parts: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """leaf → offset → bytes, of leaves longer than one chunk"""
    speed_bps: float | None = None
    """bytes a second while asked; None before the first chunk"""
    sample_s: float = 0.0
    """asked time and bytes since the last sample of the speed"""
    sample_bytes: int = 0
    last_byte_at: float = 0.0
    retry_at: float = 0.0
    """not asked before: it said rate_limited"""
    refusals: int = 0
    strikes: int = 0
    bad_leaves: int = 0
    bad_tries: dict[int, int] = field(default_factory=dict)
    bad_retry_at: dict[int, float] = field(default_factory=dict)
    verified_leaves: int = 0
    verified_bytes: int = 0
    wasted_bytes: int = 0
    epoch: int = -1
    looked: int = 0
    """how far it has looked through the board's order of that epoch"""

    # ---- state

    def on(self, event: DownloaderEvent) -> None:
        """Move by the table; LocalProtocolError for an edge it does not have."""
        self.state = advance(DOWNLOADER, self.state, event)

    @property
    def ended(self) -> bool:
        """True once nothing more will come of it."""
        return is_final(DOWNLOADER, self.state)

    @property
    def active(self) -> bool:
        """True when it may be asked for chunks."""
        return self.state in {DownloaderState.READY, DownloaderState.REQUESTING, DownloaderState.DRAINING}

    @property
    def quarantined(self) -> bool:
        """True once it proved corrupt: asked only for what nobody else has, and parted from what it sent as soon as others hold it."""
        return self.bad_leaves >= QUARANTINE_BAD_LEAVES

    @property
    def hopeless(self) -> bool:
        """True when its bytes cost more than they bring."""
        return self.bad_leaves >= HOPELESS_BAD_LEAVES and self.verified_leaves < self.bad_leaves

    def clean_for(self, leaf: int) -> bool:
        """True when it holds `leaf` and nothing speaks against asking it."""
        return self.active and leaf in self.have and not self.quarantined and leaf not in self.bad_tries

    def may_retry(self, leaf: int, now: float) -> bool:
        """True when it may be asked although it sent bad leaves: for want of another source."""
        return (
            self.active
            and leaf in self.have
            and self.bad_tries.get(leaf, 0) < MAX_BAD_TRIES
            and now >= self.bad_retry_at.get(leaf, 0.0)
        )

    def has(self, leaf: int) -> bool:
        """True when it holds `leaf`."""
        return leaf in self.have

    @property
    def room(self) -> int:
        """How many more requests it may have in flight."""
        return max(0, self.cap - len(self.flight))

    # ---- pace

    def window(self, chunk_bytes: int) -> int:
        """How many chunks may be in flight: 1 to 4, by speed."""
        if self.speed_bps is None:
            return min(self.cap, COLD_WINDOW)
        return max(1, min(self.cap, math.ceil(self.speed_bps * PIPELINE_S / chunk_bytes)))

    def deadline_ms(self, length: int) -> int:
        """The deadline to send along: 5 s, more for a peer known to be slow."""
        if self.speed_bps is None:
            return CHUNK_DEADLINE_MS
        queued = length + sum(request.length for request in self.flight.values())
        expected_ms = 1500 * queued / max(self.speed_bps, 1.0)
        return int(min(max(expected_ms, CHUNK_DEADLINE_MS), MAX_DEADLINE_MS, TRANSFER_IDLE_S * 500))

    def arrived(self, request: Request, now: float) -> None:
        """A chunk of this peer arrived: learn its speed."""
        self.sample_s += max(now - max(request.asked_at, self.last_byte_at), 0.0)
        self.sample_bytes += request.length
        if self.speed_bps is None or self.sample_s >= SAMPLE_S:
            speed = self.sample_bytes / max(self.sample_s, 1e-3)
            weight = min(1.0, max(SPEED_WEIGHT, self.sample_s / FORGET_S))
            self.speed_bps = speed if self.speed_bps is None else self.speed_bps + weight * (speed - self.speed_bps)
            self.sample_s, self.sample_bytes = 0.0, 0
        self.last_byte_at = now
        self.strikes = 0
        self.refusals = 0

    def leaf_of(self, request: Request, data: Data, *, leaf_length: int) -> Data | None:
        """The leaf once all its chunks of this peer are here; None before."""
        if request.length == leaf_length:
            return data
        parts = self.parts.setdefault(request.leaf, {})
        parts[request.offset] = bytes(data)
        if sum(map(len, parts.values())) < leaf_length:
            return None
        del self.parts[request.leaf]
        return b"".join(parts[offset] for offset in sorted(parts))

    def overdue(self, request: Request, now: float) -> float:
        """Seconds by which a request exceeds its reply timeout; negative while it doesn't. A peer that delivers is never overdue."""
        return now - max(request.asked_at, self.last_byte_at) - request.timeout_s

    def silent_s(self, now: float) -> float:
        """Seconds without a byte although it was asked."""
        oldest = min((request.asked_at for request in self.flight.values()), default=now)
        return now - max(oldest, self.last_byte_at)

    def remaining_s(self, request: Request, now: float) -> float:
        """Estimated seconds until `request` is answered."""
        waited = now - max(request.asked_at, self.last_byte_at)
        if self.speed_bps is None:
            return 2 * waited
        ahead = sum(other.length for other in self.flight.values() if other.asked_at <= request.asked_at)
        expected = ahead / max(self.speed_bps, 1.0)
        return expected - waited if waited < expected else 2 * waited

    def parted_from(self, length: int) -> None:
        """A leaf of it, verified before it proved corrupt, is fetched again from somebody else."""
        self.verified_leaves -= 1
        self.verified_bytes -= length
        self.wasted_bytes += length

    def note_bad(self, leaf: int, length: int, now: float) -> None:
        """It sent wrong bytes for `leaf`."""
        tries = self.bad_tries.get(leaf, 0) + 1
        self.bad_leaves += 1
        self.wasted_bytes += length
        self.bad_tries[leaf] = tries
        self.bad_retry_at[leaf] = now + BAD_RETRY_S * 2 ** (tries - 1)
