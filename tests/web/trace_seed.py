"""Traces of jobs that never ran, as they could have: `write_trace(folder, job, recordings, chunks=…)`. Two runs give the same file.

A small model of a swarm: each peer has a rate, a delay and up to four requests in flight; one corrupts, one freezes and comes back, one refuses,
one is a Soulseek stream, one leaves. In the middle nobody has the rest for a while.
"""

from __future__ import annotations

import dataclasses
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apps.domain.swarm.trace import TraceAction, TraceContext, TraceEvent, source_of
from apps.domain.swarm.trace_lines import TraceWriter

LEAF = 256 * 1024
START = datetime(2026, 11, 20, 21, 14, 3, tzinfo=UTC)
FLIGHT = 4
AT_ONCE = 3


@dataclass
class Peer:
    """How one behaves. Rates in MB/s, times in seconds."""

    key: str
    rate: float
    rtt: float
    joins: float = 0.0
    bad: float = 0.0
    refuses: float = 0.0
    freezes: tuple[float, float] = (1e9, 1e9)
    leaves: float = 1e9
    line: float = 0.0
    """when its link is free again"""
    ends: list[float] = field(default_factory=list)
    quarantined: bool = False


def peers_of() -> list[Peer]:
    """A mixed company."""
    names = ["kfast", "kgood", "ksteady", "kslow", "kliar", "kfreezer", "kbusy", "kleaver"]
    keys = [(name + uuid.uuid5(uuid.NAMESPACE_DNS, name).hex * 2)[:52] for name in names]
    fast, good, steady, slow, liar, freezer, busy, leaver = keys
    return [
        Peer(fast, 26.0, 0.02),
        Peer(good, 14.0, 0.05),
        Peer(steady, 9.0, 0.08, joins=2.0),
        Peer(slow, 1.6, 0.18, joins=1.0),
        Peer(liar, 11.0, 0.06, joins=3.0, bad=0.03),
        Peer(freezer, 12.0, 0.04, joins=5.0, freezes=(18.0, 39.0)),
        Peer(busy, 6.0, 0.11, joins=4.0, refuses=0.05),
        Peer(leaver, 10.0, 0.07, leaves=33.0),
        Peer("soulseek:vinylhead_77", 0.9, 0.7),
    ]


def trace_events(job: uuid.UUID, recordings: Sequence[uuid.UUID], *, chunks: int) -> list[TraceEvent]:
    """About `chunks` chunks over all recordings, in order of time."""
    rng = random.Random(7)
    each = max(chunks // max(len(recordings), 1), 1)
    scale = max(chunks / 10_000, 0.05)
    found: list[TraceEvent] = []
    peers = peers_of()
    for peer in peers:
        peer.freezes = tuple(at * scale for at in peer.freezes)  # type: ignore[assignment]
        peer.leaves *= scale
        peer.joins *= scale
    stall = (24.0 * scale, 24.0 * scale + 21.0)

    def note(context: TraceContext, at: float, action: TraceAction, peer: str = "", **facts: object) -> None:
        found.append(
            TraceEvent(
                action=action.value, at=START + timedelta(microseconds=round(at * 1e6)), mono_s=round(8000 + at, 6), context=context,
                source=source_of(peer), peer=peer, **facts,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    contexts = [
        TraceContext(
            job=job,
            track=recording,
            variant=uuid.uuid5(recording, "root").hex * 2,
            transfer=uuid.uuid5(recording, str(job)),
            profile="flac-24-96000-2",
        )
        for recording in recordings
    ]
    waiting = [list(range(each)) for _ in contexts]
    left = [each] * len(contexts)
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    last: dict[int, float] = {}
    asked = 0

    def active(at: float) -> list[int]:
        open_ones = [number for number in begun if number not in ended or ended[number] > at]
        while len(open_ones) < AT_ONCE and len(begun) < len(contexts):
            number = len(begun)
            begun[number] = at
            context, length = contexts[number], each * LEAF
            note(context, at, TraceAction.TRANSFER_STARTED, offset=0, length=length)
            for peer in peers:
                if peer.joins <= at < peer.leaves:
                    note(context, at + 0.001, TraceAction.PEER_ADDED, peer.key)
            note(context, at + 0.03, TraceAction.MANIFEST_ACCEPTED, peers[0].key, leaf=each, offset=LEAF, length=length)
            open_ones.append(number)
        return open_ones

    def verified(number: int, at: float) -> None:
        left[number] -= 1
        last[number] = max(last.get(number, 0.0), at)
        if left[number] == 0:
            ended[number] = last[number]
            note(contexts[number], last[number] + 0.0001, TraceAction.TRANSFER_COMPLETED, length=each * LEAF)

    def send(peer: Peer, at: float) -> None:
        nonlocal asked
        usable = [number for number in active(at) if waiting[number]]
        if not usable:
            return
        number = usable[asked % len(usable)]
        context, leaf = contexts[number], waiting[number].pop(0)
        where = {"leaf": leaf, "offset": leaf * LEAF, "length": LEAF}
        asked += 1
        high = leaf in {0, each - 1}
        note(context, at, TraceAction.CHUNK_REQUESTED, peer.key, code="high_priority" if high else "rarest", **where)
        if asked % 60 == 0:
            note(context, at, TraceAction.DECISION, code="rebalance")
        roll = rng.random()
        frozen = peer.freezes[0] <= at < peer.freezes[1]
        if frozen:
            end = at + 10.0 * min(scale, 1)
            note(
                context,
                end,
                TraceAction.CHUNK_CANCELLED,
                peer.key,
                code="timeout",
                duration_ms=round((end - at) * 1000, 3),
                **where,
            )
            waiting[number].insert(0, leaf)
            peer.line = max(peer.line, end)
        elif roll < peer.refuses:
            end = at + peer.rtt
            note(
                context,
                end,
                TraceAction.CHUNK_ERROR,
                peer.key,
                code="rate_limited",
                duration_ms=round(peer.rtt * 1000, 3),
                **where,
            )
            waiting[number].insert(0, leaf)
        else:
            took = LEAF / (peer.rate * 1e6) * rng.uniform(0.75, 1.5)
            end = max(at + peer.rtt, peer.line) + took
            peer.line = end
            facts = {"duration_ms": round((end - at) * 1000, 3), **where}
            late = left[number] < 8 and rng.random() < 0.3
            if peer.bad and roll < peer.refuses + peer.bad and not peer.quarantined:
                note(context, end, TraceAction.CHUNK_RECEIVED, peer.key, **facts)
                note(context, end, TraceAction.LEAF_BAD, peer.key, **where)
                note(context, end, TraceAction.PEER_CHARGED, peer.key, code="bad_leaf")
                waiting[number].insert(0, leaf)
                peer.quarantined = at > 20 * scale
                if peer.quarantined:
                    note(context, end, TraceAction.PEER_GONE, peer.key, code="corrupt")
                    peer.leaves = end
            else:
                note(context, end, TraceAction.CHUNK_RECEIVED, peer.key, **facts)
                note(context, end, TraceAction.LEAF_VERIFIED, peer.key, **where)
                verified(number, end)
                if late:
                    other = rng.choice([one for one in peers if one is not peer and at < one.leaves])
                    note(context, at + took / 2, TraceAction.DECISION, other.key, code="taken_over", **where)
                    note(context, at + took / 2, TraceAction.CHUNK_REQUESTED, other.key, code="taken_over", **where)
                    if rng.random() < 0.5:
                        note(
                            context,
                            end + 0.0002,
                            TraceAction.CHUNK_CANCELLED,
                            other.key,
                            code="swarm_rebalanced",
                            **where,
                        )
                    else:
                        note(context, end + 0.08, TraceAction.CHUNK_RECEIVED, other.key, code="duplicate", **facts)
        peer.ends.append(end)

    clock, gone, rescued = 0.0, False, False
    while any(left[number] for number in range(len(contexts))):
        ready = []
        for peer in peers:
            if clock >= peer.leaves:
                continue
            peer.ends = [end for end in peer.ends if end > clock]
            if len(peer.ends) < (1 if ":" in peer.key else FLIGHT):
                ready.append(max(clock, peer.joins))
                if clock >= peer.joins and not stall[0] <= clock < stall[1]:
                    send(peer, clock)
        if stall[0] <= clock < stall[1] and not rescued:
            rescued = True
            for number in active(clock):
                note(contexts[number], clock + 2, TraceAction.WAITING, code="no_source")
                note(contexts[number], stall[1] - 1, TraceAction.WAITING, code="")
            note(contexts[max(begun)], clock + 20, TraceAction.RESCUE_INVOKED, code="no_byte_for_20_s")
        for peer in peers:
            if clock >= peer.leaves and not gone and "kleaver" in peer.key:
                gone = True
                for number in active(clock):
                    note(contexts[number], clock, TraceAction.PEER_GONE, peer.key, code="disconnected")
        clock += 0.004 if not stall[0] <= clock < stall[1] else 0.5
        if clock > 4000:  # a model that does not come to its end is a mistake in this file
            raise AssertionError(left)
    found.sort(key=lambda event: event.at)
    return found


def write_trace(folder: Path, job: uuid.UUID, recordings: Sequence[uuid.UUID], *, chunks: int) -> Path:
    """Write `<job>.jsonl`; its path."""
    writer, told = TraceWriter(job), set()
    lines = [writer.header(part=1, at=START)]
    for event in trace_events(job, recordings, chunks=chunks):
        if event.context.transfer not in told:
            told.add(event.context.transfer)
            lines.append(writer.context(dataclasses.replace(event.context)))
        lines.append(writer.event(event))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job}.jsonl"
    path.write_text("".join(lines), encoding="ascii")
    return path
