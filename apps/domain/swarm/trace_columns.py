"""A trace as columns of small integers, ready to be drawn: each request with what became of it, marks, stalls and quiet stretches.

A request is paired with its end (arrived, refused, taken back, timed out), an arrival with the verdict on its leaves. 10,000 chunks make about
half a megabyte of JSON. Pure.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from apps.domain.swarm.trace import TraceAction, TraceEvent
from apps.domain.swarm.trace_lines import Trace
from apps.domain.swarm.trace_summary import COMPLETE, STALL_S, Stall
from apps.domain.swarm.trace_tally import TIMEOUTS

TICK_S: Final = 0.0001
"""Unit of all times in the columns: a chunk of a fast peer takes some milliseconds."""
QUIET_S: Final = 30.0
"""A stretch in which nothing is under way and nothing happens, long enough to be folded in a drawing."""


class Outcome(IntEnum):
    """What became of a request. Stable: the page's script knows the numbers."""

    VERIFIED = 0
    ARRIVED = 1
    """not judged: a part of a leaf, or the trace ends here"""
    UNDER_WAY = 2
    IN_VAIN = 3
    """a duplicate, late, or unasked"""
    BAD = 4
    LOST = 5
    """verified, and fetched again later: its sender proved corrupt, or the disk failed"""
    CANCELLED = 6
    TIMED_OUT = 7
    REFUSED = 8


MARKS: Final[Mapping[str, str]] = {
    TraceAction.DECISION: "decision",
    TraceAction.RESCUE_INVOKED: "rescue",
    TraceAction.RESCUE_ENDED: "rescue",
    TraceAction.PEER_CHARGED: "charge",
    TraceAction.PEER_ADDED: "peer",
    TraceAction.PEER_GONE: "peer",
    TraceAction.PEER_PAUSED: "peer",
    TraceAction.MANIFEST_REFUSED: "peer",
    TraceAction.WAITING: "waiting",
    TraceAction.TRANSFER_STARTED: "transfer",
    TraceAction.TRANSFER_COMPLETED: "transfer",
    TraceAction.TRANSFER_ABORTED: "transfer",
    TraceAction.TRACE_GAP: "gap",
}
"""Kinds of marks, by action."""


@dataclass(slots=True)
class _Columns:
    start: float
    peers: dict[str, int] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=lambda: {"": 0})
    transfers: dict[uuid.UUID, int] = field(default_factory=dict)
    chunks: dict[str, list[int]] = field(
        default_factory=lambda: {
            name: []
            for name in ("peer", "transfer", "start", "end", "leaf", "offset", "bytes", "outcome", "code", "why")
        }
    )
    marks: dict[str, list[int]] = field(
        default_factory=lambda: {name: [] for name in ("at", "action", "kind", "peer", "transfer", "code")}
    )
    open: dict[tuple[uuid.UUID, str, int], int] = field(default_factory=dict)
    """requests without an end, by transfer, peer and offset"""
    unjudged: dict[tuple[uuid.UUID, str], dict[int, int]] = field(default_factory=dict)
    """arrived chunks → bytes without a verdict"""
    held: dict[tuple[uuid.UUID, int], list[int]] = field(default_factory=dict)
    """chunks by which a leaf (its offset) is held"""
    busy: list[tuple[int, int]] = field(default_factory=list)

    def tick(self, event: TraceEvent) -> int:
        return max(round((event.at.timestamp() - self.start) / TICK_S), 0)

    def word(self, text: str) -> int:
        return self.words.setdefault(text, len(self.words))

    def peer(self, event: TraceEvent) -> int:
        if not event.peer:
            return -1
        index = self.peers.get(event.peer)
        if index is None:
            index = self.peers[event.peer] = len(self.peers)
            self.sources.append(event.source.value)
        return index


def trace_columns(trace: Trace, stalls: Sequence[Stall] = ()) -> dict[str, object]:
    """The columns of a trace; `stalls` as the summary found them. Times count ticks of TICK_S from `start` (UTC seconds since 1970)."""
    start = min((event.at.timestamp() for event in trace.events), default=0.0)
    columns = _Columns(start)
    end = 0
    for event in trace.events:
        at = columns.tick(event)
        end = max(end, at)
        _add(columns, event, at)
    chunks = columns.chunks
    for index in columns.open.values():  # still under way when the trace ends
        chunks["end"][index] = end
    columns.busy += zip(chunks["start"], chunks["end"], strict=True)
    return {
        "tick_ms": TICK_S * 1000,
        "start": start,
        "end": end,
        "peers": [{"key": key, "source": source} for key, source in zip(columns.peers, columns.sources, strict=True)],
        "transfers": [
            {
                "id": str(transfer),
                "track": str(trace.contexts[transfer].track),
                "variant": trace.contexts[transfer].variant,
            }
            for transfer in columns.transfers
        ],
        "words": list(columns.words),
        "outcomes": [outcome.name.lower() for outcome in Outcome],
        "chunks": chunks,
        "marks": columns.marks,
        "stalls": [
            {
                "start": max(round((stall.start.timestamp() - start) / TICK_S), 0),
                "end": min(max(round((stall.end.timestamp() - start) / TICK_S), 0), end) if not stall.open else end,
                "seconds": round(stall.seconds, 1),
                "code": stall.code,
                "transfer": columns.transfers.get(stall.transfer, -1),
            }
            for stall in stalls
        ],
        "quiet": _quiet(columns.busy),
        "stall_s": STALL_S,
    }


def _add(columns: _Columns, event: TraceEvent, at: int) -> None:
    transfer = event.context.transfer
    number = columns.transfers.setdefault(transfer, len(columns.transfers))
    columns.busy.append((at, at))
    match event.action:
        case TraceAction.CHUNK_REQUESTED:
            _request(columns, event, at, number)
        case TraceAction.CHUNK_RECEIVED | TraceAction.CHUNK_ERROR | TraceAction.CHUNK_CANCELLED:
            _end(columns, event, at, number)
        case TraceAction.LEAF_VERIFIED | TraceAction.LEAF_BAD | TraceAction.LEAF_IN_VAIN:
            _judge(columns, event)
        case TraceAction.LEAF_LOST:
            for index in columns.held.pop((transfer, event.offset), ()):
                columns.chunks["outcome"][index] = Outcome.LOST
        case _ if event.action in MARKS:
            if event.action == TraceAction.PEER_GONE and event.code in COMPLETE:
                return
            _mark(columns, event, at, number)
        case _:
            pass


def _request(columns: _Columns, event: TraceEvent, at: int, number: int) -> int:
    chunks = columns.chunks
    index = len(chunks["start"])
    for name, value in (
        ("peer", columns.peer(event)),
        ("transfer", number),
        ("start", at),
        ("end", at),
        ("leaf", event.leaf),
        ("offset", event.offset),
        ("bytes", event.length),
        ("outcome", int(Outcome.UNDER_WAY)),
        ("code", 0),
        ("why", columns.word(event.code) if event.action == TraceAction.CHUNK_REQUESTED else 0),
    ):
        chunks[name].append(value)
    columns.open[event.context.transfer, event.peer, event.offset] = index
    return index


def _end(columns: _Columns, event: TraceEvent, at: int, number: int) -> None:
    key = (event.context.transfer, event.peer, event.offset)
    index = columns.open.pop(key, None)
    chunks = columns.chunks
    if index is None:  # asked before the trace begins, or never
        index = _request(columns, event, at, number)
        del columns.open[key]
        if event.duration_ms > 0:
            chunks["start"][index] = max(at - round(event.duration_ms / 1000 / TICK_S), 0)
    chunks["end"][index] = at
    chunks["code"][index] = columns.word(event.code)
    match event.action:
        case TraceAction.CHUNK_CANCELLED:
            outcome = Outcome.TIMED_OUT if event.code in TIMEOUTS else Outcome.CANCELLED
        case TraceAction.CHUNK_ERROR:
            outcome = Outcome.TIMED_OUT if event.code in TIMEOUTS else Outcome.REFUSED
        case _ if event.code:
            outcome = Outcome.IN_VAIN
        case _:
            outcome = Outcome.ARRIVED
            columns.unjudged.setdefault(key[:2], {})[index] = event.length
    chunks["outcome"][index] = outcome


def _judge(columns: _Columns, event: TraceEvent) -> None:
    """A verdict on a leaf is one on every chunk of its sender that brought a part of it."""
    chunks, transfer = columns.chunks, event.context.transfer
    waiting = columns.unjudged.get((transfer, event.peer), {})
    begin, end = event.offset, event.offset + event.length
    good = event.action == TraceAction.LEAF_VERIFIED
    for index in list(waiting):
        first, last = chunks["offset"][index], chunks["offset"][index] + chunks["bytes"][index]
        common = min(last, end) - max(first, begin)
        if common <= 0:
            continue
        # A chunk over several leaves shows the worst of them; what was in vain only when nothing of it counted.
        if event.action == TraceAction.LEAF_BAD:
            chunks["outcome"][index] = Outcome.BAD
        elif good and chunks["outcome"][index] in {Outcome.ARRIVED, Outcome.IN_VAIN}:
            chunks["outcome"][index] = Outcome.VERIFIED
        elif chunks["outcome"][index] == Outcome.ARRIVED:
            chunks["outcome"][index] = Outcome.IN_VAIN
        if good:
            columns.held.setdefault((transfer, begin), []).append(index)
        waiting[index] -= common
        if waiting[index] <= 0:
            del waiting[index]


def _mark(columns: _Columns, event: TraceEvent, at: int, number: int) -> None:
    for name, value in (
        ("at", at),
        ("action", columns.word(event.action)),
        ("kind", columns.word(MARKS[event.action])),
        ("peer", columns.peer(event)),
        ("transfer", number),
        ("code", columns.word(event.code)),
    ):
        columns.marks[name].append(value)


def _quiet(busy: list[tuple[int, int]]) -> list[list[int]]:
    """Stretches without anything for longer than QUIET_S, as [start, end]."""
    found: list[list[int]] = []
    reached: int | None = None
    for start, end in sorted(busy):
        if reached is not None and start - reached > QUIET_S / TICK_S:
            found.append([reached, start])
        reached = end if reached is None else max(reached, end)
    return found
