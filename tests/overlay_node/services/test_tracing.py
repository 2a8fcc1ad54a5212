"""The sink: never in the way, bounded, and its files can be read whatever ended the process that wrote them."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.domain.swarm.trace import TraceAction, TraceContext
from apps.domain.swarm.trace_lines import Trace, part_head, trace_read
from apps.domain.swarm.trace_retention import TraceLimits
from apps.domain.swarm.trace_tally import Tally
from overlay_node.services import tracing
from overlay_node.services.tracing import MAX_NOTED, TraceFiles, folder_sweep

ROOT = Path(__file__).resolve().parents[3]
JOB = uuid.UUID("018f0000-0000-7000-8000-000000000001")
LEAF = 256 * 1024
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    """The node's seconds and the wall's, moved by hand."""

    def __init__(self) -> None:
        self.now, self.ahead = 500.0, timedelta()

    def seconds(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.now - 500.0) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


def files_in(folder: Path, clock: Clock, *, max_size_mb: int = 10) -> TraceFiles:
    return TraceFiles(folder, max_size_mb=max_size_mb, clock=clock.seconds, wall=clock.wall)


def context(number: int = 1, *, job: uuid.UUID = JOB) -> TraceContext:
    return TraceContext(job=job, track=uuid.UUID(int=number), variant="ab" * 32, transfer=uuid.UUID(int=100 + number))


def read(folder: Path, job: uuid.UUID = JOB) -> Trace:
    parts = [folder / f"{job}.1.jsonl", folder / f"{job}.jsonl"]
    return trace_read(job, [part.read_bytes() for part in parts if part.exists()])


def note_chunk(sink: object, now: float, leaf: int, peer: str = "peer") -> None:
    assert isinstance(sink, tracing.JobTrace)
    where = (peer, leaf, leaf * LEAF, LEAF)
    sink.note(now, TraceAction.CHUNK_REQUESTED, *where)
    sink.note(now + 0.25, TraceAction.CHUNK_RECEIVED, *where, 0.25)
    sink.note(now + 0.25, TraceAction.LEAF_VERIFIED, *where)


def test_transfers_of_a_job_share_one_file_in_the_order_of_what_happened(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path / "traces", clock)
        one, two = files.sink(context(1)), files.sink(context(2))
        for leaf in range(4):
            note_chunk(one if leaf % 2 else two, 500.0 + leaf, leaf)
        await files.flush()
        await files.flush()
        trace = read(tmp_path / "traces")
        assert [event.leaf for event in trace.events] == [leaf for leaf in range(4) for _ in range(3)]
        assert [event.context for event in trace.events[::3]] == [context(2), context(1)] * 2
        assert trace.events[1].at == NOON + timedelta(seconds=0.25)
        assert (trace.events[1].mono_s, trace.events[1].duration_ms) == (500.25, 250.0)
        assert files.written == 12
        assert len(list((tmp_path / "traces").iterdir())) == 1

    asyncio.run(scenario())


def test_a_clock_that_was_set_moves_the_times_and_not_the_differences(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        sink = files.sink(context())
        sink.note(500.0, TraceAction.PEER_ADDED, "a")
        await files.flush()
        clock.ahead = timedelta(hours=1)
        clock.now = 502.0
        sink.note(501.0, TraceAction.PEER_GONE, "a")
        await files.flush()
        first, second = read(tmp_path).events
        assert second.at - first.at == timedelta(hours=1, seconds=1)
        assert second.mono_s - first.mono_s == 1.0

    asyncio.run(scenario())


def test_a_sink_that_falls_behind_drops_counts_and_tells(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        sink = files.sink(context())
        for leaf in range(MAX_NOTED + 5):
            sink.note(500.0, TraceAction.CHUNK_REQUESTED, "a", leaf)
        assert files.dropped == 5
        await files.flush()
        trace = read(tmp_path)
        assert len(trace.events) == MAX_NOTED + 1
        gap = trace.events[-1]
        assert (gap.action, gap.length, gap.code) == (TraceAction.TRACE_GAP, 5, "behind")
        sink.note(501.0, TraceAction.PEER_GONE, "a")
        await files.flush()
        assert read(tmp_path).events[-1].action == TraceAction.PEER_GONE
        assert files.dropped == 5

    asyncio.run(scenario())


def test_a_full_disk_costs_events_and_never_half_a_line(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is the process edge: a write that takes a part and then refuses."""
    real, room = os.write, [10_000_000]

    def write(descriptor: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = data[: room[0]]
        room[0] -= len(taken)
        return real(descriptor, taken)

    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        sink = files.sink(context())
        note_chunk(sink, 500.0, 0)
        await files.flush()
        before = (tmp_path / f"{JOB}.jsonl").read_bytes()
        room[0] = 100
        monkeypatch.setattr(tracing.os, "write", write)
        note_chunk(sink, 501.0, 1)
        await files.flush()
        note_chunk(sink, 502.0, 2)
        await files.flush()
        assert (tmp_path / f"{JOB}.jsonl").read_bytes() == before
        assert files.dropped == 6
        room[0] = 10_000_000
        note_chunk(sink, 503.0, 3)
        await files.flush()
        trace = read(tmp_path)
        assert (trace.unreadable, trace.torn) == (0, False)
        assert [event.leaf for event in trace.events if event.leaf >= 0] == [0, 0, 0, 3, 3, 3]
        (gap,) = (event for event in trace.events if event.action == TraceAction.TRACE_GAP)
        assert (gap.length, gap.code) == (6, "disk_full")
        assert files.dropped == 6

    asyncio.run(scenario())


def test_rotation_keeps_the_newest_and_the_sums_of_everything(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock, max_size_mb=1)
        sink = files.sink(context())
        for leaf in range(6000):
            note_chunk(sink, 500.0 + leaf, leaf, f"peer{leaf % 3}")
            if leaf % 500 == 499:
                await files.flush()
            if leaf == 3000:  # a restart in the middle: what was tallied so far is found again in the files
                await files.flush()
                files = files_in(tmp_path, clock, max_size_mb=1)
                sink = files.sink(context())
        await files.flush()
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"{JOB}.1.jsonl", f"{JOB}.jsonl"]
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20
        trace = read(tmp_path)
        assert trace.first_part > 2
        assert trace.events[-1].leaf == 5999
        tally = Tally.from_json(trace.carried, job=JOB)
        assert tally.events + len(trace.events) == 18000
        for event in trace.events:
            tally.add(event)
        transfer = tally.transfers[context().transfer]
        assert transfer.verified == transfer.received == 6000 * LEAF
        assert [transfer.peers[f"peer{number}"].verified for number in range(3)] == [2000 * LEAF] * 3

    asyncio.run(scenario())


@pytest.mark.parametrize("step", ["header_written", "newest_moved"])
def test_a_crash_in_the_middle_of_a_rotation_loses_no_part(tmp_path: Path, clock: Clock, step: str) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        note_chunk(files.sink(context()), 500.0, 1)
        await files.flush()
        newest, older, new = (tmp_path / f"{JOB}{end}.jsonl" for end in ("", ".1", ".new"))
        new.write_bytes(b'{"trace":1,"job":"x","part":2,"at":"2026-11-21T12:00:00.000000Z"}\n')
        if step == "newest_moved":
            newest.rename(older)
        files = files_in(tmp_path, clock)
        note_chunk(files.sink(context()), 510.0, 2)
        await files.flush()
        assert [event.leaf for event in read(tmp_path).events] == [1, 1, 1, 2, 2, 2]
        assert not new.exists()
        assert part_head(newest.read_bytes())[0] == (2 if step == "newest_moved" else 1)

    asyncio.run(scenario())


def test_a_file_that_was_swept_while_in_use_begins_anew_with_its_header(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        sink = files.sink(context())
        note_chunk(sink, 500.0, 1)
        await files.flush()
        (tmp_path / f"{JOB}.jsonl").unlink()
        note_chunk(sink, 501.0, 2)
        await files.flush()
        trace = read(tmp_path)
        assert [event.leaf for event in trace.events] == [2, 2, 2]
        assert trace.events[0].context == context()

    asyncio.run(scenario())


WRITER = """
import asyncio, sys, time, uuid
from datetime import UTC, datetime
from pathlib import Path
from apps.domain.swarm.trace import TraceAction, TraceContext
from overlay_node.services.tracing import TraceFiles

async def main():
    files = TraceFiles(Path(sys.argv[1]), max_size_mb=1, clock=time.monotonic, wall=lambda: datetime.now(UTC))
    sink = files.sink(TraceContext(job=uuid.UUID(sys.argv[2]), track=uuid.UUID(int=1), variant="ab", transfer=uuid.UUID(int=2)))
    leaf = 0
    while True:
        for _ in range(97):
            sink.note(time.monotonic(), TraceAction.LEAF_VERIFIED, "peer", leaf, leaf * 262144, 262144)
            leaf += 1
        await files.flush()
        print(leaf, flush=True)

asyncio.run(main())
"""


def test_a_writer_killed_in_the_middle_leaves_a_trace_that_reads_and_goes_on(tmp_path: Path, clock: Clock) -> None:
    for run in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(JOB)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = 0
        for line in process.stdout:
            told = int(line)
            if told > 2000 * (run + 1):
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        rest = [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.stdout.close()
        told = max([told, *rest])
        if run == 1:  # and the disk lost the end of its last line
            newest = tmp_path / f"{JOB}.jsonl"
            newest.write_bytes(newest.read_bytes()[:-7])
        trace = read(tmp_path)
        assert trace.unreadable <= 1
        assert trace.torn is (run == 1)
        leaves = [event.leaf for event in trace.events]
        assert leaves[-1] >= told - 1 - (run == 1)
        assert all(later == earlier + 1 or later == 0 for earlier, later in itertools.pairwise(leaves))


def test_sweeping_twice_deletes_once_and_leaves_other_files_alone(tmp_path: Path, clock: Clock) -> None:
    async def scenario() -> None:
        files = files_in(tmp_path, clock)
        for number in range(4):
            note_chunk(files.sink(context(job=uuid.UUID(int=number))), 500.0, 1)
            await files.flush()
            os.utime(tmp_path / f"{uuid.UUID(int=number)}.jsonl", (NOON.timestamp() - number * 86400,) * 2)
        (tmp_path / "notes.txt").write_text("mine")
        assert folder_sweep(tmp_path, TraceLimits(jobs=3, days=2), NOON) == 1
        assert folder_sweep(tmp_path, TraceLimits(jobs=3, days=2), NOON) == 0
        assert folder_sweep(tmp_path, TraceLimits(jobs=3, days=1), NOON) == 1
        assert len(list(tmp_path.iterdir())) == 3

    asyncio.run(scenario())
    assert folder_sweep(tmp_path / "none", TraceLimits(), NOON) == 0
