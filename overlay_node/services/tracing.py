"""Traces of swarms on disk: DATA/traces/<job>.jsonl, written beside the work and never in its way.

A session notes into its `JobTrace`, which appends a tuple to one list and nothing else. `flush`, twice a second, takes the list to a thread
that formats and writes it, one `write` a file. All transfers of a job share its file, in the order in which things happened.

What may go wrong costs events, never the transfer: when more than MAX_NOTED events wait (the disk is slower than the swarm), further ones are
counted and dropped; when the disk refuses (full, gone), what could not be written is counted and dropped. Either way a `trace_gap` says so in
the file as soon as it can. Memory is bounded by MAX_NOTED tuples of some 250 bytes, waiting and in the writer's hands: 10 MB together.

A file never grows beyond half of `max_size_mb`: then it becomes `<job>.1.jsonl` in place of the older part, whose tally goes into the header
of the new one, so that sums stay exact although the oldest events are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from apps.domain.contracts.node_work import TransferWork
from apps.domain.swarm.trace import TraceAction, TraceContext, TraceSink
from apps.domain.swarm.trace_lines import TraceNewer, TraceWriter, part_head, trace_read
from apps.domain.swarm.trace_retention import TraceFile, TraceLimits, trace_names, traces_to_forget
from apps.domain.swarm.trace_tally import Tally

log = logging.getLogger(__name__)

MAX_NOTED: Final = 20_000
"""Events that may wait: four seconds of a swarm at 400 MB/s."""
SLICE: Final = 500
"""Events written at once: some 130 KB."""
MAX_REMEMBERED: Final = 1000
"""Jobs whose escaped words and file sizes are remembered; forgetting only costs work."""
FLUSH_S: Final = 0.5
"""How often they are written: what a crash may cost."""
WALL_DRIFT_S: Final = 0.25
"""The wall clock was set, or the machine slept: times are counted from it anew."""

_Entry: TypeAlias = tuple["JobTrace", float, str, str, int, int, int, float, str]


class JobTrace:
    """The sink of one transfer."""

    __slots__ = ("_append", "_files", "_noted", "context", "transfer")

    def __init__(self, context: TraceContext, files: TraceFiles, noted: list[_Entry]) -> None:
        self.context: Final = context
        self.transfer: Final = str(context.transfer)
        self._files: Final = files
        self._noted: Final = noted
        self._append: Final = noted.append

    def note(  # noqa: PLR0917  (positional: it is called for every chunk)
        self,
        now: float,
        action: TraceAction,
        peer: str = "",
        leaf: int = -1,
        offset: int = -1,
        length: int = 0,
        duration_s: float = -1.0,
        code: str = "",
    ) -> None:
        """See `TraceSink`."""
        if len(self._noted) < MAX_NOTED:
            self._append((self, now, action, peer, leaf, offset, length, duration_s, code))
        else:
            self._files.drop(self, now)


@dataclass(slots=True)
class _Gap:
    """Events of a job that are missing in its file, with the last of the sinks that noted them."""

    sink: JobTrace
    at: float
    count: int
    code: str


@dataclass(slots=True)
class _Part:
    """What is known of a job's newest part: to be looked at again when the file is another one."""

    inode: int
    size: int
    told: set[uuid.UUID] = field(default_factory=set)
    """transfers whose line stands in it"""
    before: dict[str, object] | None = None
    """tally of everything in front of it"""
    so_far: Tally | None = None
    """of everything up to its end; None: the files know (after a start), and are asked when it matters"""


class TraceFiles:
    """All traces of one node. `wall` tells aware UTC, `clock` the node's monotonic seconds. Sinks and `flush` are for the loop's thread."""

    def __init__(
        self,
        folder: Path,
        *,
        max_size_mb: int,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self.dropped = 0
        """events lost since the start, for the metrics"""
        self.written = 0
        self._folder: Final = folder
        self._part_bytes: Final = max(max_size_mb, 1) * (1 << 20) // 2
        self._clock: Final = clock
        self._wall: Final = wall
        self._noted: Final[list[_Entry]] = []
        self._gaps: dict[uuid.UUID, _Gap] = {}
        self._wall_offset = wall().timestamp() - clock()
        self._writers: Final[dict[uuid.UUID, TraceWriter]] = {}
        self._parts: Final[dict[uuid.UUID, _Part]] = {}
        self._failing: set[uuid.UUID] = set()
        self._writing = asyncio.Lock()

    # ---- the loop's side

    def sink(self, context: TraceContext) -> TraceSink:
        """Where the events of a transfer go."""
        return JobTrace(context, self, self._noted)

    def trace_for(self, work: TransferWork, group_id: uuid.UUID) -> TraceSink:
        """The sink of a transfer; `group_id`: its want's group (the job), or its want where it has none."""
        return self.sink(
            TraceContext(
                job=group_id,
                track=work.recording_mbid,
                variant=work.payload_root.hex(),
                transfer=work.id,
                profile=work.profile,
            )
        )

    def drop(self, sink: JobTrace, now: float, count: int = 1, code: str = "behind") -> None:
        """Count events that are not kept."""
        self.dropped += count
        gap = self._gaps.get(sink.context.job)
        if gap is None:
            self._gaps[sink.context.job] = _Gap(sink, now, count, code)
        else:
            gap.count, gap.at, gap.code = gap.count + count, now, code

    async def flush(self) -> None:
        """Write what waits. Never raises because of the disk."""
        async with self._writing:
            batch, gaps = self._noted[:], self._gaps
            self._noted.clear()
            self._gaps = {}
            if not batch and not gaps:
                return
            failed = await asyncio.to_thread(self._write, batch, gaps, self._offset())
            for job, (sink, count, code) in failed.items():
                lost = gaps[job].count if job in gaps else 0
                self.dropped -= lost  # counted already
                self.drop(sink, self._clock(), count + lost, code)

    def _offset(self) -> float:
        """Seconds to add to the node's clock for seconds since 1970."""
        offset = self._wall().timestamp() - self._clock()
        if abs(offset - self._wall_offset) > WALL_DRIFT_S:
            self._wall_offset = offset
        return self._wall_offset

    # ---- the writing thread's side: one call at a time

    def _write(
        self, batch: Sequence[_Entry], gaps: Mapping[uuid.UUID, _Gap], offset: float
    ) -> dict[uuid.UUID, tuple[JobTrace, int, str]]:
        """Write a batch, file by file; what could not be written, by job."""
        by_job: dict[uuid.UUID, list[_Entry]] = {}
        for entry in batch:
            by_job.setdefault(entry[0].context.job, []).append(entry)
        for job, gap in gaps.items():
            by_job.setdefault(job, []).append(
                (gap.sink, gap.at, TraceAction.TRACE_GAP, "", -1, -1, gap.count, -1.0, gap.code)
            )
        failed: dict[uuid.UUID, tuple[JobTrace, int, str]] = {}
        for job, entries in by_job.items():
            done = 0
            try:
                while done < len(entries):
                    some = entries[done : done + SLICE]
                    self._append(job, some, offset)
                    done += len(some)
            except OSError as error:
                self._parts.pop(job, None)
                code = "disk_full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "io_error"
                failed[job] = (entries[-1][0], len(entries) - done - (1 if job in gaps else 0), code)
                if job not in self._failing:
                    self._failing.add(job)
                    log.warning("trace_not_written job=%s error=%s", job, error)
            else:
                self._failing.discard(job)
            self.written += done
        return failed

    def _append(self, job: uuid.UUID, entries: Sequence[_Entry], offset: float) -> None:
        path = self._folder / trace_names(job).newest
        if len(self._writers) > MAX_REMEMBERED:
            self._writers.clear()
            self._parts.clear()
        writer = self._writers.setdefault(job, TraceWriter(job))
        lines = [writer.noted(entry[0].transfer, entry[1:], entry[1] + offset) for entry in entries]
        length = sum(map(len, lines))
        descriptor, part = self._open(job, path)
        try:
            if part.size and part.size + length > self._part_bytes:
                os.close(descriptor)
                descriptor = -1
                self._rotate(job, path, writer)
                descriptor, part = self._open(job, path)
            first: list[str] = []
            if part.size == 0:
                first.append(writer.header(part=1, at=self._wall()))
            elif os.pread(descriptor, 1, part.size - 1) != b"\n":
                first.append("\n")  # a crash tore the last line: end it, so that it stays alone
            contexts = {entry[0].context for entry in entries if entry[0].context.transfer not in part.told}
            first += [writer.context(context) for context in contexts]
            part.size = _write_whole(descriptor, "".join(first + lines).encode(), at=part.size)
            part.told.update(context.transfer for context in contexts)
            if part.so_far is not None:
                for entry in entries:
                    part.so_far.count(entry[0].context, entry[1:], entry[1] + offset)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self, job: uuid.UUID, path: Path) -> tuple[int, _Part]:
        """The newest part, open for appending. It may have been swept or left by a crash since we saw it."""
        names = trace_names(job)
        new = self._folder / names.rotating
        if job not in self._parts:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if new.exists():
                if path.exists():
                    new.unlink()  # the rotation had not begun yet
                else:
                    new.replace(path)  # it ended before its last step
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        status = os.fstat(descriptor)
        part = self._parts.get(job)
        if part is None or part.inode != status.st_ino or status.st_size < part.size:
            part = self._parts[job] = _Part(status.st_ino, status.st_size)
            if not status.st_size and not (self._folder / names.older).exists():
                part.so_far = Tally()
        part.size = status.st_size
        return descriptor, part

    def _rotate(self, job: uuid.UUID, path: Path, writer: TraceWriter) -> None:
        """The newest part becomes the older one; the tally of what goes stands in the new part's header from its first moment on."""
        names = trace_names(job)
        older, new = self._folder / names.older, self._folder / names.rotating
        part = self._parts[job]
        number, before, so_far = 1, part.before, part.so_far
        try:
            with path.open("rb") as file:
                number, carried = part_head(file.readline())
            if so_far is None:
                before, so_far = _tallies(job, carried, older, path)
        except TraceNewer:  # a newer slskdn was here and went: its sums are not ours to read
            before, so_far = None, Tally()
        new.write_text(writer.header(part=max(number, 1) + 1, at=self._wall(), carried=before), encoding="ascii")
        path.replace(older)
        new.replace(path)
        status = path.stat()
        self._parts[job] = _Part(status.st_ino, status.st_size, before=so_far.to_json(), so_far=so_far)


def _tallies(
    job: uuid.UUID, carried: Mapping[str, object], older: Path, newest: Path
) -> tuple[dict[str, object] | None, Tally]:
    """Tally of what lies in front of the newest part, and up to its end."""
    tally = Tally.from_json(carried, job=job)
    if older.exists():
        for event in trace_read(job, [older.read_bytes()]).events:
            tally.add(event)
    before = tally.to_json() if tally.events else None
    for event in trace_read(job, [newest.read_bytes()]).events:
        tally.add(event)
    return before, tally


async def traces_sweep(folder: Path, limits: TraceLimits, *, now: datetime) -> None:
    """Delete the traces that the limits no longer keep: at the start of a node; from then on a worker does it daily."""
    if deleted := await asyncio.to_thread(folder_sweep, folder, limits, now):
        log.info("traces_swept files=%d", deleted)


def folder_sweep(folder: Path, limits: TraceLimits, now: datetime) -> int:
    """Delete the traces in `folder` that the limits no longer keep; how many files. A file that is gone already was swept by somebody else."""
    found: list[TraceFile] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                found.append(
                    TraceFile(
                        name=entry.name,
                        size_bytes=status.st_size,
                        changed_at=datetime.fromtimestamp(status.st_mtime, UTC),
                    )
                )
    deleted = Counter[bool]()
    for name in traces_to_forget(found, limits, now=now):
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            deleted[False] += 1
        except OSError as error:
            log.warning("trace_not_deleted name=%s error=%s", name, error)
        else:
            deleted[True] += 1
    return deleted[True]


def _write_whole(descriptor: int, data: bytes, *, at: int) -> int:
    """Append all of `data` or nothing: what a full disk took of it is cut off again. The size of the file afterwards."""
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:] if written else data)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, at)
        raise
    return at + written
