"""A trace as lines of JSON: writing, and reading what a newer version wrote or a crash tore.

A part is a file of lines, each a JSON object on its own:

* the first line, the header: `{"trace": 1, "job": …, "part": 3, "at": …, "carried": {…}}`. `carried` is the tally of all events that
  earlier parts held and rotation removed, so that sums stay exact;
* once a part for each transfer in it, before its first event: `{"transfer": …, "track": …, "variant": …, "profile": …}`;
* events: `{"at", "mono_s", "action", "transfer", "source"?, "peer"?, "leaf"?, "offset"?, "bytes"?, "duration_ms"?, "code"?}`; what has no value
  is left out.

A line torn by a crash can't be misread: a part of a JSON object is never a JSON object. Whoever appends after a crash ends the torn line first.
Readers skip and count what they can't read, and keep actions they don't know. Pure; files are the caller's.
"""

from __future__ import annotations

import json
import math
import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from apps.domain.errors import DomainError
from apps.domain.swarm.trace import TRACE_VERSION, Noted, TraceContext, TraceEvent, TraceSource, source_of

MAX_WORD_CHARS: Final = 200
"""Of a peer's key or a code in a line: peers choose Soulseek names, and a line is to stay a line."""
PART_SHIFT: Final = 24
"""An event's id is its part's number and its line's: part << 24 | line. Ids grow along the trace and survive rotation."""
MAX_WORDS: Final = 4096
"""Peers and codes whose escaped form is kept: nobody meets so many in one trace; a bound all the same."""
NO_TRACK: Final = uuid.UUID(int=0)


class TraceNewer(DomainError):
    """A newer slskdn wrote this trace."""

    default_code = "trace_newer"


class TraceWriter:
    """Formats the lines of one trace. Keeps the escaped form of words it has seen: the same few peers and codes come again and again."""

    def __init__(self, job: uuid.UUID) -> None:
        self.job: Final = job
        self._peers: Final[dict[str, str]] = {}
        self._codes: Final[dict[str, str]] = {}
        self._second = -1
        self._second_text = ""

    def header(self, *, part: int, at: datetime, carried: Mapping[str, object] | None = None) -> str:
        """The first line of a part."""
        head: dict[str, object] = {"trace": TRACE_VERSION, "job": str(self.job), "part": part, "at": _at_text(at)}
        if carried:
            head["carried"] = carried
        return json.dumps(head, separators=(",", ":")) + "\n"

    def context(self, context: TraceContext) -> str:
        """The line that says what a transfer is."""
        facts = {
            "transfer": str(context.transfer),
            "track": str(context.track),
            "variant": context.variant[:MAX_WORD_CHARS],
            "profile": context.profile[:MAX_WORD_CHARS],
        }
        return json.dumps(facts, separators=(",", ":")) + "\n"

    def event(self, event: TraceEvent) -> str:
        """The line of an event."""
        noted = (
            event.mono_s,
            json.dumps(str(event.action)[:MAX_WORD_CHARS])[1:-1],
            event.peer,
            event.leaf,
            event.offset,
            event.length,
            event.duration_ms / 1000 if event.duration_ms >= 0 else -1.0,
            event.code,
        )
        source = event.source if event.peer or event.source is not TraceSource.OVERLAY else None
        return self._line(str(event.context.transfer), noted, _at_text(event.at), self._peer(event.peer, source))

    def noted(self, transfer: str, noted: Noted, epoch_s: float) -> str:
        """The line of what a sink kept; `epoch_s`: its time in seconds since 1970."""
        second, micro = divmod(round(epoch_s * 1e6), 1_000_000)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        peer = noted[2]
        who = self._peers.get(peer)
        if who is None:
            who = self._peer(peer, source_of(peer) if peer else None)
        return self._line(transfer, noted, f"{self._second_text}.{micro:06}Z", who)

    def _line(self, transfer: str, noted: Noted, at: str, who: str) -> str:
        now, action, _peer, leaf, offset, length, duration_s, code = noted
        line = f'{{"at":"{at}","mono_s":{now:.6f},"action":"{action}","transfer":"{transfer}"{who}'
        if leaf >= 0:
            line += f',"leaf":{leaf},"offset":{offset}' if offset >= 0 else f',"leaf":{leaf}'
        elif offset >= 0:
            line += f',"offset":{offset}'
        if length > 0:
            line += f',"bytes":{length}'
        if duration_s >= 0:
            line += f',"duration_ms":{duration_s * 1000:.3f}'
        if code:
            line += self._codes.get(code) or self._code(code)
        return line + "}\n"

    def _peer(self, peer: str, source: TraceSource | None) -> str:
        if len(self._peers) > MAX_WORDS:
            self._peers.clear()
        told = f',"source":"{source}"' if source is not None else ""
        told += f',"peer":{json.dumps(peer[:MAX_WORD_CHARS])}' if peer else ""
        self._peers[peer] = told
        return told

    def _code(self, code: str) -> str:
        if len(self._codes) > MAX_WORDS:
            self._codes.clear()
        told = self._codes[code] = f',"code":{json.dumps(str(code)[:MAX_WORD_CHARS])}'
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace as it was read."""

    job: uuid.UUID
    events: tuple[TraceEvent, ...]
    ids: tuple[int, ...]
    """of the events, ascending"""
    contexts: Mapping[uuid.UUID, TraceContext]
    """by transfer"""
    carried: Mapping[str, object] = field(default_factory=dict)
    """tally of events that rotation removed; empty: none was"""
    unreadable: int = 0
    """lines in the middle that are no event"""
    torn: bool = False
    """the last line was cut short: the writer ended in the middle of it, or is at it now"""
    first_part: int = 1
    """number of the oldest part that is still there"""

    def after(self, event_id: int) -> int:
        """Index of the first event with a higher id."""
        return bisect_right(self.ids, event_id)


@dataclass(slots=True)
class _Reading:
    job: uuid.UUID
    events: list[TraceEvent] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    contexts: dict[uuid.UUID, TraceContext] = field(default_factory=dict)
    carried: Mapping[str, object] = field(default_factory=dict)
    unreadable: int = 0
    torn: bool = False
    part: int = 0
    first_part: int = 0
    texts: dict[str, uuid.UUID] = field(default_factory=dict)


def trace_read(job: uuid.UUID, parts: Sequence[bytes]) -> Trace:
    """Read the parts of a trace, the oldest first. Raises TraceNewer; whatever else is wrong with a line is skipped and counted."""
    reading = _Reading(job)
    for part in parts:
        _read_part(reading, part)
    return Trace(
        job=job,
        events=tuple(reading.events),
        ids=tuple(reading.ids),
        contexts=reading.contexts,
        carried=reading.carried,
        unreadable=reading.unreadable,
        torn=reading.torn,
        first_part=max(reading.first_part, 1),
    )


def part_head(part: bytes) -> tuple[int, Mapping[str, object]]:
    """Number and carried tally of a part; (0, {}) when its first line can't be read. Raises TraceNewer."""
    head = _object(part.split(b"\n", 1)[0])
    if head is None or "trace" not in head:
        return 0, {}
    _check_version(head)
    number, carried = head.get("part"), head.get("carried")
    return (number if isinstance(number, int) and number > 0 else 0), (carried if isinstance(carried, dict) else {})


def _read_part(reading: _Reading, part: bytes) -> None:
    number, carried = part_head(part)
    reading.part = max(number, reading.part + 1)  # a part whose header is lost follows the one before
    if carried:
        reading.carried = carried
    lines = part.split(b"\n")
    reading.torn = False
    for index, line in enumerate(lines):
        if not line:
            continue
        read = _read_line(reading, line, index)
        if not read and index == len(lines) - 1:  # no line end after it
            reading.torn = True
        elif not read:
            reading.unreadable += 1
    if not reading.first_part:
        reading.first_part = reading.part


def _read_line(reading: _Reading, line: bytes, index: int) -> bool:
    found = _object(line)
    if found is None:
        return False
    if "trace" in found:
        return True
    try:
        transfer = _uuid(reading, found["transfer"])
        if "action" not in found:
            reading.contexts[transfer] = TraceContext(
                job=reading.job,
                track=_uuid(reading, found["track"]),
                variant=_text(found.get("variant")),
                transfer=transfer,
                profile=_text(found.get("profile")),
            )
            return True
        event = _event(reading, found, transfer)
    except (KeyError, ValueError, TypeError, OverflowError):
        return False
    reading.events.append(event)
    reading.ids.append(reading.part << PART_SHIFT | index)
    return True


def _event(reading: _Reading, found: Mapping[str, object], transfer: uuid.UUID) -> TraceEvent:
    context = reading.contexts.get(transfer)
    if context is None:  # the line that would tell was torn
        context = reading.contexts[transfer] = TraceContext(
            job=reading.job, track=NO_TRACK, variant="", transfer=transfer
        )
    peer, source = _text(found.get("peer")), found.get("source")
    action = _text(found["action"])
    if not action:
        raise ValueError(action)
    return TraceEvent(
        action=action,
        at=datetime.fromisoformat(_text(found["at"])).astimezone(UTC),
        mono_s=_number(found.get("mono_s", 0.0)),
        context=context,
        source=TraceSource(source) if source in {"overlay", "soulseek"} else source_of(peer),
        peer=peer,
        leaf=_count(found.get("leaf", -1)),
        offset=_count(found.get("offset", -1)),
        length=max(_count(found.get("bytes", 0)), 0),
        duration_ms=_number(found.get("duration_ms", -1.0)),
        code=_text(found.get("code")),
    )


def _object(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _check_version(head: Mapping[str, object]) -> None:
    version = head["trace"]
    if not isinstance(version, int) or version > TRACE_VERSION:
        raise TraceNewer("A newer slskdn wrote this trace; update slskdn to read it.", version=str(version)[:20])


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value < 1 << 62:
        raise ValueError(value)
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(value)
    return value[:MAX_WORD_CHARS]


def _uuid(reading: _Reading, value: object) -> uuid.UUID:
    if not isinstance(value, str):
        raise TypeError(value)
    known = reading.texts.get(value)
    if known is None:
        known = reading.texts[value] = uuid.UUID(value)
    return known


def _at_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
