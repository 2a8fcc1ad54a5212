"""Traces as lines: what is written is read again, whatever a newer version, a crash or a hostile name does to a line."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.swarm.trace import ACTIONS, TraceContext, TraceEvent, TraceSource
from apps.domain.swarm.trace_lines import MAX_WORD_CHARS, NO_TRACK, TraceNewer, TraceWriter, part_head, trace_read
from tests.domain.swarm.traces import CONTEXT, JOB, START, TRANSFER, chunk, event

micros = st.integers(0, 4 * 10**15).map(lambda n: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=n))
words = st.text(max_size=MAX_WORD_CHARS)
unset_or = st.just(-1) | st.integers(0, 1 << 50)
contexts = st.builds(
    TraceContext,
    job=st.just(JOB),
    track=st.uuids(),
    variant=st.binary(min_size=32, max_size=32).map(bytes.hex),
    transfer=st.uuids(),
    profile=words,
)
actions = st.sampled_from(sorted(ACTIONS)) | st.text(min_size=1, max_size=40)
events = st.builds(
    TraceEvent,
    action=actions,
    at=micros,
    mono_s=st.integers(0, 10**13).map(lambda n: round(n / 1e6, 6)),
    context=contexts,
    source=st.just(TraceSource.OVERLAY),
    peer=words,
    leaf=unset_or,
    offset=unset_or,
    length=st.integers(0, 1 << 50),
    duration_ms=st.just(-1.0) | st.integers(0, 10**10).map(lambda n: round(n / 1000, 3)),
    code=words,
)


def written(found: list[TraceEvent], *, part: int = 1) -> bytes:
    """A part that holds these events."""
    writer, told = TraceWriter(JOB), set()
    lines = [writer.header(part=part, at=START)]
    for one in found:
        if one.context not in told:
            told.add(one.context)
            lines.append(writer.context(one.context))
        lines.append(writer.event(one))
    return "".join(lines).encode()


@given(st.lists(events, max_size=12), st.sampled_from(TraceSource))
def test_whatever_happened_is_read_as_it_was_written(found: list[TraceEvent], source: TraceSource) -> None:
    found = [dataclasses.replace(one, source=source) for one in found if one.peer or source is TraceSource.OVERLAY]
    data = written(found)
    data.decode("ascii")  # whatever peers are called, a line is a line
    assert data.count(b"\n") == len(data.splitlines())
    trace = trace_read(JOB, [data])
    assert list(trace.events) == found
    assert (trace.unreadable, trace.torn) == (0, False)
    assert sorted(set(trace.ids)) == list(trace.ids)


@given(st.lists(events, min_size=1, max_size=4), st.data())
def test_a_part_torn_anywhere_gives_the_whole_lines_in_front_and_nothing_else(
    found: list[TraceEvent], data: st.DataObject
) -> None:
    whole = written(found)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    trace = trace_read(JOB, [cut])
    assert [dataclasses.replace(one, context=CONTEXT) for one in trace.events] == [
        dataclasses.replace(one, context=CONTEXT, source=got.source)
        for one, got in zip(found, trace.events, strict=False)
    ]
    lines_begun = cut.split(b"\n")[-1]
    assert trace.torn is bool(lines_begun and lines_begun not in whole.split(b"\n"))
    assert trace.unreadable == 0


def test_a_line_torn_by_a_crash_stays_alone_when_the_next_run_ends_it_first() -> None:
    first, second = event(1, "peer_added", "p"), event(2, "peer_gone", "p", code="disconnected")
    writer = TraceWriter(JOB)
    torn = written([first])[:-9]
    trace = trace_read(JOB, [torn + b"\n" + writer.context(CONTEXT).encode() + writer.event(second).encode()])
    assert list(trace.events) == [second]
    assert (trace.unreadable, trace.torn) == (1, False)


def test_what_a_newer_version_adds_is_kept_or_ignored_and_told_apart() -> None:
    line = json.loads(TraceWriter(JOB).event(event(3, "peer_added", "p")))
    line |= {"action": "gossip_whispered", "mood": {"deep": [1]}, "source": "carrier_pigeon"}
    data = written([]) + TraceWriter(JOB).context(CONTEXT).encode() + json.dumps(line).encode() + b"\n"
    (read,) = trace_read(JOB, [data]).events
    assert (read.action, read.source, read.context) == ("gossip_whispered", TraceSource.OVERLAY, CONTEXT)


def test_a_trace_that_older_versions_would_misread_is_refused() -> None:
    data = written([]).replace(b'"trace":1', b'"trace":2')
    with pytest.raises(TraceNewer):
        trace_read(JOB, [data])


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[1, 2]",
        b"\x00" * 40,
        b"{}",
        b'{"action":"peer_added"}',
        b'{"action":"peer_added","transfer":"not-a-uuid","at":"2026-01-01T00:00:00Z"}',
        b'{"action":7,"transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z"}',
        b'{"action":"","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z"}',
        b'{"action":"x","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"yesterday"}',
        b'{"action":"x","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z","bytes":"12"}',
        b'{"action":"x","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z","bytes":true}',
        b'{"action":"x","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z","mono_s":NaN}',
        b'{"action":"x","transfer":"018f0000-0000-7000-8000-0000000000aa","at":"2026-01-01T00:00:00Z","leaf":1e400}',
        b"[" * 5000,
    ],
)
def test_a_line_that_is_no_event_is_skipped_and_counted(line: bytes) -> None:
    before, after = event(1, "peer_added", "p"), event(2, "peer_gone", "p")
    lines = written([before, after]).splitlines(keepends=True)
    trace = trace_read(JOB, [b"".join([*lines[:3], line, b"\n", *lines[3:]])])
    assert list(trace.events) == [before, after]
    assert trace.unreadable == 1


def test_events_whose_transfer_line_is_lost_are_kept_without_their_track() -> None:
    lines = written([event(1, "peer_added", "p")]).splitlines(keepends=True)
    (read,) = trace_read(JOB, [b"".join([lines[0], lines[2]])]).events
    assert (read.context.transfer, read.context.track) == (TRANSFER, NO_TRACK)


def test_ids_go_on_over_parts_and_survive_the_loss_of_the_oldest() -> None:
    parts = [written(chunk(second, "p", second), part=second) for second in (3, 4)]
    both, newer = trace_read(JOB, parts), trace_read(JOB, parts[1:])
    assert both.first_part == 3
    assert newer.ids == both.ids[3:]
    assert both.after(both.ids[2]) == 3
    assert newer.after(both.ids[1]) == 0


def test_a_part_tells_its_number_and_what_it_carries_or_nothing() -> None:
    header = TraceWriter(JOB).header(part=7, at=START, carried={"events": 3})
    assert part_head(header.encode()) == (7, {"events": 3})
    assert part_head(b"torn") == (0, {})
    assert trace_read(JOB, [header.encode()]).carried == {"events": 3}


def test_a_time_is_aware_or_refused() -> None:
    with pytest.raises(ValueError, match="2026"):
        dataclasses.replace(event(0, "waiting"), at=datetime(2026, 1, 1))  # noqa: DTZ001
