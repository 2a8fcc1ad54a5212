"""What events add up to: bytes, leaves, requests and faults per transfer and peer. Exact, and itself a value that can be carried.

A tally is fed event by event, in order. `to_json` and `from_json` let it outlive the events: rotation removes an old part, its tally stays in
the header of the newest one. Pure.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from apps.domain.swarm.trace import Noted, TraceAction, TraceContext, TraceEvent, TraceSource, source_of

MAX_PEERS: Final = 2000
"""Per transfer, in a carried tally: more are summed under no name."""
TIMEOUTS: Final = frozenset({"timed_out", "timeout", "idle"})
"""Codes that say: it took too long."""


@dataclass(slots=True)
class PeerTally:
    """One peer in one transfer. Bytes unless said otherwise; mutable by purpose."""

    source: TraceSource = TraceSource.OVERLAY
    requested: int = 0
    requests: int = 0
    received: int = 0
    """all that arrived whole"""
    received_chunks: int = 0
    vain: int = 0
    """of `received`: it counted for nothing (a duplicate, too late, unasked)"""
    verified: int = 0
    """of this peer's leaves that count, those lost again taken off"""
    lost: int = 0
    bad_leaves: int = 0
    bad: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """requests that brought nothing through the peer's fault, by code: chunk errors, and those we took back for taking too long"""
    cancelled: int = 0
    """requests we took back for reasons of our own"""
    left: Counter[str] = field(default_factory=Counter)
    """times it left, by code"""
    charges: int = 0
    duration_ms: float = 0.0
    """sum over received chunks"""
    first_at: float | None = None
    """times: seconds since 1970"""
    last_at: float | None = None


@dataclass(slots=True)
class TransferTally:
    """One transfer. Mutable by purpose."""

    context: TraceContext
    payload: int = 0
    """bytes"""
    held_before: int = 0
    """bytes that were there when its first session in the trace began"""
    sessions: int = 0
    started_at: float | None = None
    """times: seconds since 1970"""
    first_byte_at: float | None = None
    """when the first leaf was verified"""
    last_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""
    """completed, aborted, or "" = neither was noted"""
    code: str = ""
    """why it was aborted, or waits"""
    rescues: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    peers: dict[str, PeerTally] = field(default_factory=dict)

    @property
    def verified(self) -> int:
        """Bytes verified while traced, those lost again taken off."""
        return sum(peer.verified for peer in self.peers.values())

    @property
    def received(self) -> int:
        """Bytes that arrived."""
        return sum(peer.received for peer in self.peers.values())

    @property
    def wasted(self) -> int:
        """Bytes that arrived and are not in the file: in vain, bad, or fetched again because of their sender."""
        return sum(peer.vain + peer.bad + peer.lost for peer in self.peers.values())


class Tally:
    """All transfers of a trace."""

    def __init__(self) -> None:
        self.transfers: Final[dict[uuid.UUID, TransferTally]] = {}
        self.events = 0
        self.dropped = 0
        """events that the sink had to drop"""

    def add(self, event: TraceEvent) -> None:
        """Count one event."""
        noted = (
            event.mono_s,
            event.action,
            event.peer,
            event.leaf,
            event.offset,
            event.length,
            event.duration_ms / 1000,
            event.code,
        )
        self.count(event.context, noted, event.at.timestamp(), event.source)

    def count(self, context: TraceContext, noted: Noted, epoch_s: float, source: TraceSource | None = None) -> None:
        """Count what a sink kept; `epoch_s`: its time in seconds since 1970."""
        self.events += 1
        transfer = self.transfers.get(context.transfer)
        if transfer is None:
            transfer = self.transfers[context.transfer] = TransferTally(context)
        transfer.last_at = epoch_s
        if not noted[2]:
            if noted[1] == TraceAction.TRACE_GAP:
                self.dropped += noted[5]
            else:
                _add_to_transfer(transfer, noted, epoch_s)
        elif not _add_to_peer(transfer, noted, epoch_s, source):
            _add_to_transfer(transfer, noted, epoch_s)

    def to_json(self) -> dict[str, object]:
        """As a value for a part's header."""
        return {
            "events": self.events,
            "dropped": self.dropped,
            "transfers": [_transfer_json(one) for one in self.transfers.values()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object], *, job: uuid.UUID) -> Tally:
        """What `to_json` made. What can't be read is left out: a carried tally is a help, not a proof."""
        tally = cls()
        tally.events, tally.dropped = _int(value.get("events")), _int(value.get("dropped"))
        transfers = value.get("transfers")
        for one in transfers if isinstance(transfers, list) else []:
            read = _transfer_of(one, job) if isinstance(one, dict) else None
            if read is not None:
                tally.transfers[read.context.transfer] = read
        return tally


def _add_to_peer(transfer: TransferTally, noted: Noted, at: float, source: TraceSource | None) -> bool:
    """Count what is about a peer; False when it is about the transfer after all."""
    _now, action, key, _leaf, _offset, length, duration_s, code = noted
    peer = transfer.peers.get(key)
    if peer is None:
        peer = transfer.peers[key] = PeerTally(source or source_of(key), first_at=at)
    peer.last_at = at
    match action:
        case TraceAction.CHUNK_REQUESTED:
            peer.requests += 1
            peer.requested += length
        case TraceAction.CHUNK_RECEIVED:
            peer.received += length
            peer.received_chunks += 1
            if code:
                peer.vain += length
            if duration_s > 0:
                peer.duration_ms += duration_s * 1000
        case TraceAction.LEAF_VERIFIED:
            peer.verified += length
            if transfer.first_byte_at is None:
                transfer.first_byte_at = at
        case TraceAction.LEAF_IN_VAIN:
            peer.vain += length
        case TraceAction.LEAF_LOST:
            peer.verified -= length
            peer.lost += length
            transfer.outcome = ""
        case TraceAction.LEAF_BAD:
            peer.bad_leaves += 1
            peer.bad += length
        case TraceAction.CHUNK_ERROR:
            peer.errors[code] += 1
        case TraceAction.CHUNK_CANCELLED if code in TIMEOUTS:
            peer.errors[code] += 1
        case TraceAction.CHUNK_CANCELLED:
            peer.cancelled += 1
        case TraceAction.PEER_GONE:
            peer.left[code] += 1
        case TraceAction.PEER_CHARGED:
            peer.charges += 1
        case _:
            return False
    return True


def _add_to_transfer(transfer: TransferTally, noted: Noted, at: float) -> None:
    _now, action, _peer, _leaf, offset, length, _duration_s, code = noted
    match action:
        case TraceAction.TRANSFER_STARTED:
            if not transfer.sessions:
                transfer.started_at, transfer.held_before = at, max(offset, 0)
            transfer.sessions += 1
            transfer.payload = length or transfer.payload
            transfer.outcome, transfer.code, transfer.ended_at = "", "", None
        case TraceAction.MANIFEST_ACCEPTED:
            transfer.payload = length or transfer.payload
        case TraceAction.TRANSFER_COMPLETED | TraceAction.TRANSFER_ABORTED:
            transfer.outcome = "completed" if action == TraceAction.TRANSFER_COMPLETED else "aborted"
            transfer.code, transfer.ended_at = code, at
        case TraceAction.WAITING:
            transfer.code = code
        case TraceAction.RESCUE_INVOKED:
            transfer.rescues += 1
        case TraceAction.DECISION:
            transfer.decisions[code] += 1
        case _:
            pass


def _transfer_json(one: TransferTally) -> dict[str, object]:
    context = one.context
    kept = dict(sorted(one.peers.items(), key=lambda item: -item[1].received)[:MAX_PEERS])
    return {
        "transfer": str(context.transfer),
        "track": str(context.track),
        "variant": context.variant,
        "profile": context.profile,
        "payload": one.payload,
        "held_before": one.held_before,
        "sessions": one.sessions,
        "started_at": _at(one.started_at),
        "first_byte_at": _at(one.first_byte_at),
        "last_at": _at(one.last_at),
        "ended_at": _at(one.ended_at),
        "outcome": one.outcome,
        "code": one.code,
        "rescues": one.rescues,
        "decisions": dict(one.decisions),
        "peers": {key: _peer_json(peer) for key, peer in kept.items()},
    }


def _peer_json(peer: PeerTally) -> dict[str, object]:
    return {
        "source": peer.source.value,
        **{name: getattr(peer, name) for name in _COUNTS},
        "duration_ms": round(peer.duration_ms, 3),
        "errors": dict(peer.errors),
        "left": dict(peer.left),
        "first_at": _at(peer.first_at),
        "last_at": _at(peer.last_at),
    }


_COUNTS: Final = (
    "requested",
    "requests",
    "received",
    "received_chunks",
    "vain",
    "verified",
    "lost",
    "bad_leaves",
    "bad",
    "cancelled",
    "charges",
)


def _transfer_of(value: Mapping[str, object], job: uuid.UUID) -> TransferTally | None:
    try:
        context = TraceContext(
            job=job,
            track=uuid.UUID(str(value.get("track"))),
            variant=str(value.get("variant", "")),
            transfer=uuid.UUID(str(value.get("transfer"))),
            profile=str(value.get("profile", "")),
        )
    except ValueError:
        return None
    peers = value.get("peers")
    return TransferTally(
        context,
        payload=_int(value.get("payload")),
        held_before=_int(value.get("held_before")),
        sessions=_int(value.get("sessions")),
        started_at=_time(value.get("started_at")),
        first_byte_at=_time(value.get("first_byte_at")),
        last_at=_time(value.get("last_at")),
        ended_at=_time(value.get("ended_at")),
        outcome=str(value.get("outcome", "")),
        code=str(value.get("code", "")),
        rescues=_int(value.get("rescues")),
        decisions=_counter(value.get("decisions")),
        peers={
            str(key): _peer_of(one)
            for key, one in (peers.items() if isinstance(peers, dict) else ())
            if isinstance(one, dict)
        },
    )


def _peer_of(value: Mapping[str, object]) -> PeerTally:
    peer = PeerTally(TraceSource.SOULSEEK if value.get("source") == "soulseek" else TraceSource.OVERLAY)
    for name in _COUNTS:
        setattr(peer, name, _int(value.get(name)))
    duration = value.get("duration_ms")
    peer.duration_ms = float(duration) if isinstance(duration, int | float) else 0.0
    peer.errors, peer.left = _counter(value.get("errors")), _counter(value.get("left"))
    peer.first_at, peer.last_at = _time(value.get("first_at")), _time(value.get("last_at"))
    return peer


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _counter(value: object) -> Counter[str]:
    return Counter({str(key): _int(count) for key, count in (value.items() if isinstance(value, dict) else ())})


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _at(at: float | None) -> float | None:
    return round(at, 6) if at is not None else None
