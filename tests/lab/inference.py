"""From a recorded trace back to a network: what each peer could deliver when, as far as the trace shows it.

Theory. A peer answers in order, so the k-th answer was under way from max(when it was asked + delay, the arrival of the answer before) to its own
arrival: bytes / time is the peer's rate in that interval. Where it was not asked, nothing is known, and the last rate known holds on (before the
first: the first). Where it was asked and brought nothing for much longer than its bytes take, its rate was zero. The delay is the least time that an answer to
an idle peer took beyond its bytes. Stays are from `peer_added` to a `peer_gone` that says the link ended. Leaves that were bad stay bad, and of those
the record does not show as many as of those it does. A peer that said rate_limited says so again at the same times, and always when it never gave
anything; what it said it has not after all, it has not.

What a trace cannot show. Rates are those delivered: a peer that shared our full downlink looks as slow as it was served, so another policy is not
credited with more than was seen. Peers nobody asked are unknown: their rate is that of the median peer. Leaves that lay on the disk before do so
again; of a transfer that never ended, leaves the record does not bring count as there.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from apps.domain.audio.payload import LEAF_BYTES, leaf_count
from apps.domain.errors import DomainError
from apps.domain.swarm.trace import TraceAction, TraceEvent
from apps.domain.swarm.trace_lines import Trace
from overlay_node.protocol.messages import ChunkError
from tests.lab.loss import Line
from tests.lab.nat import Meeting
from tests.lab.payloads import payload
from tests.lab.personality import Life, Personality
from tests.lab.plan import PeerPlan, Plan, Wanted
from tests.lab.profile import FOREVER, Profile
from tests.lab.scenario import Between, Group, Kind, Scenario

_A = TraceAction
MIN_DELAY_S = 0.001
WINDOW_S = 0.25
GAP_S = 0.05
STALLED_S = 0.5
STALLED_FACTOR = 2.0
"""a request that brought nothing for so long, and for so many times what its bytes take, shows a silence"""
LINK_CODES = frozenset({"disconnected"})


class TraceNotReplayable(DomainError):
    """Nothing can be made of this trace."""

    default_code = "trace_not_replayable"


@dataclass(slots=True)
class Recorded:
    """What the record itself came to."""

    started_at: float
    finish_s: float
    """from the first start to the last leaf"""
    payload_bytes: int
    received_bytes: int
    shares: dict[str, int]
    """bytes that arrived, by peer"""
    completed: bool


@dataclass(slots=True)
class _Answer:
    asked: float
    arrived: float
    length: int


@dataclass(slots=True)
class _Transfer:
    started: float
    payload_bytes: int = 0
    leaf_bytes: int = LEAF_BYTES
    verified: set[int] = field(default_factory=set)
    ended: float = 0.0
    completed: bool = False


@dataclass(slots=True)
class _Peer:
    answers: list[_Answer] = field(default_factory=list)
    open: dict[tuple[UUID, int], _Answer] = field(default_factory=dict)
    """requests on their way, by transfer and offset"""
    unanswered: list[_Answer] = field(default_factory=list)
    """requests that ended without bytes; `arrived` is when"""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    stays: list[list[float]] = field(default_factory=list)
    manifest_s: list[float] = field(default_factory=list)
    added: dict[UUID, float] = field(default_factory=dict)
    have: dict[UUID, set[int]] = field(default_factory=dict)
    bad: dict[UUID, set[int]] = field(default_factory=dict)
    lacks: dict[UUID, set[int]] = field(default_factory=dict)
    good: int = 0


@dataclass(frozen=True, slots=True)
class Inferred:
    """A plan to run, and what it is compared with."""

    plan: Plan
    recorded: Recorded


def infer(trace: Trace) -> Inferred:
    """Raises TraceNotReplayable when the trace shows no transfer with bytes."""
    transfers, peers = _collect(trace.events)
    transfers = {name: one for name, one in transfers.items() if one.payload_bytes and one.verified}
    if not transfers or not any(one.answers for one in peers.values()):
        raise TraceNotReplayable("The trace shows no transfer with verified bytes.")
    if any(one.leaf_bytes != LEAF_BYTES for one in transfers.values()):
        raise TraceNotReplayable("The trace has leaves of a size the lab's payloads do not have.")
    zero = min(one.started for one in transfers.values())
    order = list(transfers)
    payloads = tuple(payload(transfers[name].payload_bytes, number) for number, name in enumerate(order))
    wanted = tuple(
        Wanted(
            at=transfers[name].started - zero,
            held=frozenset(range(leaf_count(transfers[name].payload_bytes))) - frozenset(transfers[name].verified),
        )
        for name in order
    )
    rates = [rate for one in peers.values() if (rate := _usual_rate(one)) is not None]
    plans = tuple(
        _plan_of(name, one, order, transfers, zero=zero, usual=statistics.median(rates)) for name, one in peers.items()
    )
    scenario = Scenario(
        name="replay",
        kind=Kind.STEADY,
        about="a recorded network",
        files=tuple(one.size for one in payloads),
        groups=(Group(count=len(plans), mb_s=Between(1.0, 1.0)),),
        limit_s=3600.0,
    )
    plan = Plan(scenario, 0, payloads, plans, Profile.constant(1.25e9), (), wanted)
    return Inferred(plan, _recorded(transfers, peers, zero))


def _collect(events: Sequence[TraceEvent]) -> tuple[dict[UUID, _Transfer], dict[str, _Peer]]:
    transfers: dict[UUID, _Transfer] = {}
    peers: dict[str, _Peer] = {}
    for event in events:
        now, name = event.mono_s, event.context.transfer
        transfer = transfers.setdefault(name, _Transfer(now))
        match event.action:
            case _A.TRANSFER_STARTED:
                transfer.payload_bytes = event.length or transfer.payload_bytes
            case _A.MANIFEST_ACCEPTED:
                transfer.payload_bytes, transfer.leaf_bytes = event.length, event.offset
            case _A.LEAF_VERIFIED:
                transfer.verified.add(event.leaf)
                transfer.ended = now
            case _A.TRANSFER_COMPLETED:
                transfer.completed, transfer.ended = True, max(transfer.ended, now)
            case _:
                pass
        if event.peer:
            _collect_peer(peers.setdefault(event.peer, _Peer()), transfer, event)
    for peer in peers.values():
        for (name, _), request in peer.open.items():
            request.arrived = max(transfers[name].ended, request.asked)
            peer.unanswered.append(request)
    return transfers, peers


def _collect_peer(peer: _Peer, transfer: _Transfer, event: TraceEvent) -> None:
    now, name = event.mono_s, event.context.transfer
    waited = event.duration_ms / 1000
    match event.action:
        case _A.PEER_ADDED:
            peer.added[name] = now
            if not peer.stays or peer.stays[-1][1] < FOREVER:
                peer.stays.append([now, FOREVER])
        case _A.PEER_GONE:
            for key in [key for key in peer.open if key[0] == name]:
                request = peer.open.pop(key)
                request.arrived = now
                peer.unanswered.append(request)
            if event.code in LINK_CODES and peer.stays and peer.stays[-1][1] == FOREVER:
                peer.stays[-1][1] = now
        case _A.MANIFEST_ACCEPTED if name in peer.added:
            peer.manifest_s.append(now - peer.added[name])
        case _A.PEER_HAVE:
            first = event.offset // transfer.leaf_bytes
            peer.have.setdefault(name, set()).update(range(first, first + event.length // transfer.leaf_bytes))
        case _A.PEER_PAUSED:
            peer.pauses.append((now, now + waited))
        case _A.CHUNK_REQUESTED:
            peer.open[name, event.offset] = _Answer(now, now, event.length)
        case _A.CHUNK_RECEIVED:
            asked = peer.open.pop((name, event.offset), None)
            if asked is not None or waited >= 0:
                since = now - waited if asked is None else asked.asked
                peer.answers.append(_Answer(since, now, event.length))
        case _A.CHUNK_ERROR | _A.CHUNK_CANCELLED:
            asked = peer.open.pop((name, event.offset), None)
            if event.code == "invalid_range":
                peer.lacks.setdefault(name, set()).add(event.leaf)
            elif event.action == _A.CHUNK_CANCELLED and asked is not None:
                asked.arrived = now
                peer.unanswered.append(asked)
        case _A.LEAF_VERIFIED:
            peer.good += 1
        case _A.LEAF_BAD:
            peer.bad.setdefault(name, set()).add(event.leaf)
        case _:
            pass


def _usual_rate(peer: _Peer) -> float | None:
    """Bytes a second over everything it brought; None when that was nothing."""
    spans = _under_way(peer, 0.0)
    seconds = sum(end - start for start, end, _ in spans)
    return sum(length for _, _, length in spans) / max(seconds, 1e-3) if spans else None


def _under_way(peer: _Peer, delay_s: float) -> list[tuple[float, float, int]]:
    """(from, to, bytes) of each answer, ascending. Answers that were handed over together count as one."""
    spans: list[tuple[float, float, int]] = []
    before = 0.0
    for one in sorted(peer.answers, key=lambda answer: answer.arrived):
        start = max(one.asked + delay_s, before)
        if spans and one.arrived - start < MIN_DELAY_S:
            last = spans.pop()
            spans.append((last[0], max(one.arrived, last[1]), last[2] + one.length))
        else:
            spans.append((min(start, one.arrived - MIN_DELAY_S), one.arrived, one.length))
        before = one.arrived
    return spans


def _windows(spans: Sequence[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    """The same in windows of at least WINDOW_S where answers follow each other: one answer alone tells little of a rate."""
    found: list[tuple[float, float, int]] = []
    for start, end, length in spans:
        if (
            found
            and start - found[-1][1] < GAP_S
            and (found[-1][1] - found[-1][0] < WINDOW_S or end - start < WINDOW_S / 4)
        ):
            found[-1] = (found[-1][0], end, found[-1][2] + length)
        else:
            found.append((start, end, length))
    return found


def _delay(peer: _Peer, rate: float) -> float:
    """From asking to the first byte. The manifest's round trip counts too: it is asked of an idle peer."""
    seen = [one.arrived - one.asked - one.length / rate for one in peer.answers] + peer.manifest_s
    return max(MIN_DELAY_S, min((value for value in seen if value > 0), default=MIN_DELAY_S))


def _silences(peer: _Peer, rate: float, delay_s: float) -> list[tuple[float, float]]:
    """When it was asked and brought nothing."""
    found = []
    for one in peer.unanswered:
        heard = max((other.arrived for other in peer.answers if other.arrived <= one.arrived), default=0.0)
        start = max(one.asked, heard)
        if one.arrived - start > max(STALLED_S, STALLED_FACTOR * (one.length / rate + delay_s)):
            found.append((start, one.arrived))
    return found


def _plan_of(
    name: str, peer: _Peer, order: list[UUID], transfers: dict[UUID, _Transfer], *, zero: float, usual: float
) -> PeerPlan:
    rate = _usual_rate(peer) or usual
    delay_s = _delay(peer, rate)
    steps: list[tuple[float, float]] = []
    for start, end, length in _windows(_under_way(peer, delay_s)):
        # what arrives now was sent half a round trip ago
        steps.append((max(start - zero - delay_s / 2, 0.0), length / (end - start)))
    steps.sort(key=lambda step: step[0])
    for start, end in _silences(peer, rate, delay_s):
        after = next((one.asked for one in peer.answers if one.arrived > end), None)
        steps.append((max(start - zero, 0.0), 0.0))
        if after is not None:
            steps.append((max(after - zero, 0.0), rate))
    first = min(steps, default=(0.0, rate))[1] or rate
    profile = Profile.steps([(0.0, first), *steps])
    bad = sum(map(len, peer.bad.values()))
    holds: list[frozenset[int] | None] = []
    for one in order:
        have = peer.have.get(one, set()) - peer.lacks.get(one, set())
        whole = len(have) >= leaf_count(transfers[one].payload_bytes)
        holds.append(None if whole else frozenset(have))
    personality = Personality(
        "recorded",
        lies=bad / (bad + peer.good) if bad else 0.0,
        bad_leaves=frozenset((number, leaf) for number, one in enumerate(order) for leaf in peer.bad.get(one, ())),
        refuses=ChunkError.RATE_LIMITED if peer.pauses and not peer.answers else None,
        boasts=bool(peer.lacks),
        pauses=tuple((start - zero, end - zero) for start, end in peer.pauses),
    )
    stays = tuple((max(start - zero, 0.0), end - zero) for start, end in peer.stays) or ((0.0, FOREVER),)
    return PeerPlan(
        name=name,
        life=Life(profile, stays),
        personality=personality,
        rtt_s=delay_s,
        jitter_s=0.0,
        lines=(Line(Profile.constant(1.25e9)),),
        meetings=(Meeting(0.0, linked_already=True),),
        holds=tuple(holds),
    )


def _recorded(transfers: dict[UUID, _Transfer], peers: dict[str, _Peer], zero: float) -> Recorded:
    return Recorded(
        started_at=zero,
        finish_s=max(one.ended for one in transfers.values()) - zero,
        payload_bytes=sum(
            sum(min(one.leaf_bytes, one.payload_bytes - leaf * one.leaf_bytes) for leaf in one.verified)
            for one in transfers.values()
        ),
        received_bytes=sum(answer.length for peer in peers.values() for answer in peer.answers),
        shares={name: sum(one.length for one in peer.answers) for name, peer in peers.items()},
        completed=all(one.completed for one in transfers.values()),
    )
