"""A trace in a page: who gave what over which plane, when it flowed and when it stood still, and what was out of the ordinary.

Sums come from the tally (exact, rotation included), times, curves and stalls from the events that are still there. Words are codes and params
(`trace_sentences`). Pure.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from apps.domain.errors import Param
from apps.domain.swarm.trace import TraceAction, TraceContext, TraceEvent, TraceSource
from apps.domain.swarm.trace_lines import Trace
from apps.domain.swarm.trace_tally import TIMEOUTS, PeerTally, Tally, TransferTally

STALL_S: Final = 10.0
"""No verified byte for so long while a transfer runs is a stall: twice the deadline of a chunk (PROTOCOL-FACTS)."""
BINS: Final = 60
"""Points of a throughput curve."""
DUPLICATE_SHARE: Final = 0.02
"""Bytes in vain above this share of all received ones are called out: what the engine allows itself (issue bar)."""
SHORT_KEY: Final = 8
"""Characters by which a peer is called in a sentence."""
DEPARTURES: Final = frozenset({"disconnected", "link_closed"})
COMPLETE: Final = frozenset({"complete", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a person should see. `code` and `params` make its sentence."""

    code: str
    params: dict[str, Param]
    tone: str
    """bad, warn or info"""
    at: datetime | None = None
    peer: str = ""
    track: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerShare:
    """What one peer gave. Bytes unless said otherwise."""

    peer: str
    source: TraceSource
    verified: int
    """in the file"""
    share: float
    """0..1 of all verified bytes"""
    received: int
    vain: int
    bad: int
    bad_leaves: int
    lost: int
    """verified, and fetched again because this peer proved corrupt or the disk failed"""
    requests: int
    timeouts: int
    refusals: int
    cancelled: int
    left: int
    """times it left by itself"""
    mean_ms: float | None
    """from request to the whole chunk"""
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneShare:
    """What one plane gave."""

    source: TraceSource
    verified: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A time without a verified byte."""

    transfer: uuid.UUID
    track: uuid.UUID
    start: datetime
    end: datetime
    code: str
    """why, as far as the session said (`no_source`, …); "" while it waited for peers that had been asked"""
    open: bool = False
    """it had not ended when the trace was read"""

    @property
    def seconds(self) -> float:
        """How long."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Verified bytes over time: `bins` of equal length from `start` on."""

    start: datetime | None = None
    bin_s: float = 0.0
    bins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSummary:
    """One payload that was fetched for a track."""

    id: uuid.UUID
    variant: str
    profile: str
    payload: int
    verified: int
    outcome: str
    code: str
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A track, or a whole job (`track` None)."""

    track: uuid.UUID | None
    payload: int
    """bytes; of all transfers together"""
    verified: int
    """bytes verified while traced, less those lost again"""
    held_before: int
    """bytes that were there before the trace began"""
    received: int
    vain: int
    started_at: datetime | None
    first_byte_at: datetime | None
    ended_at: datetime | None
    """None while it runs"""
    last_at: datetime | None
    rescues: int
    decisions: dict[str, int]
    peers: tuple[PeerShare, ...]
    planes: tuple[PlaneShare, ...]
    transfers: tuple[TransferSummary, ...]
    stalls: tuple[Stall, ...]
    curve: Curve
    findings: tuple[Finding, ...]

    @property
    def seconds(self) -> float | None:
        """From the start to the end, or to the last event."""
        end = self.ended_at or self.last_at
        return (end - self.started_at).total_seconds() if self.started_at and end else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """Everything: the job, and its tracks in the order in which they began."""

    job: uuid.UUID
    events: int
    whole: Summary
    tracks: tuple[Summary, ...]


@dataclass(slots=True)
class _Flow:
    """What the events of one transfer say of its times."""

    stalls: list[Stall] = field(default_factory=list)
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    parted: Counter[str] = field(default_factory=Counter)
    dropped: set[str] = field(default_factory=set)
    rescues: list[TraceEvent] = field(default_factory=list)
    refused: list[TraceEvent] = field(default_factory=list)
    bad_at: dict[str, datetime] = field(default_factory=dict)


def trace_summary(trace: Trace, *, now: datetime | None = None, stall_s: float = STALL_S) -> TraceSummary:
    """The summary of a trace. `now`: when a transfer that has not ended may stand still until now; None leaves open ends open."""
    tally = Tally.from_json(trace.carried, job=trace.job)
    by_transfer: dict[uuid.UUID, list[TraceEvent]] = {}
    for event in trace.events:
        tally.add(event)
        by_transfer.setdefault(event.context.transfer, []).append(event)
    flows = {
        transfer.context.transfer: _flow(by_transfer.get(transfer.context.transfer, ()), now=now, stall_s=stall_s)
        for transfer in tally.transfers.values()
    }
    by_track: dict[uuid.UUID, list[TransferTally]] = {}
    for transfer in tally.transfers.values():
        by_track.setdefault(transfer.context.track, []).append(transfer)
    tracks = tuple(
        _summary(track, transfers, [flows[one.context.transfer] for one in transfers])
        for track, transfers in sorted(by_track.items(), key=lambda item: (_begin(item[1]), item[0]))
    )
    whole = _summary(None, list(tally.transfers.values()), list(flows.values()), extra=_about_trace(trace, tally))
    return TraceSummary(job=trace.job, events=tally.events, whole=whole, tracks=tracks)


# ---- times


def _flow(events: Sequence[TraceEvent], *, now: datetime | None, stall_s: float) -> _Flow:
    flow = _Flow()
    since: datetime | None = None  # last progress, while a session runs
    why, last, complete = "", None, False
    for event in events:
        action = event.action
        if action == TraceAction.TRANSFER_STARTED:
            since, why, complete = event.at, "", False
        elif action == TraceAction.LEAF_VERIFIED:
            if since is not None:
                _stall(flow, event.context, span=(since, event.at), code=why, stall_s=stall_s)
            since, why = (None if complete else event.at), ""
            flow.arrivals.append((event.at.timestamp(), event.length))
        elif action in {TraceAction.TRANSFER_COMPLETED, TraceAction.TRANSFER_ABORTED}:
            if since is not None:
                _stall(flow, event.context, span=(since, event.at), code=why, stall_s=stall_s)
            since, complete = None, action == TraceAction.TRANSFER_COMPLETED
        else:
            complete = complete and action != TraceAction.LEAF_LOST  # then something has to come again
            why = event.code or why if action == TraceAction.WAITING else why
            _note(flow, event)
        last = event
    if since is not None and last is not None:
        end = max(now, last.at) if now is not None else last.at
        _stall(flow, last.context, span=(since, end), code=why, stall_s=stall_s, open_end=True)
    return flow


def _stall(
    flow: _Flow,
    context: TraceContext,
    *,
    span: tuple[datetime, datetime],
    code: str,
    stall_s: float,
    open_end: bool = False,
) -> None:
    start, end = span
    if (end - start).total_seconds() > stall_s:
        flow.stalls.append(
            Stall(
                transfer=context.transfer,
                track=context.track,
                start=start,
                end=end,
                code=code,
                open=open_end,
            )
        )


def _note(flow: _Flow, event: TraceEvent) -> None:
    match event.action:
        case TraceAction.LEAF_LOST if event.code == "sender_corrupt":
            flow.parted[event.peer] += 1
        case TraceAction.LEAF_BAD:
            flow.bad_at.setdefault(event.peer, event.at)
        case TraceAction.PEER_GONE if event.code not in COMPLETE | DEPARTURES:
            flow.dropped.add(event.peer)
        case TraceAction.RESCUE_INVOKED:
            flow.rescues.append(event)
        case TraceAction.MANIFEST_REFUSED:
            flow.refused.append(event)
        case _:
            pass


def _curve(arrivals: Iterable[tuple[float, int]], start: datetime | None, end: datetime | None) -> Curve:
    found = sorted(arrivals)
    if not found or start is None:
        return Curve()
    begin = min(start.timestamp(), found[0][0])
    last = max(found[-1][0], end.timestamp() if end is not None else 0.0)
    bin_s = max((last - begin) / BINS, 0.001)
    bins = [0] * min(BINS, int((last - begin) / bin_s) + 1)
    for at, length in found:
        bins[min(int((at - begin) / bin_s), len(bins) - 1)] += length
    return Curve(start=datetime.fromtimestamp(begin, UTC), bin_s=round(bin_s, 6), bins=tuple(bins))


# ---- sums


def _summary(
    track: uuid.UUID | None, transfers: list[TransferTally], flows: list[_Flow], *, extra: Sequence[Finding] = ()
) -> Summary:
    peers = _peers(transfers)
    verified = sum(transfer.verified for transfer in transfers)
    started = _least(transfer.started_at for transfer in transfers)
    ended = _end(transfers)
    last = _most(transfer.last_at for transfer in transfers)
    stalls = tuple(sorted((stall for flow in flows for stall in flow.stalls), key=lambda stall: stall.start))
    findings = [*extra, *_findings(transfers, flows, stalls)]
    findings.sort(key=lambda one: ({"bad": 0, "warn": 1}.get(one.tone, 2), one.at or datetime.min.replace(tzinfo=UTC)))
    return Summary(
        track=track,
        payload=sum(transfer.payload for transfer in transfers),
        verified=verified,
        held_before=sum(transfer.held_before for transfer in transfers),
        received=sum(transfer.received for transfer in transfers),
        vain=sum(peer.vain for peer in peers),
        started_at=started,
        first_byte_at=_least(transfer.first_byte_at for transfer in transfers),
        ended_at=ended,
        last_at=last,
        rescues=sum(transfer.rescues for transfer in transfers),
        decisions=dict(sum((transfer.decisions for transfer in transfers), Counter[str]()).most_common()),
        peers=peers,
        planes=_planes(peers),
        transfers=tuple(_transfer(transfer) for transfer in transfers),
        stalls=stalls,
        curve=_curve((one for flow in flows for one in flow.arrivals), started, ended or last),
        findings=tuple(findings),
    )


def _transfer(one: TransferTally) -> TransferSummary:
    return TransferSummary(
        id=one.context.transfer,
        variant=one.context.variant,
        profile=one.context.profile,
        payload=one.payload,
        verified=one.verified,
        outcome=one.outcome,
        code=one.code,
        sessions=one.sessions,
    )


def _peers(transfers: list[TransferTally]) -> tuple[PeerShare, ...]:
    by_key: dict[str, list[PeerTally]] = {}
    for transfer in transfers:
        for key, peer in transfer.peers.items():
            by_key.setdefault(key, []).append(peer)
    total = sum(max(peer.verified, 0) for peers in by_key.values() for peer in peers)
    shares = [_share(key, peers, total) for key, peers in by_key.items()]
    return tuple(sorted(shares, key=lambda one: (-one.verified, -one.received, one.peer)))


def _share(key: str, peers: list[PeerTally], total: int) -> PeerShare:
    errors = sum((peer.errors for peer in peers), Counter[str]())
    left = sum((peer.left for peer in peers), Counter[str]())
    verified = sum(peer.verified for peer in peers)
    chunks = sum(peer.received_chunks for peer in peers)
    timeouts = sum(errors[code] for code in TIMEOUTS)
    return PeerShare(
        peer=key,
        source=peers[0].source,
        verified=verified,
        share=max(verified, 0) / total if total else 0.0,
        received=sum(peer.received for peer in peers),
        vain=sum(peer.vain for peer in peers),
        bad=sum(peer.bad for peer in peers),
        bad_leaves=sum(peer.bad_leaves for peer in peers),
        lost=sum(peer.lost for peer in peers),
        requests=sum(peer.requests for peer in peers),
        timeouts=timeouts,
        refusals=errors.total() - timeouts - sum(errors[code] for code in DEPARTURES),
        cancelled=sum(peer.cancelled for peer in peers),
        left=sum(left[code] for code in DEPARTURES),
        mean_ms=sum(peer.duration_ms for peer in peers) / chunks if chunks else None,
        first_at=_least(peer.first_at for peer in peers),
        last_at=_most(peer.last_at for peer in peers),
    )


def _planes(peers: Sequence[PeerShare]) -> tuple[PlaneShare, ...]:
    total = sum(max(peer.verified, 0) for peer in peers)
    shares = []
    for source in TraceSource:
        mine = [peer for peer in peers if peer.source is source]
        verified = sum(max(peer.verified, 0) for peer in mine)
        if mine:
            shares.append(PlaneShare(source=source, verified=verified, share=verified / total if total else 0.0))
    return tuple(shares)


# ---- what was out of the ordinary


def _findings(transfers: list[TransferTally], flows: list[_Flow], stalls: Sequence[Stall]) -> list[Finding]:
    found: list[Finding] = []
    by_peer: dict[str, list[tuple[PeerTally, _Flow]]] = {}
    for transfer, flow in zip(transfers, flows, strict=True):
        for key, peer in transfer.peers.items():
            by_peer.setdefault(key, []).append((peer, flow))
    tracks = {transfer.context.track for transfer in transfers}
    only = next(iter(tracks)) if len(tracks) == 1 else None
    for key, shares in by_peer.items():
        found += _peer_findings(key, shares, only)
    for transfer, flow in zip(transfers, flows, strict=True):
        track = transfer.context.track
        found += [
            Finding(
                code="trace_rescue", params={"why": event.code, "at": _after(transfer, event.at)}, tone="warn",
                at=event.at, track=track,
            )
            for event in flow.rescues
        ]  # fmt: skip
        found += [
            Finding(
                code="trace_manifest_refused", params={"peer": event.peer[:SHORT_KEY], "why": event.code},
                tone="bad" if event.code == "bad_manifest" else "info", at=event.at, peer=event.peer, track=track,
            )
            for event in flow.refused
        ]  # fmt: skip
        if transfer.sessions > 1:
            found.append(
                Finding(code="trace_resumed", params={"count": transfer.sessions - 1}, tone="info", track=track)
            )
        if transfer.outcome == "aborted":
            found.append(
                Finding(
                    code="trace_aborted",
                    params={"why": transfer.code},
                    tone="warn",
                    at=_at(transfer.ended_at),
                    track=track,
                )
            )
    reached: dict[str, datetime] = {}
    for stall in sorted(
        stalls, key=lambda one: (one.start, -one.seconds)
    ):  # several transfers stand still together: said once
        if stall.code not in reached or stall.start > reached[stall.code]:
            params: dict[str, Param] = {"seconds": round(stall.seconds), "why": stall.code}
            code = "trace_stall_open" if stall.open else "trace_stall"
            found.append(Finding(code=code, params=params, tone="warn", at=stall.start, track=only))
        reached[stall.code] = max(stall.end, reached.get(stall.code, stall.end))
    received = sum(transfer.received for transfer in transfers)
    vain = sum(peer.vain for transfer in transfers for peer in transfer.peers.values())
    if received and vain / received > DUPLICATE_SHARE:
        found.append(
            Finding(code="trace_in_vain", params={"percent": round(100 * vain / received), "bytes": vain}, tone="warn")
        )
    return found


def _peer_findings(key: str, shares: list[tuple[PeerTally, _Flow]], track: uuid.UUID | None) -> list[Finding]:
    """What one peer did, over all its transfers. `track`: where it was only one."""
    found: list[Finding] = []

    def say(code: str, tone: str, at: datetime | None = None, **params: Param) -> None:
        found.append(
            Finding(code=code, params={"peer": key[:SHORT_KEY], **params}, tone=tone, at=at, peer=key, track=track)
        )

    bad = sum(peer.bad_leaves for peer, _flow in shares)
    if bad:
        again = sum(flow.parted[key] for _peer, flow in shares)
        parted = again or any(key in flow.dropped for _peer, flow in shares)
        at = min((flow.bad_at[key] for _peer, flow in shares if key in flow.bad_at), default=None)
        if again:
            say("trace_corrupt_refetched", "bad", at, count=bad, again=again)
        else:
            say("trace_corrupt_parted" if parted else "trace_corrupt", "bad", at, count=bad)
    errors = sum((peer.errors for peer, _flow in shares), Counter[str]())
    if timeouts := sum(errors[code] for code in TIMEOUTS):
        say("trace_timeouts", "warn", count=timeouts)
    for code, count in errors.most_common():
        if code not in TIMEOUTS | DEPARTURES:
            say("trace_refusals", "info", count=count, why=code)
    if left := sum(peer.left[code] for peer, _flow in shares for code in DEPARTURES):
        say("trace_left", "info", count=left)
    return found


def _about_trace(trace: Trace, tally: Tally) -> list[Finding]:
    found = []
    if tally.dropped:
        found.append(Finding(code="trace_gap", params={"count": tally.dropped}, tone="warn"))
    if trace.unreadable:
        found.append(Finding(code="trace_unreadable", params={"count": trace.unreadable}, tone="info"))
    if trace.carried:
        count = tally.events - len(trace.events)
        found.append(Finding(code="trace_rotated", params={"count": count}, tone="info"))
    return found


# ---- small parts


def _after(transfer: TransferTally, at: datetime) -> str:
    """How long after the start, as m:ss."""
    seconds = round(at.timestamp() - transfer.started_at) if transfer.started_at is not None else 0
    return f"{seconds // 60}:{seconds % 60:02}"


def _begin(transfers: list[TransferTally]) -> float:
    return min((one.started_at or one.last_at or 0.0 for one in transfers), default=0.0)


def _end(transfers: list[TransferTally]) -> datetime | None:
    if not transfers or any(one.ended_at is None for one in transfers):
        return None
    return _most(one.ended_at for one in transfers)


def _least(times: Iterable[float | None]) -> datetime | None:
    return _at(min((at for at in times if at is not None), default=None))


def _most(times: Iterable[float | None]) -> datetime | None:
    return _at(max((at for at in times if at is not None), default=None))


def _at(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at is not None else None
