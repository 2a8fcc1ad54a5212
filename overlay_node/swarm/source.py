"""What a swarm session knows of one peer: its state, what it holds, how fast it is, what it did wrong.

Owns the per-peer arithmetic (deadlines, quarantine, what is in flight), not the choice of what to ask: that is the policy's. State and blame are
about one transfer; `pace` and `metrics` are the peer's own, shared by all transfers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from apps.domain.peers.metrics import PeerMetrics
from apps.domain.peers.reputation import NEUTRAL
from apps.domain.swarm.estimate import Pace
from overlay_node.protocol.limits import CHUNK_DEADLINE_MS, CHUNKS_IN_FLIGHT_DEFAULT, MAX_DEADLINE_MS, TRANSFER_IDLE_S
from overlay_node.protocol.states import DOWNLOADER, DownloaderEvent, DownloaderState, advance, is_final
from overlay_node.swarm.flight import Request

QUARANTINE_BAD_LEAVES = 1  # an honest peer never sends one: TLS lets no bit flip on the way
MAX_BAD_TRIES = (
    6  # per leaf and peer, with growing pauses: a peer that corrupts at random gets there, one that always lies doesn't
)
BAD_RETRY_S = 0.2  # first pause after a bad leaf; doubles with each further one of the same leaf
HOPELESS_BAD_LEAVES = 16  # with fewer good leaves than bad ones by then, its bytes cost more than they bring
MAX_STRIKES = 3  # timeouts and read errors in a row before the peer is let go
MAX_RECALLED = 16  # cancelled requests of a peer that are remembered: twice what can be in flight
MAX_UNHELD = 12  # leaves in a row that it advertised and does not have: each costs a round trip and no bytes; what it does have still helps

Data: TypeAlias = bytes | bytearray | memoryview
_ACTIVE = frozenset({DownloaderState.READY, DownloaderState.REQUESTING, DownloaderState.DRAINING})


@dataclass(slots=True, eq=False)
class Source:
    """One peer in one transfer. Mutable, compared by identity."""

    peer: str
    since: float
    pace: Pace = field(default_factory=Pace)
    metrics: PeerMetrics = field(default_factory=PeerMetrics)
    state: DownloaderState = DownloaderState.NEW
    active: bool = False
    """True when it may be asked for chunks"""
    code: str = ""
    """why it ended"""
    cap: int = CHUNKS_IN_FLIGHT_DEFAULT
    """most chunks in flight: its share, when several sessions ask the same peer"""
    have: bytes | bytearray = b""
    """one byte per leaf, 1 = it holds it; sources that hold everything share one object"""
    complete: bool = False
    """it claims the whole payload"""
    flight: dict[int, Request] = field(default_factory=dict)
    """by offset"""
    flight_bytes: int = 0
    recalled: dict[int, Request] = field(default_factory=dict)
    """cancelled requests, by offset: their chunk may still come, and is worth as much as any other"""
    parts: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """leaf → offset → bytes, of leaves asked for in several requests"""
    trusted: bool = False
    """it delivered a verified leaf of this payload"""
    shunned: bool = False
    """its reputation is below the limit: asked only for what nobody else has"""
    barred: bool = False
    """and by the setting not even for that"""
    reputation: float = NEUTRAL
    """0..1, as of the last look"""
    window_bytes: int = 0
    """how much the policy wants in flight with it"""
    cost: float = 0.0
    """as of the last rebalance"""
    last_byte_at: float = 0.0
    asked_last_at: float = 0.0
    idle_because: str = ""
    """the reason last told to a trace why it gets nothing; "" = it got something since"""
    retry_at: float = 0.0
    """not asked before: it said rate_limited"""
    refusals: int = 0
    strikes: int = 0
    unheld: int = 0
    """leaves in a row that it advertised and does not have"""
    bad_leaves: int = 0
    bad_tries: dict[int, int] = field(default_factory=dict)
    bad_retry_at: dict[int, float] = field(default_factory=dict)
    verified_leaves: int = 0
    verified_bytes: int = 0
    wasted_bytes: int = 0
    undelivered: bool = False
    """charged once for not having what it advertised"""
    epoch: int = -1
    looked: int = 0
    """how far it has looked through the board's order of that epoch"""

    # ---- state

    def on(self, event: DownloaderEvent) -> None:
        """Move by the table; LocalProtocolError for an edge it does not have."""
        self.state = advance(DOWNLOADER, self.state, event)
        self.active = self.state in _ACTIVE

    @property
    def ended(self) -> bool:
        """True once nothing more will come of it."""
        return is_final(DOWNLOADER, self.state)

    @property
    def quarantined(self) -> bool:
        """True once it proved corrupt: asked only for what nobody else has, and parted from what it sent as soon as others hold it."""
        return self.bad_leaves >= QUARANTINE_BAD_LEAVES

    @property
    def tainted(self) -> bool:
        """True when something speaks against asking it while others can be asked."""
        return self.shunned or self.bad_leaves >= QUARANTINE_BAD_LEAVES

    @property
    def hopeless(self) -> bool:
        """True when its bytes cost more than they bring."""
        return self.bad_leaves >= HOPELESS_BAD_LEAVES and self.verified_leaves < self.bad_leaves

    def has(self, leaf: int) -> bool:
        """True when it holds `leaf`."""
        return self.complete or (leaf < len(self.have) and self.have[leaf] == 1)

    def clean_for(self, leaf: int) -> bool:
        """True when it holds `leaf` and nothing speaks against asking it."""
        return self.active and not self.tainted and self.has(leaf)

    def may_retry(self, leaf: int, now: float) -> bool:
        """True when it may be asked although something speaks against it: for want of another source."""
        return (
            self.active
            and not self.barred
            and self.has(leaf)
            and self.bad_tries.get(leaf, 0) < MAX_BAD_TRIES
            and now >= self.bad_retry_at.get(leaf, 0.0)
        )

    # ---- in flight

    @property
    def speed_bps(self) -> float | None:
        """Bytes a second while asked; None before anything came."""
        return self.pace.rate_bps if self.pace.known else None

    @property
    def room(self) -> int:
        """How many more requests it may have in flight."""
        return max(0, self.cap - len(self.flight))

    def deadline_ms(self, length: int) -> int:
        """The deadline to send along with a request of so many bytes: 5 s, more for a peer known to be slow."""
        pace = self.pace
        if not pace.known:
            return CHUNK_DEADLINE_MS
        expected_ms = 1500 * (length + pace.left_bytes) / pace.rate_bps
        if expected_ms <= CHUNK_DEADLINE_MS:
            return CHUNK_DEADLINE_MS
        return int(min(expected_ms, MAX_DEADLINE_MS, TRANSFER_IDLE_S * 500))

    def answered(self, request: Request, now: float) -> None:
        """A request was answered with data: learn its pace."""
        pace = self.pace
        pace.arrived(request, now)
        self.flight_bytes -= request.length
        self.metrics.chunk_received(now, length=pace.new_bytes, busy_s=pace.busy_s, rtt_s=pace.rtt_s)
        self.last_byte_at = now
        self.strikes = self.unheld = 0
        self.refusals = 0

    def recall(self, request: Request, now: float) -> None:
        """A request was cancelled."""
        self.pace.forgotten(request, now)
        self.flight_bytes -= request.length
        self.recalled[request.offset] = request
        if len(self.recalled) > MAX_RECALLED:
            del self.recalled[next(iter(self.recalled))]

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

    # ---- blame

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
        self.metrics.leaf_corrupt(now)

    def remember(self, past: Source) -> None:
        """What it did before counts: leaving and coming back washes nothing clean."""
        self.bad_leaves, self.bad_tries, self.bad_retry_at = past.bad_leaves, past.bad_tries, past.bad_retry_at
        self.verified_leaves, self.verified_bytes = past.verified_leaves, past.verified_bytes
        self.wasted_bytes, self.trusted, self.undelivered = past.wasted_bytes, past.trusted, past.undelivered
